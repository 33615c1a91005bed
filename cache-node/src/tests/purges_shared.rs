//! Purges over several nodes on one Redis: over everywhere when they return, or they say where not.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use process::units::Time;
use redis::AsyncCommands;
use tokio::time::sleep;
use weir_proto::cache::EntryHead;
use weir_proto::cache::purge_target::Target;
use weir_tests::{FaultProxy, NetworkFault};

use super::measured::once_within;
use super::peer::{Answer, PeerTransport, TestNode, page, tag, url};
use super::redis_server::RedisServer;
use crate::{Config, RedisConfig};

const LONG: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_millis(800);

async fn node(server: &RedisServer, name: &str) -> TestNode {
    node_at(&server.url(), name).await
}

async fn node_at(url: &str, name: &str) -> TestNode {
    node_with(url, name, GRACE).await
}

/// A node that uses its pages for this long while it is out of touch.
async fn node_with(url: &str, name: &str, grace: Duration) -> TestNode {
    // A machine that builds and tests at once is slow.
    let redis = RedisConfig { timeout: Time::from_secs(2), ..RedisConfig::at(url) };
    let config =
        Config { name: Some(name.into()), redis: Some(redis), watch_grace: Time(grace), ..Config::default() };
    TestNode::start(PeerTransport::InProcess, config).await
}

/// Both follow the purge log. A busy machine may hold them up without their pages being lost.
async fn two_nodes(server: &RedisServer) -> (TestNode, TestNode) {
    two_nodes_with(server, LONG).await
}

async fn two_nodes_with(server: &RedisServer, grace: Duration) -> (TestNode, TestNode) {
    let url = server.url();
    let (a, b) = (node_with(&url, "a", grace).await, node_with(&url, "b", grace).await);
    a.ask("http://warm/a").await.final_answer().await;
    b.ask("http://warm/b").await.final_answer().await;
    (a, b)
}

fn tagged(name: &'static str) -> EntryHead {
    EntryHead { tags: vec![name.into()], ..page() }
}

