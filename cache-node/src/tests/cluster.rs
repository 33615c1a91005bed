//! Several nodes on one Redis behave as one cache.

use std::time::Duration;

use futures_util::future::join_all;
use process::units::{Size, Time};
use redis::AsyncCommands;
use tokio::time::{Instant, sleep};
use weir_proto::cache::{EntryHead, PassReason, ReturnReason};

use super::measured::once_within;
use super::peer::{Answer, PeerTransport, TestNode, on_error_page, page, stale_page};
use super::redis_server::RedisServer;
use crate::{Config, RedisConfig};

/// Shorter than the time after which a node looks again by itself: what comes earlier came by news.
const AT_ONCE: Duration = Duration::from_millis(200);

fn config(server: &RedisServer) -> Config {
    // A machine that builds and tests at once is slow; how a slow Redis is left alone is tested in
    // redis_lost.rs.
    let redis = RedisConfig { timeout: Time::from_secs(5), ..RedisConfig::at(&server.url()) };
    // Longer than a busy machine stands still.
    Config { redis: Some(redis), lease: Time::from_secs(6), ..Config::default() }
}

async fn node(server: &RedisServer) -> TestNode {
    TestNode::start(PeerTransport::InProcess, config(server)).await
}

async fn two_nodes() -> (RedisServer, TestNode, TestNode) {
    two_nodes_by(config).await
}

async fn two_nodes_by(config: impl Fn(&RedisServer) -> Config) -> (RedisServer, TestNode, TestNode) {
    let server = RedisServer::start().await;
    let (a, b) = (
        TestNode::start(PeerTransport::InProcess, config(&server)).await,
        TestNode::start(PeerTransport::InProcess, config(&server)).await,
    );
    // News by Redis must flow before a test relies on it.
    while subscribers(&server).await < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    (server, a, b)
}

/// Names of all records but those of the purge log.
async fn pages(redis: &mut redis::aio::MultiplexedConnection) -> Vec<String> {
    let mut names: Vec<String> = redis.keys("*").await.unwrap();
    names.retain(|name| !name.contains("{purges}"));
    names
}

