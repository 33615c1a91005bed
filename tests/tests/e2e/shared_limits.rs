//! Limits that all edges count together, beside one nginx: what two edges allow of a burst is what one nginx
//! allows, also while nodes and Redis come and go, and while Redis's clock is set.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::thread;

use weir_tests::{Client, Cluster, Nginx, until};

/// Each address counts for itself, so that each test case has one of its own.
const SITES: &str = r#"
[edge.timeouts]
limit = "10s"
[edge.limit_zones]
slow = { rate = "1r/m", shared = true }
slower = { rate = "1r/m", key = "$binary_remote_addr$arg_user", shared = true }
quick = { rate = "600r/m", shared = true }
places = { shared = true }
alone = { rate = "1r/m" }
[[edge.site]]
server_name = ["localhost"]
root = "/usr"
[[edge.site.location]]
match = "/none/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "slow" }]
[[edge.site.location]]
match = "/five/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "slow", burst = 5, nodelay = true, status = 429 }]
[[edge.site.location]]
match = "/both/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "slow", burst = 8, nodelay = true }, { zone = "slower", burst = 2, nodelay = true }]
[[edge.site.location]]
match = "/paced/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "quick", burst = 6, delay = 3 }]
[[edge.site.location]]
match = "/dry/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "slow", dry_run = true }]
[[edge.site.location]]
match = "/alone/"
try_files = ["/none", "=204"]
limit_req = [{ zone = "alone", burst = 2, nodelay = true }]
[[edge.site.location]]
match = "/places/"
pool = "app"
limit_conn = [{ zone = "places", connections = 2 }]
[[edge.site.location]]
match = "/"
pool = "app"
cache = { ttl = "60s" }
"#;

const NGINX_ZONES: &str = "limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;
    limit_req_zone $binary_remote_addr$arg_user zone=slower:1m rate=1r/m;
    limit_req_zone $binary_remote_addr zone=quick:1m rate=600r/m;";
const NGINX_SITES: &str = "location /none/ { limit_req zone=slow; try_files /none =204; }
    location /five/ { limit_req zone=slow burst=5 nodelay; limit_req_status 429; try_files /none =204; }
    location /both/ { limit_req zone=slow burst=8 nodelay; limit_req zone=slower burst=2 nodelay; try_files /none =204; }
    location /paced/ { limit_req zone=quick burst=6 delay=3; try_files /none =204; }
    location /dry/ { limit_req zone=slow; limit_req_dry_run on; try_files /none =204; }";

/// The statuses of requests from one address that come one after the other, by turns to each of the servers.
fn statuses(servers: &[SocketAddr], source: &str, targets: &[&str]) -> Vec<u16> {
    let connect = |server: &SocketAddr| Client::connect_from(source.parse().unwrap(), *server);
    let mut clients: Vec<Client> = servers.iter().map(connect).collect();
    let count = clients.len();
    let ask = |(n, target): (usize, &&str)| match clients[n % count].get(target).status {
        // What is found where there is no limit.
        204 => 200,
        status => status,
    };
    targets.iter().enumerate().map(ask).collect()
}

/// Some address that has not asked before.
fn new_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Relaxed).to_be_bytes();
    format!("127.1.{high}.{low}")
}

fn edges(cluster: &Cluster) -> Vec<SocketAddr> {
    cluster.edges.iter().map(weir_tests::ClusterEdge::http).collect()
}

fn allowed(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status == 200).count()
}

#[test]
fn two_edges_allow_of_a_burst_what_one_nginx_allows() {
    let cluster = Cluster::patient(2, 2, SITES);
    let nginx = Nginx::start_with(NGINX_ZONES, NGINX_SITES);
    let nginx = [SocketAddr::from(([127, 0, 0, 1], nginx.port()))];
    let by_user = ["/both/?user=a", "/both/?user=a", "/both/?user=b"];
    let cases: &[(&[&str], usize)] =
        &[(&["/none/"], 6), (&["/five/"], 20), (&by_user, 24), (&["/dry/"], 6), (&["/paced/"], 7)];
    for (n, (targets, count)) in cases.iter().enumerate() {
        let targets: Vec<&str> = targets.iter().copied().cycle().take(*count).collect();
        let source = format!("127.0.2.{}", n + 1);
        let ours = statuses(&edges(&cluster), &source, &targets);
        let theirs = statuses(&nginx, &source, &targets);
        assert_eq!(ours, theirs, "{targets:?}");
    }
    // All at once, over both edges: never one more.
    let all: usize = thread::scope(|scope| {
        let edges = edges(&cluster);
        let ask = |server: SocketAddr| move || allowed(&statuses(&[server], "127.0.2.99", &["/five/"; 10]));
        let asking: Vec<_> = edges.iter().cycle().take(6).map(|edge| scope.spawn(ask(*edge))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).sum()
    });
    assert_eq!(all, 6);
    // A zone that is not shared is each edge's own.
    assert_eq!(allowed(&statuses(&edges(&cluster), "127.0.2.98", &["/alone/"; 20])), 6);
    assert!(cluster.of_edges("weir_edge_limits_alone_total", &[]) == 0.0);
    // Pages from memory ask nobody.
    let before = cluster.of_nodes("weir_cache_node_limits_total", &[]);
    for _ in 0..5 {
        cluster.edges[0].get("/count/cached").expect(200);
    }
    assert!(before > 0.0 && cluster.of_nodes("weir_cache_node_limits_total", &[]) == before);
}

/// Waits until no edge counts alone.
fn until_all_count_together(cluster: &Cluster) {
    until("the edges count together", || {
        let alone = || cluster.of_edges("weir_edge_limits_alone_total", &[]);
        let before = alone();
        statuses(&edges(cluster), &new_address(), &["/five/"; 2]);
        (alone() == before).then_some(())
    });
}