/// Has the page in both nodes' memories.
async fn fill_both(a: &TestNode, b: &TestNode, key: &str, head: EntryHead) {
    a.fill(key, head, "old").await;
    assert_eq!(b.answer(key).await, Answer::fresh("old"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_at_one_node_is_over_at_all() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes(&server).await;
    for (n, target) in [url("http://h/0"), tag("t"), Target::Prefix("http://h".into()), Target::All(true)]
        .into_iter()
        .enumerate()
    {
        let key = format!("http://h/{n}");
        fill_both(&a, &b, &key, tagged("t")).await;
        let purger = if n % 2 == 0 { &a } else { &b };
        let reply = purger.purge(&[target], false, LONG).await;
        assert!(reply.made && reply.missing.is_empty(), "{reply:?}");
        assert!(
            ["a", "b"].iter().all(|name| reply.acknowledged.iter().any(|other| other == name)),
            "{reply:?}"
        );
        for node in [&a, &b] {
            let mut edge = node.ask(&key).await;
            assert_eq!(edge.final_answer().await, Answer::Lease, "{key}");
        }
        // Nor does a node that comes later find it in Redis.
        let later = node(&server, "later").await;
        assert_eq!(later.ask(&key).await.final_answer().await, Answer::Lease, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_takes_milliseconds() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes(&server).await;
    once_within(Duration::from_millis(100), "half of twenty purges", async || {
        let mut times = Vec::new();
        for _ in 0..20 {
            let began = Instant::now();
            assert!(a.purge(&[tag("t")], false, LONG).await.missing.is_empty());
            times.push(began.elapsed());
        }
        times.sort();
        times[10]
    })
    .await;
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edges_of_all_nodes_are_waited_for() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes(&server).await;
    let mut watch = b.watch("edge-b", None, LONG).await;
    watch.follow().await;
    watch.beat(1, 0).await;
    let waited = a.purge(&[tag("t")], false, Duration::from_millis(300)).await;
    assert_eq!((waited.acknowledged, waited.missing), (vec!["a".into()], vec!["b".into(), "edge-b".into()]));
    let purging = async { a.purge(&[tag("t")], false, LONG).await };
    let acknowledging = async {
        watch.logged().await;
        let last = watch.logged().await;
        watch.beat(2, last.seq).await;
    };
    let (reply, ()) = tokio::join!(purging, acknowledging);
    assert_eq!((reply.acknowledged, reply.missing), (vec!["a".into(), "b".into(), "edge-b".into()], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_the_making_at_another_node_is_not_found_after_the_purge() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes(&server).await;
    let mut holder = a.ask("http://h/").await;
    holder.expect_lease().await;
    let mut waiter = b.ask("http://h/").await;
    waiter.expect_wait().await;
    assert!(b.purge(&[url("http://h/")], false, LONG).await.missing.is_empty());
    assert!(!holder.store(page(), "old").await.kept);
    waiter.expect_lease().await;
    assert!(waiter.store(page(), "new").await.kept);
    assert_eq!(a.answer("http://h/").await, Answer::fresh("new"));
}

/// A node far from Redis reads the purged page; before it can say that this one does not count, another node
/// stores the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stored_while_a_purged_one_was_read_is_found_and_not_made_again() {
    const WAY: Duration = Duration::from_millis(150);
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.0.address());
    let near = node(&server, "near").await;
    let far = node_at(&format!("redis://{}", proxy.address()), "far").await;
    for round in 0..3 {
        let key = format!("http://h/{round}");
        fill_both(&near, &far, &key, page()).await;
        assert!(near.purge(&[url(&key)], false, LONG).await.missing.is_empty());
        let mut holder = near.ask(&key).await;
        holder.expect_lease().await;
        proxy.set(NetworkFault::Latency(WAY));
        let mut edge = far.ask(&key).await;
        // Redis has answered, and the node has not heard it.
        sleep(WAY * 3 / 2).await;
        assert!(holder.store(page(), "new").await.kept);
        assert_eq!(edge.final_answer().await, Answer::fresh("new"));
        proxy.set(NetworkFault::None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_is_waited_for_as_long_as_it_may_use_pages() {
    let server = RedisServer::start().await;
    let a = node(&server, "a").await;
    a.ask("http://warm/a").await.final_answer().await;
    let dying = std::thread::spawn({
        let url = server.url();
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let config = Config {
                    name: Some("dead".into()),
                    redis: Some(RedisConfig::at(&url)),
                    watch_grace: Time(GRACE),
                    ..Config::default()
                };
                let node = TestNode::start(PeerTransport::InProcess, config).await;
                node.ask("http://warm/b").await.final_answer().await;
                std::mem::forget(node);
            });
            // All its tasks end here, without a word.
            runtime.shutdown_background();
        }
    });
    dying.join().unwrap();
    let hasty = a.purge(&[tag("t")], false, GRACE / 2).await;
    assert_eq!(hasty.missing, ["dead"]);
    let began = Instant::now();
    let reply = a.purge(&[tag("t")], false, LONG).await;
    assert_eq!((reply.acknowledged, reply.missing), (vec!["a".into()], vec![]));
    assert!(began.elapsed() >= GRACE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_purge_says_that_it_was_not_made() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes_with(&server, GRACE).await;
    fill_both(&a, &b, "http://h/", page()).await;
    server.kill();
    let reply = a.purge(&[url("http://h/")], false, LONG).await;
    assert!(!reply.made && !reply.detail.is_empty(), "{reply:?}");
    assert_eq!(reply.missing, ["redis"]);
    // Out of touch, a node uses old pages for its grace, and no longer.
    sleep(GRACE).await;
    assert_eq!(b.answer("http://h/").await, Answer::Lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_purges_is_succeeded_by_another() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes_with(&server, GRACE).await;
    let mut redis = server.connect().await;
    a.purge(&[tag("x")], false, LONG).await;
    fill_both(&a, &b, "http://h/", page()).await;
    let before: String = redis.hget("weir:{purges}:state", "id").await.unwrap();
    // As after a failover to a copy that had not got the last purge.
    a.purge(&[tag("y")], false, LONG).await;
    let last: Vec<(String, Vec<String>)> = redis::cmd("XREVRANGE")
        .arg("weir:{purges}:log")
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .query_async(&mut redis)
        .await
        .unwrap();
    redis::cmd("XDEL").arg("weir:{purges}:log").arg(&last[0].0).query_async::<()>(&mut redis).await.unwrap();
    let began = Instant::now();
    loop {
        let now: String = redis.hget("weir:{purges}:state", "id").await.unwrap();
        if now != before {
            break;
        }
        assert!(began.elapsed() < LONG, "nobody noticed");
        sleep(Duration::from_millis(20)).await;
    }
    // Redis has the new log; the nodes have it when both have acknowledged a purge in it. Until then they use
    // what they have.
    assert!(a.purge(&[tag("z")], false, LONG).await.missing.is_empty());
    // All pages are made anew, by one.
    let mut edges = join_all([&a, &b].map(|node| node.ask("http://h/"))).await;
    let mut leases = 0;
    for edge in &mut edges {
        if edge.final_answer().await == Answer::Lease {
            leases += 1;
            assert!(edge.store(page(), "new").await.kept);
        }
    }
    assert_eq!(leases, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_begins_a_new_log() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes_with(&server, GRACE).await;
    fill_both(&a, &b, "http://h/", page()).await;
    redis::cmd("FLUSHALL").query_async::<()>(&mut server.connect().await).await.unwrap();
    sleep(GRACE).await;
    let reply = b.purge(&[tag("t")], false, LONG).await;
    assert!(reply.made && reply.missing.is_empty(), "{reply:?}");
    assert_eq!(reply.acknowledged, ["a", "b"]);
    a.fill("http://h/", page(), "new").await;
    assert_eq!(b.answer("http://h/").await, Answer::fresh("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_not_noticed_that_redis_was_emptied_is_waited_for() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.0.address());
    let a = node(&server, "a").await;
    let b = node_at(&format!("redis://{}", proxy.address()), "b").await;
    fill_both(&a, &b, "http://h/", page()).await;
    proxy.set(NetworkFault::Cut);
    redis::cmd("FLUSHALL").query_async::<()>(&mut server.connect().await).await.unwrap();
    // In the new log nobody knows b.
    let reply = a.purge(&[tag("t")], false, LONG).await;
    assert_eq!((reply.acknowledged, reply.missing), (vec!["a".into()], vec![]));
    // It fills by itself, and not from the log that is lost.
    b.fill("http://h/", page(), "alone").await;
    assert_eq!(b.answer("http://h/").await, Answer::fresh("alone"));
    let hasty = a.purge(&[url("http://h/")], false, GRACE / 4).await;
    assert_eq!(hasty.missing, ["nodes from before"]);
    assert!(a.purge(&[url("http://h/")], false, LONG).await.missing.is_empty());
    let mut edge = b.ask("http://h/").await;
    assert_eq!(edge.final_answer().await, Answer::Lease, "a page from before the purge");
}

/// Redis was emptied, or failed over to a copy that lagged: whoever is cut off is on no list any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_redis_loses_while_it_waits_is_never_complete() {
    const CUT_OFF: Duration = Duration::from_secs(4);
    for lag in [false, true] {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.0.address());
        let a = node_with(&server.url(), "a", CUT_OFF).await;
        let b = node_with(&format!("redis://{}", proxy.address()), "b", CUT_OFF).await;
        fill_both(&a, &b, "http://h/", page()).await;
        proxy.set(NetworkFault::Cut);
        let losing = async {
            sleep(CUT_OFF / 8).await;
            let mut redis = server.connect().await;
            if !lag {
                return redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
            }
            let log = "weir:{purges}:log";
            let last: Vec<(String, Vec<String>)> =
                redis::cmd("XREVRANGE").arg(&[log, "+", "-"]).query_async(&mut redis).await.unwrap();
            let mut both = redis::pipe();
            both.atomic().del("weir:{purges}:members").cmd("XDEL").arg(log).arg(&last[0].0);
            both.query_async::<()>(&mut redis).await.unwrap();
        };
        let target = [url("http://h/")];
        let (reply, ()) = tokio::join!(a.purge(&target, false, CUT_OFF / 2), losing);
        assert_eq!(b.answer("http://h/").await, Answer::fresh("old"), "it is cut off, and may");
        assert!(!reply.missing.is_empty(), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_bounded_and_what_it_drops_counts_as_purged() {
    let server = RedisServer::start().await;
    let (a, b) = two_nodes(&server).await;
    fill_both(&a, &b, "http://h/", page()).await;
    let mut redis = server.connect().await;
    for _ in 0..5 {
        a.purge(&[tag("t")], false, LONG).await;
    }
    // As when there are more than the log holds.
    redis::cmd("XTRIM")
        .arg("weir:{purges}:log")
        .arg("MAXLEN")
        .arg(2)
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    let _: () = redis.hset("weir:{purges}:state", "dropped", 1).await.unwrap();
    let later = node(&server, "later").await;
    assert_eq!(later.ask("http://h/").await.final_answer().await, Answer::Lease);
    assert_eq!(a.answer("http://h/").await, Answer::fresh("old"), "it has had them all");
}