async fn subscribers(server: &RedisServer) -> usize {
    let mut redis = server.connect().await;
    let asked = redis::cmd("PUBSUB").arg("NUMSUB").arg("weir:news").query_async(&mut redis).await;
    let (_, count): (String, usize) = asked.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stored_by_one_is_found_by_all() {
    let (server, a, b) = two_nodes().await;
    a.fill("/a", page(), "page").await;
    assert_eq!(b.answer("/a").await, Answer::fresh("page"));
    let later = node(&server).await;
    assert_eq!(later.answer("/a").await, Answer::fresh("page"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_on_two_nodes_one_has_the_lease() {
    let (_server, a, b) = two_nodes().await;
    for (key, old) in [("/cold", None), ("/expired", Some(on_error_page()))] {
        if let Some(old) = old {
            a.fill(key, old, "old").await;
        }
        let asking = (0..200).map(|n| {
            let node = if n % 2 == 0 { &a } else { &b };
            async move {
                let mut edge = node.ask(key).await;
                match edge.final_answer().await {
                    Answer::Lease | Answer::Found { lease: true, .. } => {
                        sleep(Duration::from_millis(50)).await;
                        assert!(edge.store(page(), "page").await.kept);
                        1
                    }
                    answer => {
                        assert_eq!(answer, Answer::fresh("page"));
                        0
                    }
                }
            }
        });
        assert_eq!(join_all(asking).await.into_iter().sum::<usize>(), 1, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_page_is_refreshed_by_one_of_all_nodes() {
    let (_server, a, b) = two_nodes().await;
    a.fill("/a", stale_page(), "old").await;
    let mut edges = join_all((0..40).map(|n| if n % 2 == 0 { a.ask("/a") } else { b.ask("/a") })).await;
    let answers = join_all(edges.iter_mut().map(|edge| edge.final_answer())).await;
    let with_lease: Vec<_> = (0..40).filter(|n| answers[*n] == Answer::stale("old", true)).collect();
    assert_eq!(with_lease.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::stale("old", false)).count(), 39);
    assert!(edges[with_lease[0]].store(page(), "new").await.kept);
    // Each node sees the new one: the other has only its stale copy in memory, and asks.
    assert_eq!(a.answer("/a").await, Answer::fresh("new"));
    assert_eq!(b.answer("/a").await, Answer::fresh("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_on_another_node_hear_at_once() {
    let (_server, a, b) = two_nodes().await;
    let mut round = 0;
    once_within(Duration::from_millis(60), "half of five waits", async || {
        round += 1;
        let mut times = Vec::new();
        for n in 0..5 {
            let key = format!("/{round}/{n}");
            let mut holder = a.ask(&key).await;
            holder.expect_lease().await;
            let mut waiters = Vec::new();
            for _ in 0..3 {
                let mut waiter = b.ask(&key).await;
                waiter.expect_wait().await;
                waiters.push(waiter);
            }
            // At different times after its last look.
            sleep(Duration::from_millis(n * 40)).await;
            let stored = Instant::now();
            assert!(holder.store(page(), "page").await.kept);
            for mut waiter in waiters {
                assert_eq!(waiter.answer().await, Answer::fresh("page"));
            }
            times.push(stored.elapsed());
        }
        times.sort();
        times[2]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_leaves_hands_over_to_another_node() {
    let (_server, a, b) = two_nodes().await;
    let mut round = 0;
    // Half of it, since the node may look again just then.
    once_within(AT_ONCE / 2, "a lease handed over", async || {
        round += 1;
        let key = format!("/{round}");
        let mut holder = a.ask(&key).await;
        holder.expect_lease().await;
        let mut waiter = b.ask(&key).await;
        waiter.expect_wait().await;
        let left = Instant::now();
        drop(holder);
        waiter.expect_lease().await;
        let took = left.elapsed();
        assert!(waiter.store(page(), "page").await.kept);
        assert_eq!(a.answer(&key).await, Answer::fresh("page"));
        took
    })
    .await;
}

#[test]
fn a_node_that_dies_loses_its_leases_in_time() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (dying, living) = (runtime(), runtime());
    let (server, b) = living.block_on(async {
        let server = RedisServer::start().await;
        let b = node(&server).await;
        (server, b)
    });
    dying.block_on(async {
        let a = node(&server).await;
        let mut holder = a.ask("/a").await;
        holder.expect_lease().await;
        // The process is gone before anything can be told.
        std::mem::forget((a, holder));
    });
    dying.shutdown_background();
    living.block_on(async {
        let died = Instant::now();
        let mut waiter = b.ask("/a").await;
        waiter.expect_wait().await;
        waiter.expect_lease().await;
        assert!(died.elapsed() > Duration::from_millis(500), "the lease was held: {:?}", died.elapsed());
        assert!(waiter.store(page(), "page").await.kept);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncacheable_page_is_known_on_all_nodes() {
    let (_server, a, b) = two_nodes().await;
    let mut holder = a.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = b.ask("/a").await;
    waiter.expect_wait().await;
    holder.give_up(ReturnReason::Uncacheable, Duration::from_secs(60)).await;
    assert_eq!(waiter.answer().await, Answer::Pass(PassReason::HitForMiss));
    assert_eq!(b.answer("/a").await, Answer::Pass(PassReason::HitForMiss));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_held_for_long_is_renewed_on_all_nodes() {
    let brief = |server: &RedisServer| Config { lease: Time::from_millis(1500), ..config(server) };
    let (_server, a, b) = two_nodes_by(brief).await;
    let mut holder = a.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = b.ask("/a").await;
    waiter.expect_wait().await;
    waiter.expect_silence(Duration::from_millis(3500)).await;
    assert!(holder.store(page(), "slow").await.kept);
    assert_eq!(waiter.answer().await, Answer::fresh("slow"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_learned_by_one_node_holds_on_all() {
    let (_server, a, b) = two_nodes().await;
    let by_language = || EntryHead { vary: vec!["accept-language".into()], ..page() };
    let language = |language| [("accept-language", language)];
    let mut german = a.ask_as("/a", &language("de")).await;
    german.expect_lease().await;
    let mut english = b.ask_as("/a", &language("en")).await;
    english.expect_wait().await;
    assert!(german.store(by_language(), "Seite").await.kept);
    english.expect_lease().await;
    assert!(english.store(by_language(), "page").await.kept);
    for node in [&a, &b] {
        assert_eq!(node.ask_as("/a", &language("de")).await.answer().await, Answer::fresh("Seite"));
        assert_eq!(node.ask_as("/a", &language("en")).await.answer().await, Answer::fresh("page"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_pages_do_not_touch_redis() {
    let (server, a, _b) = two_nodes().await;
    let mut redis = server.connect().await;
    a.fill("/hot", page(), "page").await;
    let scripts_run = async |redis: &mut redis::aio::MultiplexedConnection| -> u64 {
        let info: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await.unwrap();
        let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap()
    };
    let before = scripts_run(&mut redis).await;
    for _ in 0..100 {
        assert_eq!(a.answer("/hot").await, Answer::fresh("page"));
    }
    // The node has its own business with Redis now and then.
    let run = scripts_run(&mut redis).await - before;
    assert!(run < 50, "{run} scripts for 100 answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_share_a_cluster_slot_and_all_of_them_end() {
    let (server, a, _b) = two_nodes().await;
    let mut redis = server.connect().await;
    let key = "GET\r\n/{a} b\0?x={y}";
    let mut holder = a.ask_as(key, &[("x-a", "1")]).await;
    holder.expect_lease().await;
    let mut records = pages(&mut redis).await;
    assert!(holder.store(EntryHead { vary: vec!["x-a".into()], ..page() }, "page").await.kept);
    records.extend(pages(&mut redis).await);
    // Lease, rules, entry, and which variants there are.
    assert_eq!(records.len(), 4, "{records:?}");
    let tag = |name: &str| name.split(['{', '}']).nth(1).unwrap().to_owned();
    for name in &records {
        assert_eq!(tag(name), tag(&records[0]));
        assert!(
            name.starts_with("weir:{")
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b":{}".contains(&b)),
            "{name}"
        );
    }
    for name in pages(&mut redis).await {
        let left: i64 = redis.pttl(&name).await.unwrap();
        assert!((1..=600_000).contains(&left), "{name} has {left} ms left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_cannot_be_read_are_a_miss() {
    let server = RedisServer::start().await;
    let mut redis = server.connect().await;
    for spoilt in ["", "\u{2}another version", "garbage"] {
        node(&server).await.fill("/a", page(), "page").await;
        let entry = redis.keys::<_, Vec<String>>("*entry*").await.unwrap().remove(0);
        redis.hset::<_, _, _, ()>(&entry, "record", spoilt).await.unwrap();
        let node = node(&server).await;
        let mut edge = node.ask("/a").await;
        edge.expect_lease().await;
        assert!(edge.store(page(), "anew").await.kept);
        let other = TestNode::start(PeerTransport::InProcess, config(&server)).await;
        assert_eq!(other.answer("/a").await, Answer::fresh("anew"));
        redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_too_large_for_redis_stays_in_memory() {
    let server = RedisServer::start().await;
    let small = || {
        let mut config = config(&server);
        config.redis.as_mut().unwrap().max_object = Size::kibibytes(10);
        config
    };
    let a = TestNode::start(PeerTransport::InProcess, small()).await;
    let body = "x".repeat(20 * 1024);
    a.fill("/a", page(), &body).await;
    assert_eq!(a.answer("/a").await, Answer::fresh(&body));
    assert!(pages(&mut server.connect().await).await.is_empty());
    let b = TestNode::start(PeerTransport::InProcess, small()).await;
    b.fill("/a", page(), "another").await;
}
