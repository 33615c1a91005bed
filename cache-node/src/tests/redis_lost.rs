//! A node whose Redis is lost goes on from memory: nobody sees an error, nobody waits for it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::measured::once_within;
use super::peer::{Answer, PeerTransport, TestNode, page, stale_page};
use super::redis_server::RedisServer;
use crate::{Config, RedisConfig};

/// A tenth of a second for each of `works_alone`'s pages: some calls wait out the time limit of 50 ms, and
/// one in each pause; the rest do not wait.
const SOON: Duration = Duration::from_secs(3);

async fn node(server: &RedisServer) -> TestNode {
    let config = Config { redis: Some(RedisConfig::at(&server.url())), ..Config::default() };
    TestNode::start(PeerTransport::InProcess, config).await
}

/// Makes pages, each by one of several who ask, and finds each again, and does so soon. A page that began
/// to be made in touch with the purge log is not used once touch is lost, which happens once.
pub(super) async fn works_alone(node: &TestNode, name: &str) {
    let (mut gone, mut round) = (0, 0);
    once_within(SOON, &format!("{name}: 30 pages"), async || {
        round += 1;
        let began = Instant::now();
        gone += makes_and_finds(node, &format!("{name}/{round}")).await;
        // One that was not kept, and made once more for it.
        assert!(gone <= 2, "{name}: {gone} pages were made once more");
        began.elapsed()
    })
    .await;
}

/// How many of thirty pages were not kept, or made more than once.
async fn makes_and_finds(node: &TestNode, name: &str) -> usize {
    let mut gone = 0;
    for n in 0..30 {
        let key = format!("/{name}/{n}");
        let asking = (0..5).map(|_| async {
            let mut edge = node.ask(&key).await;
            match edge.final_answer().await {
                Answer::Lease => {
                    let kept = edge.store(page(), &key).await.kept;
                    1 + usize::from(!kept)
                }
                answer => {
                    assert_eq!(answer, Answer::fresh(&key));
                    0
                }
            }
        });
        let made = join_all(asking).await.into_iter().sum::<usize>();
        match node.ask(&key).await.final_answer().await {
            Answer::Lease => gone += 1,
            answer => assert_eq!(answer, Answer::fresh(&key)),
        }
        gone += made - 1;
    }
    gone
}

/// Until a page that one node makes is found by the other.
pub(super) async fn works_together(a: &TestNode, b: &TestNode) {
    let began = Instant::now();
    loop {
        let key = format!("/together/{:016x}", rand::random::<u64>());
        let mut holder = a.ask(&key).await;
        holder.expect_lease().await;
        // Not kept: the lease was granted by a server that is no longer asked.
        let kept = holder.store(page(), "page").await.kept;
        if kept && b.ask(&key).await.final_answer().await == Answer::fresh("page") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "Redis is back, but not used");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_back() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server).await, node(&server).await);
    works_together(&a, &b).await;
    a.fill("/before", page(), "before").await;
    a.fill("/stale", stale_page(), "old").await;
    server.kill();
    works_alone(&a, "killed").await;
    assert_eq!(a.answer("/before").await, Answer::fresh("before"));
    let mut refresh = a.ask("/stale").await;
    assert_eq!(refresh.answer().await, Answer::stale("old", true));
    assert_eq!(a.answer("/stale").await, Answer::stale("old", false));
    assert!(refresh.store(page(), "new").await.kept);
    server.start_again().await;
    works_together(&a, &b).await;
    works_together(&b, &a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frozen_and_back() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server).await, node(&server).await);
    works_together(&a, &b).await;
    server.freeze();
    works_alone(&a, "frozen").await;
    server.thaw();
    works_together(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_not_there_at_the_start() {
    let server = RedisServer::start().await;
    server.kill();
    let (a, b) = (node(&server).await, node(&server).await);
    works_alone(&a, "absent").await;
    server.start_again().await;
    works_together(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_redis() {
    let server = RedisServer::start().await;
    let node = node(&server).await;
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = node.ask("/a").await;
    waiter.expect_wait().await;
    server.kill();
    assert!(holder.store(page(), "page").await.kept);
    assert_eq!(waiter.answer().await, Answer::fresh("page"));
    assert_eq!(node.answer("/a").await, Answer::fresh("page"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_redis_forgot_stores_nothing() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server).await, node(&server).await);
    works_together(&a, &b).await;
    let mut holder = a.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = a.ask("/a").await;
    waiter.expect_wait().await;
    server.kill();
    server.start_again().await;
    works_together(&a, &b).await;
    let stored = holder.store(page(), "late").await;
    assert!(!stored.kept, "another node may have stored since");
    waiter.expect_lease().await;
    assert!(waiter.store(page(), "page").await.kept);
    assert_eq!(b.answer("/a").await, Answer::fresh("page"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_takes_no_writes_is_as_good_as_none() {
    let server = RedisServer::start().await;
    let node = node(&server).await;
    let mut redis = server.connect().await;
    let set = async |redis: &mut redis::aio::MultiplexedConnection, name: &str, value: &str| {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async::<()>(redis).await.unwrap();
    };
    set(&mut redis, "maxmemory", "1").await;
    works_alone(&node, "full").await;
    set(&mut redis, "maxmemory", "0").await;
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg("1").query_async::<()>(&mut redis).await.unwrap();
    works_alone(&node, "read-only").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_granted_too_late_is_in_nobodys_way() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server).await, node(&server).await);
    works_together(&a, &b).await;
    server.freeze();
    let mut alone = a.ask("/late").await;
    alone.expect_lease().await;
    server.thaw();
    // Redis obeys what it finds in its sockets, after the node has given it up.
    sleep(Duration::from_millis(100)).await;
    b.ask("/late").await.expect_lease().await;
}