#[test]
fn who_has_had_a_burst_gets_none_when_redis_comes_and_goes_or_a_node_begins_anew() {
    let cluster = Cluster::patient(2, 1, SITES);
    let mut edges = edges(&cluster);
    let ask = |edges: &[SocketAddr], source: &str, count: usize| {
        allowed(&statuses(edges, source, &vec!["/five/"; count]))
    };
    // Six in all: some before, the others after.
    assert_eq!(ask(&edges, "127.0.3.1", 2), 2);
    assert_eq!(ask(&edges, "127.0.3.2", 4), 4);
    cluster.redis.process.kill();
    assert_eq!(ask(&edges, "127.0.3.1", 20), 4, "the node goes on from memory");
    assert_eq!(ask(&edges, "127.0.3.3", 20), 6, "somebody new");
    cluster.redis.start_again();
    until("Redis is back", || (cluster.of_nodes("weir_cache_node_redis_up", &[]) == 1.0).then_some(()));
    assert_eq!(ask(&edges, "127.0.3.1", 20), 0, "Redis is empty, the node is not");
    assert_eq!(ask(&edges, "127.0.3.2", 20), 2);
    // The node begins anew, with an empty Redis: the edges know.
    assert_eq!(ask(&edges, "127.0.3.4", 4), 4);
    cluster.nodes[0].kill();
    cluster.redis.ask(&["FLUSHALL"]);
    cluster.start_node_again(0);
    until_all_count_together(&cluster);
    // The one that asked last knows most.
    edges.reverse();
    assert_eq!(ask(&edges, "127.0.3.4", 20), 2);
    assert_eq!(ask(&edges, "127.0.3.1", 20), 0);
}

#[test]
fn a_node_that_is_lost_leaves_its_counts_in_redis() {
    let cluster = Cluster::patient(2, 2, SITES);
    let ask = |source: &str, count| allowed(&statuses(&edges(&cluster), source, &vec!["/five/"; count]));
    let sources: Vec<String> = (1..9).map(|n| format!("127.0.8.{n}")).collect();
    assert!(sources.iter().all(|source| ask(source, 4) == 4));
    cluster.nodes[0].kill();
    until_all_count_together(&cluster);
    for source in sources {
        assert_eq!(ask(&source, 20), 2, "{source}");
    }
}

#[test]
fn the_clock_of_the_store_may_be_another_hour() {
    let cluster = Cluster::with_clocks(2, 2, SITES);
    let edges = edges(&cluster);
    let ask = |source: &str, count: usize| allowed(&statuses(&edges, source, &vec!["/five/"; count]));
    for (n, hours) in [-1, 0, 1, 0].into_iter().enumerate() {
        let (full, half) = (format!("127.0.4.{}", n + 1), format!("127.0.5.{}", n + 1));
        assert_eq!((ask(&full, 10), ask(&half, 3)), (6, 3));
        cluster.step_clock("redis", hours * 3_600);
        assert_eq!(ask(&full, 10), 0, "{hours} hours");
        assert_eq!(ask(&half, 10), 3, "{hours} hours");
    }
}

#[test]
fn without_a_node_each_edge_goes_on_by_itself() {
    let cluster = Cluster::start(2, 1, &SITES.replace("limit = \"10s\"", "limit = \"200ms\""));
    let edges = edges(&cluster);
    let ask = |servers: &[SocketAddr], source: &str| allowed(&statuses(servers, source, &["/five/"; 12]));
    assert_eq!(allowed(&statuses(&edges, "127.0.6.1", &["/five/"; 4])), 4);
    // It answers nobody.
    cluster.nodes[0].stop();
    assert_eq!(ask(&edges[..1], "127.0.6.2"), 6);
    assert_eq!(ask(&edges[1..], "127.0.6.2"), 6, "each for itself");
    // The first one knew of three, the second one of four.
    assert_eq!(ask(&edges[..1], "127.0.6.1"), 3);
    assert_eq!(ask(&edges[1..], "127.0.6.1"), 2);
    for edge in &cluster.edges {
        let log = edge.process.log();
        let lines = log.matches("this edge counts limits alone").count();
        assert!((1..4).contains(&lines), "{log}");
    }
    assert!(cluster.of_edges("weir_edge_limits_alone_total", &[]) >= 17.0);
    cluster.nodes[0].go_on();
    until("the node counts again", || {
        let before = cluster.of_nodes("weir_cache_node_limits_total", &[]);
        ask(&edges[..1], &new_address());
        (cluster.of_nodes("weir_cache_node_limits_total", &[]) > before).then_some(())
    });
}

#[test]
fn requests_at_once_are_counted_over_all_edges() {
    let cluster = Cluster::patient(2, 2, SITES);
    thread::scope(|scope| {
        let target = |name: &str| format!("/places/count/{name}?hold=1");
        let asking = [(0, "a"), (1, "b")].map(|(edge, name)| {
            let edge = &cluster.edges[edge];
            scope.spawn(move || edge.get(&target(name)).status)
        });
        ["a", "b"].iter().for_each(|name| cluster.oracle.wait_for_calls(name, 1));
        for edge in &cluster.edges {
            assert_eq!(edge.get(&target("c")).status, 503);
        }
        cluster.oracle.release_all("a");
        until("a place is free at the other edge", || {
            (cluster.edges[1].get("/places/count/d").status == 200).then_some(())
        });
        cluster.oracle.release_all("b");
        assert_eq!(asking.map(|asked| asked.join().unwrap()), [200, 200]);
    });
}
