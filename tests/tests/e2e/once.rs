//! One call per page over all edges: thousands of pages at once, while a node leaves and joins; and how soon
//! who waits has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weir_tests::{Client, Cluster, ClusterEdge, Load, NetworkFault, until};

const SITES: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "600s"
"#;
/// Nobody loses it for being slow to renew it.
const LONG_LEASE: &str = "lease = \"25s\"\n";
const LEFT_OUT: &str = "cache-node is not used";
const BACK: &str = "cache-node is back";

/// What an edge logs when it lost touch with a node or the adapter: it goes on alone, or repeats the call
/// (docs/decisions/0017 and 0019).
const LOST: [&str; 3] = [LEFT_OUT, "continues from its own memory", "a call was lost"];

fn has_lost_a_peer(cluster: &Cluster) -> bool {
    cluster.edges.iter().any(|edge| LOST.iter().any(|words| seen(edge, words) > 0))
}

/// On a machine that stands still for seconds, peers seem dead: then another try tells.
#[test]
fn of_thousands_of_pages_in_flight_at_once_each_is_made_once_over_all_edges() {
    let told = (0..3).any(|_| {
        let cluster = Cluster::patient_with(3, 2, SITES, LONG_LEASE);
        let troubles = troubles_with_thousands(&cluster);
        let told = !has_lost_a_peer(&cluster);
        assert!(!told || troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
        told
    });
    assert!(told, "each time an edge lost a peer");
}

/// Asks for thousands of pages before the first is made, and says what is not as if each were made once. Ends
/// early where an edge has lost a peer.
fn troubles_with_thousands(cluster: &Cluster) -> Vec<String> {
    const PAGES: usize = 2_000;
    // The application works on none of them before all are asked for.
    cluster.app.pause();
    let target = |page: usize| format!("/count/page-{page}");
    // Every page at two edges.
    let mut clients: Vec<(usize, Client)> = Vec::new();
    for page in 0..PAGES {
        for n in [page, page + 1] {
            let mut client = Client::connect(cluster.edges[n % 3].http());
            client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", target(page)));
            clients.push((page, client));
        }
    }
    until("each page is in flight", || {
        let granted = cluster.of_nodes("weir_cache_node_leases_total", &["event=\"granted\""]);
        (granted >= PAGES as f64 || has_lost_a_peer(cluster)).then_some(())
    });
    cluster.app.go_on();
    let mut troubles = Vec::new();
    if has_lost_a_peer(cluster) {
        return troubles;
    }
    for (page, client) in &mut clients {
        let response = client.response("GET");
        if (response.status, response.text().as_str()) != (200, "1\n") {
            troubles.push(format!("page {page}: {} {}", response.status, response.text()));
        }
    }
    for page in 0..PAGES {
        let calls = cluster.oracle.calls(&format!("page-{page}"));
        if calls != 1 {
            troubles.push(format!("page {page}: {calls} calls"));
        }
    }
    troubles
}

fn seen(edge: &ClusterEdge, words: &str) -> usize {
    edge.process.log().matches(words).count()
}

/// Edges and nodes learn of it one after the other, and disagree meanwhile on whose a page is.
#[test]
fn pages_are_made_once_while_nodes_leave_and_join() {
    const VISITORS: usize = 3;
    let cluster = Cluster::patient_with(3, 2, SITES, LONG_LEASE);
    let asked = Arc::new(AtomicUsize::new(0));
    let load = |edge: &ClusterEdge| {
        let asked = asked.clone();
        // All ask for the newest pages, so that each is made while others wait for it.
        let target = move |_, _| {
            format!("/count/page-{}?delay=30", asked.fetch_add(1, Ordering::Relaxed) / (3 * VISITORS))
        };
        let wrong = |_: &str, response: &weir_tests::Response| {
            (response.text() != "1\n").then(|| format!("made again: {}", response.text()))
        };
        Load::checking(edge.http(), VISITORS, target, wrong)
    };
    let loads: Vec<Load> = cluster.edges.iter().map(load).collect();
    let wait = || loads.iter().for_each(|load| load.wait_for(25));
    wait();
    for (n, node) in cluster.nodes.iter().enumerate() {
        assert!(node.terminate().success());
        wait();
        cluster.start_node_again(n);
        for edge in &cluster.edges {
            until("the edge uses it again", || (seen(edge, BACK) > n).then_some(()));
        }
        wait();
    }
    let troubles: Vec<String> = loads.into_iter().flat_map(Load::end).collect();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
    for page in 0..asked.load(Ordering::Relaxed) / (3 * VISITORS) {
        assert_eq!(cluster.oracle.calls(&format!("page-{page}")), 1, "page {page}");
    }
}

/// Each edge reaches one node only, and not the other's.
fn part(cluster: &Cluster) {
    for (n, edge) in cluster.edges.iter().enumerate() {
        edge.links[n].set(NetworkFault::Cut);
        until("the edge knows", || (seen(edge, LEFT_OUT) == 1).then_some(()));
    }
}

/// How long after one edge's visitor another edge's has the page that both wait for.
fn waits(cluster: &Cluster, round: usize) -> Vec<Duration> {
    /// As many as the application works on at once.
    const PAGES: usize = 16;
    thread::scope(|scope| {
        let page = |n: usize| {
            let (name, delay) = (format!("page-{round}-{n}"), 600 + 37 * n);
            let target = format!("/count/{name}?delay={delay}");
            let maker = {
                let target = target.clone();
                scope.spawn(move || {
                    cluster.edges[0].get(&target).expect(200);
                    Instant::now()
                })
            };
            let waiter = scope.spawn(move || {
                cluster.oracle.wait_for_calls(&name, 1);
                let asked = Instant::now();
                assert_eq!(cluster.edges[1].get(&target).expect(200).text(), "1\n");
                (asked, Instant::now())
            });
            (maker, waiter)
        };
        let pages: Vec<_> = (0..PAGES).map(page).collect();
        let waits = pages.into_iter().filter_map(|(maker, waiter)| {
            let (made, (asked, had)) = (maker.join().unwrap(), waiter.join().unwrap());
            (asked < made).then(|| had.saturating_duration_since(made))
        });
        waits.collect()
    })
}

/// A node that waits for another's page looks again every quarter of a second, should no word come. So of
/// those who are not told, two in five would have the page within a tenth of a second: that it is three in
/// four happens to them once in ten thousand times.
#[test]
fn who_waits_at_another_edge_has_the_page_within_milliseconds() {
    const SOON: Duration = Duration::from_millis(100);
    for nodes in [1, 2] {
        let cluster = Cluster::patient(2, nodes, SITES);
        if nodes == 2 {
            part(&cluster);
        }
        // A busy machine may hold up many.
        let convincing = (0..4).any(|attempt| {
            let rounds = [2 * attempt, 2 * attempt + 1];
            let mut waits: Vec<Duration> =
                rounds.into_iter().flat_map(|round| waits(&cluster, round)).collect();
            waits.sort();
            eprintln!("{nodes} nodes: {waits:?}");
            waits.iter().filter(|wait| **wait < SOON).count() >= 24
        });
        assert!(convincing, "{nodes} nodes");
    }
}

/// The lease is so long that nobody has it by its end.
#[test]
fn an_edge_killed_while_it_makes_a_page_hands_over_at_once() {
    for parted in [false, true] {
        let cluster = Cluster::patient_with(2, 2, SITES, LONG_LEASE);
        if parted {
            part(&cluster);
        }
        cluster.oracle.set("slow", "delay=28000");
        let mut maker = Client::connect(cluster.edges[0].http());
        let began = Instant::now();
        maker.send("GET /count/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
        cluster.oracle.wait_for_calls("slow", 1);
        cluster.oracle.set("slow", "");
        let others: Vec<Client> = (0..3)
            .map(|_| {
                let mut client = Client::connect(cluster.edges[1].http());
                client.send("GET /count/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
                client
            })
            .collect();
        until("they wait", || (cluster.of_nodes("weir_cache_node_waiting", &[]) > 0.0).then_some(()));
        cluster.edges[0].process.kill();
        for mut client in others {
            assert_eq!(client.response("GET").expect(200).text(), "2\n");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(25), "by the end of the lease, parted {parted}: {took:?}");
        assert_eq!(cluster.oracle.calls("slow"), 2, "one made it after the other");
    }
}
