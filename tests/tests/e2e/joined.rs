//! Who has used up its part of the application, and asks first for a page that nobody has: others who ask for
//! it wait for none of that client's requests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use weir_tests::{Client, Cluster, Location, Oracle, Pool, Response, Settings, Stack, both_topologies, site};

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PAGE: &str = "/kept/count/page";
/// A request has reached the queue by then.
const LINED_UP: Duration = Duration::from_millis(500);
const SITES: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/kept/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

fn pages() -> Settings {
    site([Location::passed("/"), Location::cached("/kept/", "60s")])
        .pool(Pool::new("app", "$APP").with("max_in_flight", 4))
}

fn get(at: SocketAddr, source: IpAddr) -> Response {
    Client::connect_from(source, at).get(PAGE)
}

/// A client takes its half of the places at `first` and, as soon as it has them, asks for the page at each
/// edge of `asks`. Then another asks for it at `other`, and has it while the client still waits.
fn is_held_up_by_nobody(oracle: &Oracle, first: SocketAddr, asks: &[SocketAddr], other: SocketAddr) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || Client::connect(first).get("/count/mine?hold=1").expect(200));
        }
        oracle.wait_for_running("mine", 2);
        let asked: Vec<ScopedJoinHandle<'_, Response>> = asks
            .iter()
            .map(|at| {
                let asked = scope.spawn(move || get(*at, HERE));
                thread::sleep(LINED_UP);
                asked
            })
            .collect();
        assert_eq!(oracle.calls("page"), 0, "the client has no place left");
        get(other, OTHER).expect(200);
        assert_eq!(oracle.running("mine"), 2, "the page waited for them");
        oracle.release_all("mine");
        for asked in asked {
            asked.join().unwrap().expect(200);
        }
    });
    assert_eq!(oracle.calls("page"), 1);
}

both_topologies!(who_asks_first_with_no_place_left_holds_up_no_other, pages());
fn who_asks_first_with_no_place_left_holds_up_no_other(stack: &Stack) {
    is_held_up_by_nobody(&stack.oracle, stack.http(), &[stack.http()], stack.http());
}

#[test]
fn nor_does_it_at_another_edge() {
    let cluster = Cluster::crowded(2, 1, SITES, 4);
    let [one, other] = [0, 1].map(|n| cluster.edges[n].http());
    is_held_up_by_nobody(&cluster.oracle, one, &[one], other);
}

#[test]
fn nor_where_it_asks_first_at_each_edge() {
    let cluster = Cluster::crowded(2, 1, SITES, 4);
    let [one, other] = [0, 1].map(|n| cluster.edges[n].http());
    is_held_up_by_nobody(&cluster.oracle, one, &[one, other], other);
}
