//! What a cluster shows in its metrics: each event moves its own figure.

use std::thread;
use std::time::Duration;

use weir_tests::{Client, Cluster, Load, until};

const SITES: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/long/"
pool = "app"
[edge.site.location.cache]
ttl = "600s"
[[edge.site.location]]
match = "/second/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "30s"
"#;

/// What happens moves a figure of the nodes.
#[track_caller]
fn moves(cluster: &Cluster, name: &str, labels: &[&str], event: impl FnOnce()) {
    let before = cluster.of_nodes(name, labels);
    event();
    until(&format!("{name} {labels:?} is more than {before}"), || {
        (cluster.of_nodes(name, labels) > before).then_some(())
    });
}

/// What an event moves at the edges.
#[track_caller]
fn moves_at_edges(cluster: &Cluster, name: &str, labels: &[&str], event: impl FnOnce()) {
    let before = cluster.of_edges(name, labels);
    event();
    until(&format!("{name} {labels:?} is more than {before}"), || {
        (cluster.of_edges(name, labels) > before).then_some(())
    });
}

#[test]
fn leases_and_lookups_are_counted() {
    // A stream may hold a lease for no longer than this.
    let cluster = Cluster::patient_with(2, 2, SITES, "lease = \"1s\"\nmax_lease = \"1500ms\"\n");
    let [one, other] = [0, 1].map(|edge: usize| &cluster.edges[edge]);
    let leases = "weir_cache_node_leases_total";
    let lookups = "weir_cache_node_lookups_total";
    moves(&cluster, leases, &["event=\"granted\""], || {
        moves(&cluster, lookups, &["answer=\"lease\"", "waited=\"false\""], || {
            moves(&cluster, "weir_cache_node_stores_total", &["result=\"kept\""], || {
                moves_at_edges(&cluster, "weir_edge_l1_misses_total", &[], || {
                    one.get("/long/count/a").expect(200);
                });
            });
        });
    });
    moves_at_edges(&cluster, "weir_edge_l1_hits_total", &[], || {
        one.get("/long/count/a").expect(200);
    });
    // The other edge has it from the node.
    moves(&cluster, lookups, &["answer=\"fresh\"", "waited=\"false\""], || {
        assert_eq!(other.get("/long/count/a").expect(200).text(), "1\n");
    });
    moves(&cluster, lookups, &["waited=\"true\""], || {
        thread::scope(|scope| {
            scope.spawn(|| one.get("/long/count/waited?delay=1000").expect(200));
            cluster.oracle.wait_for_calls("waited", 1);
            assert_eq!(other.get("/long/count/waited?delay=1000").expect(200).text(), "1\n");
        });
    });
    moves(&cluster, leases, &["event=\"expired\""], || {
        one.get("/long/count/late?delay=4000").expect(200);
    });
}

#[test]
fn a_lease_that_is_handed_over_is_counted() {
    // One node: two edges need not agree which of several a page belongs to, and Redis hands over between
    // nodes.
    let cluster = Cluster::patient(2, 1, SITES);
    let [one, other] = [0, 1].map(|edge: usize| &cluster.edges[edge]);
    moves(&cluster, "weir_cache_node_leases_total", &["event=\"handed_over\""], || {
        thread::scope(|scope| {
            let ask = "GET /long/count/left HTTP/1.1\r\nHost: localhost\r\n\r\n";
            cluster.oracle.set("left", "delay=20000");
            let mut client = Client::connect(one.http());
            client.send(ask);
            cluster.oracle.wait_for_calls("left", 1);
            cluster.oracle.set("left", "delay=0");
            scope.spawn(|| other.get("/long/count/left"));
            until("one waits", || (cluster.of_nodes("weir_cache_node_waiting", &[]) >= 1.0).then_some(()));
            one.process.kill();
        });
    });
}

#[test]
fn purges_and_the_state_of_redis_are_shown() {
    let cluster = Cluster::start(2, 2, SITES);
    let all = || {
        cluster.purge(0, r#"{"all": true}"#);
    };
    let nodes = cluster.nodes.len() as f64;
    until("both edges follow both nodes", || {
        (cluster.of_nodes("weir_cache_node_watches", &[]) == 2.0 * nodes).then_some(())
    });
    // A node that is out of touch for a moment makes none.
    let over =
        || until("a purge is over", || (cluster.purge(0, r#"{"all": true}"#).status == 200).then_some(()));
    moves(&cluster, "weir_cache_node_acknowledgement_seconds_count", &[], over);
    moves(&cluster, "weir_cache_node_purge_seconds_count", &["result=\"complete\""], over);
    moves_at_edges(&cluster, "weir_edge_purges_total", &["result=\"complete\""], over);
    moves_at_edges(&cluster, "weir_edge_purge_seconds_count", &[], all);
    let calls = "weir_cache_node_redis_call_seconds_count";
    let mut n = 0;
    until("a page is looked up in Redis", || {
        n += 1;
        cluster.edges[0].get(&format!("/long/count/looked-up-{n}")).expect(200);
        (cluster.of_nodes(calls, &["command=\"look_up\"", "ok=\"true\""]) > 0.0).then_some(())
    });
    moves(&cluster, calls, &["command=\"beat\"", "ok=\"true\""], || {});
    let state = |up: f64| {
        for name in ["weir_cache_node_redis_up", "weir_cache_node_purge_log_live"] {
            until(&format!("{name} is {up}"), || (cluster.of_nodes(name, &[]) == up * nodes).then_some(()));
        }
    };
    state(1.0);
    moves(&cluster, "weir_cache_node_redis_errors_total", &[], || cluster.redis.process.kill());
    state(0.0);
    moves(&cluster, "weir_cache_node_purge_seconds_count", &["result=\"not_made\""], all);
    moves_at_edges(&cluster, "weir_edge_purges_total", &["result=\"incomplete\""], all);
    cluster.redis.start_again();
    state(1.0);
    over();
    moves_at_edges(&cluster, "weir_edge_cache_node_errors_total", &[], || {
        cluster.nodes.iter().for_each(|node| node.kill());
        let mut n = 0;
        until("an edge is alone", || {
            n += 1;
            cluster.edges[0].get(&format!("/long/count/alone-{n}")).expect(200);
            (cluster.of_edges("weir_edge_cache_node_errors_total", &[]) > 0.0).then_some(())
        });
    });
}

/// Each edge asks its node for a hot page about once in the page's life, whatever thousands of visitors ask.
#[test]
fn a_hot_page_costs_the_node_one_lookup_for_each_life_and_edge() {
    let cluster = Cluster::patient(2, 1, SITES);
    let lookups = || cluster.of_nodes("weir_cache_node_lookups_total", &[]);
    let before = lookups();
    let load =
        |edge: &weir_tests::ClusterEdge| Load::start(edge.http(), 4, |_, _| "/second/count/hot".to_owned());
    let loads: Vec<Load> = cluster.edges.iter().map(load).collect();
    thread::sleep(Duration::from_secs(4));
    loads.iter().for_each(|load| load.wait_for(200));
    for load in loads {
        assert_eq!(load.end(), Vec::<String>::new());
    }
    // A life is shorter by the time that the application takes, so the lives are counted and not the seconds.
    let lives = cluster.oracle.calls("hot") as f64;
    let asked = lookups() - before;
    // One more each at the start, when nobody has the page.
    assert!((2.0..=2.0 * (lives + 1.0)).contains(&asked), "{asked} lookups in {lives} lives by two edges");
    assert!(lives < 100.0, "{lives} lives in some seconds");
}
