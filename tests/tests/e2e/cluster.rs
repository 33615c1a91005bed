//! Several edges and cache-nodes as one cache: one call per page and lifetime, purges that are over
//! everywhere, parts that are lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::{Client, Cluster, Load, NetworkFault, once_measured_within, until};

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
stale_if_error = "60s"
[[edge.site.location]]
match = "/strict/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "0s"
"#;
/// As edges and nodes have it by default, and then some for a busy machine.
const GRACE: Duration = Duration::from_millis(1_500);

#[track_caller]
fn no_troubles(loads: Vec<Load>) {
    let troubles: Vec<String> = loads.into_iter().flat_map(Load::end).collect();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

/// Some visitors of one page, some of pages nobody has asked for yet, at every edge.
fn mixed_load(cluster: &Cluster) -> Vec<Load> {
    let load = |edge: &weir_tests::ClusterEdge| {
        Load::start(edge.http(), 3, |visitor, n| match visitor {
            0 => "/second/count/hot".to_owned(),
            _ => format!("/second/count/cold-{visitor}-{n}"),
        })
    };
    cluster.edges.iter().map(load).collect()
}

fn wait_for(loads: &[Load], more: usize) {
    loads.iter().for_each(|load| load.wait_for(more));
}

#[test]
fn a_hot_page_is_made_once_in_a_lifetime() {
    let cluster = Cluster::patient(3, 2, SITES);
    for path in ["/second/count/hot", "/strict/count/cold"] {
        let name = path.rsplit('/').next().unwrap();
        let began = Instant::now();
        let loads: Vec<Load> = cluster
            .edges
            .iter()
            .map(|edge| Load::start(edge.http(), 4, move |_, _| path.to_owned()))
            .collect();
        thread::sleep(Duration::from_millis(3_500));
        no_troubles(loads);
        let (calls, lifetimes) = (cluster.oracle.calls(name), began.elapsed().as_secs() + 1);
        assert!((2..=lifetimes).contains(&calls), "{path}: {calls} calls in {lifetimes} lifetimes of 1 s");
    }
}

#[test]
fn a_purge_is_over_at_every_edge_when_it_returns() {
    let cluster = Cluster::patient(3, 2, SITES);
    let target = "/long/count/p?h=Surrogate-Key:news";
    let mut round = 0;
    // A few milliseconds on a machine that does nothing else.
    once_measured_within(Duration::from_secs(1), "half of ten purges", || {
        let mut times: Vec<_> = (0..10)
            .map(|_| {
                round += 1;
                for edge in &cluster.edges {
                    assert_eq!(edge.get(target).expect(200).text(), format!("{round}\n"), "{}", edge.name);
                }
                let answer = cluster.purge(round % 3, r#"{"tags": ["news"]}"#).expect(200).json();
                let names: Vec<_> =
                    answer["acknowledged"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert_eq!(names, ["edge-0", "edge-1", "edge-2", "node-0", "node-1"], "{answer}");
                answer["milliseconds"].as_f64().unwrap()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        Duration::from_secs_f64(times[5] / 1000.0)
    });
}

/// Every page that is served tells which edit it shows. While edits and purges go on, no visitor may be shown
/// an edit from before a purge that was over when they asked.
#[test]
fn nobody_sees_a_page_from_before_a_purge_that_was_over_also_while_the_network_is_cut() {
    let cluster = Cluster::start(3, 2, SITES);
    let (over, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let page = "/long/count/edited?h=Surrogate-Key:edited";
    thread::scope(|scope| {
        for edge in &cluster.edges {
            let (over, ended) = (&over, &ended);
            scope.spawn(move || {
                let mut client = Client::connect(edge.http());
                while !ended.load(Ordering::Relaxed) {
                    let must_show = over.load(Ordering::SeqCst);
                    let shown: u64 = client.get(page).expect(200).text().trim().parse().unwrap();
                    assert!(
                        shown > must_show,
                        "{}: version {shown} after the purge of {must_show}",
                        edge.name
                    );
                    // A connection has its number of requests.
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
        for round in 0..14 {
            match round {
                3 => cluster.edges[2].links.iter().for_each(|link| link.set(NetworkFault::Silence)),
                7 => cluster.edges[2].links.iter().for_each(|link| link.set(NetworkFault::None)),
                10 => cluster.edges[1].links[0].set(NetworkFault::Cut),
                12 => cluster.edges[1].links[0].set(NetworkFault::None),
                _ => {}
            }
            // All that was made until now is what the purge reaches.
            let made = cluster.oracle.calls("edited");
            let answer = cluster.purge(0, r#"{"tags": ["edited"]}"#);
            if answer.json()["complete"] == true {
                over.store(made, Ordering::SeqCst);
            }
            thread::sleep(Duration::from_millis(200));
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(over.load(Ordering::SeqCst) > 10, "most purges were over");
}

/// The watch notices: three beats without an echo, as edges have it by default. Pings and calls would take
/// longer.
#[test]
fn a_node_that_stops_answering_is_left_out_within_a_second_and_tried_again() {
    let cluster = Cluster::start(1, 2, SITES);
    let edge = &cluster.edges[0];
    let seen = |words: &str| edge.process.log().matches(words).count();
    let mut round = 0;
    // A second, and then some for a busy machine.
    once_measured_within(Duration::from_secs(3), "until a node is left out", || {
        round += 1;
        let (before, began) = (seen("cache-node is not used"), Instant::now());
        cluster.nodes[0].stop();
        until("it is left out", || (seen("cache-node is not used") > before).then_some(()));
        let took = began.elapsed();
        // All pages are the other one's.
        let kept = || cluster.of_node(1, "weir_cache_node_stores_total", &["result=\"kept\""]);
        let before = kept();
        for n in 0..20 {
            edge.get(&format!("/long/count/without-{round}-{n}")).expect(200);
        }
        until("it has kept them", || (kept() - before >= 20.0).then_some(()));
        let back = seen("cache-node is back");
        cluster.nodes[0].go_on();
        until("it is back", || (seen("cache-node is back") > back).then_some(()));
        took
    });
}

#[test]
fn no_purge_waits_for_an_edge_that_was_told_to_end() {
    // Whoever only breaks off is waited for as long as its grace, which is longer than any purge takes.
    let cluster = Cluster::patient(3, 2, SITES);
    for edge in &cluster.edges[1..] {
        edge.get("/long/count/a").expect(200);
        edge.process.terminate();
    }
    let answer = cluster.purge(0, r#"{"all": true}"#).expect(200).json();
    assert_eq!(answer["complete"], true, "{answer}");
    assert_eq!(cluster.edges[0].get("/long/count/a").expect(200).text(), "2\n");
}

#[test]
fn a_node_killed_stopped_and_started_again_costs_no_visitor_anything() {
    let cluster = Cluster::start(2, 2, SITES);
    let loads = mixed_load(&cluster);
    wait_for(&loads, 50);
    cluster.nodes[0].kill();
    wait_for(&loads, 50);
    // It may still have used pages: the purge waits for as long as that.
    // Redis may be slow for a moment on a busy machine: 202.
    let whole = || {
        let answer = cluster.purge(0, r#"{"all": true}"#);
        (answer.status == 200 && answer.json()["complete"] == true).then_some(())
    };
    until("a purge is over", whole);
    cluster.start_node_again(0);
    wait_for(&loads, 50);
    cluster.nodes[1].stop();
    wait_for(&loads, 50);
    cluster.nodes[1].go_on();
    wait_for(&loads, 50);
    no_troubles(loads);
    until("both nodes acknowledge again", || {
        let answer = cluster.purge(0, r#"{"tags": ["x"]}"#).json();
        (answer["acknowledged"].as_array()?.len() == 4).then_some(())
    });
}

#[test]
fn with_all_nodes_gone_for_long_edges_go_on_and_purges_say_that_they_are_not_made() {
    let cluster = Cluster::start(2, 2, SITES);
    // Visitors with some patience: this takes a while, and other tests run beside it.
    let calm = |edge: &weir_tests::ClusterEdge| {
        Load::start(edge.http(), 3, |visitor, n| {
            thread::sleep(Duration::from_millis(20));
            match visitor {
                0 => "/second/count/hot".to_owned(),
                _ => format!("/second/count/cold-{visitor}-{n}"),
            }
        })
    };
    let loads: Vec<Load> = cluster.edges.iter().map(calm).collect();
    wait_for(&loads, 30);
    cluster.nodes.iter().for_each(|node| node.kill());
    wait_for(&loads, 60);
    let answer = cluster.purge(0, r#"{"all": true}"#).expect(202).json();
    assert_eq!(answer["complete"], false);
    assert_eq!(answer["missing"].as_array().unwrap().len(), 2, "{answer}");
    thread::sleep(GRACE);
    // Alone, an edge keeps a page no longer than a moment; all who ask at once share it.
    let calls = cluster.oracle.calls("hot");
    let began = Instant::now();
    thread::sleep(Duration::from_secs(15));
    let made = cluster.oracle.calls("hot") - calls;
    let most = 2 * (began.elapsed().as_secs() + 2);
    assert!((10..=most).contains(&made), "{made} calls by two edges alone, {most} at most");
    (0..2).for_each(|n| cluster.start_node_again(n));
    until("purges are over again", || {
        let answer = cluster.purge(1, r#"{"all": true}"#);
        (answer.status == 200 && answer.json()["acknowledged"].as_array()?.len() == 4).then_some(())
    });
    no_troubles(loads);
}

#[test]
fn redis_lost_is_told_by_purges_and_by_nothing_else() {
    let cluster = Cluster::start(2, 2, SITES);
    let loads = mixed_load(&cluster);
    wait_for(&loads, 30);
    cluster.redis.process.kill();
    wait_for(&loads, 60);
    let answer = cluster.purge(0, r#"{"all": true}"#).expect(202).json();
    assert!(answer["missing"].to_string().contains("redis"), "{answer}");
    cluster.redis.start_again();
    until("purges are over again", || (cluster.purge(0, r#"{"all": true}"#).status == 200).then_some(()));
    no_troubles(loads);
}

/// Lifetimes are counted from one moment to another of the same machine; no time of day is compared with
/// another's.
#[test]
fn nobody_notices_when_a_clock_is_stepped_by_an_hour() {
    const HOUR: i64 = 3_600;
    let cluster = Cluster::with_clocks(2, 2, SITES);
    let loads = mixed_load(&cluster);
    wait_for(&loads, 100);
    let edited = "/long/count/edited?h=Surrogate-Key:edited";
    let mut edits = 0;
    for (name, step) in
        [("edge-0", HOUR), ("node-0", -HOUR), ("edge-0", -HOUR), ("node-1", HOUR), ("node-0", HOUR)]
    {
        cluster.step_clock(name, step);
        wait_for(&loads, 300);
        // It is read: what an edge says itself bears its own hour, as in "Thu, 26 Nov 2026 13:25:15 GMT".
        let [stepped, true_one] = [0, 1].map(|edge: usize| {
            let date = cluster.edges[edge].get("/nowhere").expect(404).field("date").unwrap().to_owned();
            date[17..19].to_owned()
        });
        assert_ne!(stepped, true_one);
        // What was purged is gone everywhere, and what was not is still kept.
        cluster.purge(1, r#"{"tags": ["edited"]}"#).expect(200);
        edits += 1;
        for edge in cluster.edges.iter().chain(&cluster.edges) {
            assert_eq!(edge.get(edited).expect(200).text(), format!("{edits}\n"), "{name} by {step} s");
        }
    }
    no_troubles(loads);
}
