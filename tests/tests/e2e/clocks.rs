//! Redis's clock is set by an hour, forwards and back, under load: no visitor sees an error, a page beyond
//! its time, or waits for it.

use std::time::Instant;

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
stale_while_revalidate = "5s"
[[edge.site.location]]
match = "/strict/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "0s"
"#;
const HOUR: i64 = 3_600;

fn load(cluster: &Cluster) -> Vec<Load> {
    let load = |edge: &weir_tests::ClusterEdge| {
        Load::start(edge.http(), 3, |visitor, n| match visitor {
            0 => "/second/count/hot".to_owned(),
            1 => "/strict/count/strict".to_owned(),
            _ => format!("/second/count/cold-{n}"),
        })
    };
    cluster.edges.iter().map(load).collect()
}

#[track_caller]
fn end(loads: Vec<Load>) {
    let troubles: Vec<String> = loads.into_iter().flat_map(Load::end).collect();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

#[test]
fn nobody_notices_when_the_store_counts_another_hour() {
    let cluster = Cluster::with_clocks(2, 2, SITES);
    let (loads, began) = (load(&cluster), Instant::now());
    let edited = "/long/count/edited?h=Surrogate-Key:edited";
    for hour in [-HOUR, 0, HOUR, 0] {
        loads.iter().for_each(|load| load.wait_for(100));
        cluster.step_clock("redis", hour);
        // A page that lives for a second is made again and again: it is not taken for young for an hour.
        let shown =
            || cluster.edges[1].get("/strict/count/strict").expect(200).text().trim().parse::<u64>().unwrap();
        let first = shown();
        until("a page of one second is made anew", || (shown() > first + 3).then_some(()));
        // Purges are over, and pages kept, as before.
        let mut made = cluster.oracle.calls("edited");
        until("a purge is over everywhere", || {
            made = cluster.oracle.calls("edited");
            (cluster.purge(0, r#"{"tags": ["edited"]}"#).status == 200).then_some(())
        });
        for edge in &cluster.edges {
            let version: u64 = edge.get(edited).expect(200).text().trim().parse().unwrap();
            assert!(version > made, "version {version} after the purge of {made}, {hour}");
        }
        until("a page is kept for both edges", || {
            let [a, b] = [0, 1].map(|edge: usize| cluster.edges[edge].get(edited).expect(200).text());
            (a == b).then_some(())
        });
    }
    end(loads);
    let seconds = began.elapsed().as_secs();
    for name in ["hot", "strict"] {
        // One in each second; a few more at each step, when all pages are made anew and two may hold the
        // lease.
        let (calls, most) = (cluster.oracle.calls(name), 2 * (seconds + 1) + 4 * 4);
        assert!(calls <= most, "{name}: {calls} calls in {seconds} s");
    }
}

/// A node that died has its leases for `lease` (3 s) at most, also where Redis believes for an hour that they
/// have not ended.
#[test]
fn a_lease_of_nobody_does_not_last_as_long_as_a_clock_was_set_back() {
    const PAGES: usize = 4;
    let cluster = Cluster::with_clocks(3, 2, SITES);
    let page = |n| format!("/long/count/slow-{n}");
    (0..PAGES).for_each(|n| cluster.oracle.set(&format!("slow-{n}"), "delay=4000"));
    std::thread::scope(|scope| {
        let http = cluster.edges[0].http();
        for n in 0..PAGES {
            scope.spawn(move || Client::connect(http).get(&page(n)).expect(200));
            cluster.oracle.wait_for_calls(&format!("slow-{n}"), 1);
        }
        cluster.nodes.iter().for_each(|node| node.kill());
        cluster.step_clock("redis", -HOUR);
        (0..PAGES).for_each(|n| cluster.oracle.set(&format!("slow-{n}"), "delay=0"));
        (0..2).for_each(|n| cluster.start_node_again(n));
        let is_shared = |target: &str| {
            let [a, b] = [1, 2].map(|edge: usize| cluster.edges[edge].get(target).expect(200).text());
            a == b
        };
        let mut tries = 0;
        until("both edges use the nodes again", || {
            tries += 1;
            is_shared(&format!("/long/count/other-{tries}")).then_some(())
        });
        // Without a lease no edge gets the other's page. Several, since a node that is slow for a moment is
        // left out, and what an edge makes alone it keeps.
        assert!((0..PAGES).any(|n| is_shared(&page(n))), "all leases are somebody's");
    });
}
