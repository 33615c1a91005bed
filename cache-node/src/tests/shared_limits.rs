//! What edges count together: over both transports, by memory and by Redis.

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;
use weir_proto::cache::limit_request::What;
use weir_proto::cache::{LimitBucket, LimitPlace, LimitReply, LimitRequest};

use super::peer::{PeerTransport, TestNode};
use super::redis_server::RedisServer;
use crate::store::contract::patient;
use crate::{Config, RedisConfig};

const MINUTE: Duration = Duration::from_secs(60);

fn bucket(key: &[u8], burst: u32, at_least: Duration) -> LimitRequest {
    let what = LimitBucket {
        interval_ns: MINUTE.as_nanos() as u64,
        burst,
        at_least_ns: at_least.as_nanos() as u64,
        look: false,
    };
    request(key, What::Bucket(what))
}

fn place(key: &[u8], id: u8, hold_ms: u32, renew: bool) -> LimitRequest {
    let id = Bytes::copy_from_slice(&[id; 16]);
    request(key, What::Place(LimitPlace { id, most: 2, hold_ms, renew }))
}

fn request(key: &[u8], what: What) -> LimitRequest {
    // As long as a busy machine may need.
    LimitRequest { key: Bytes::copy_from_slice(key), within_us: 20_000_000, what: Some(what) }
}

fn with_redis(server: &RedisServer) -> Config {
    Config { redis: Some(patient(RedisConfig::at(&server.url()))), ..Config::default() }
}

async fn nodes(server: &RedisServer) -> Vec<(Vec<TestNode>, &'static str)> {
    let mut all = Vec::new();
    for way in [PeerTransport::InProcess, PeerTransport::Network] {
        all.push((vec![TestNode::start(way, Config::default()).await], "memory"));
        let two = [0, 1].map(|_| TestNode::start(way, with_redis(server)));
        let [one, other] = two;
        all.push((vec![one.await, other.await], "Redis"));
    }
    all
}

async fn allowed(nodes: &[TestNode], key: &[u8], burst: u32, requests: usize) -> usize {
    let mut allowed = 0;
    for n in 0..requests {
        let reply = nodes[n % nodes.len()].limit(bucket(key, burst, Duration::ZERO)).await.unwrap();
        allowed += usize::from(!reply.refused);
    }
    allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_given_once() {
    let server = RedisServer::start().await;
    for (n, (nodes, store)) in nodes(&server).await.into_iter().enumerate() {
        let key = |name: &str| format!("{n} {name}").into_bytes();
        assert_eq!(allowed(&nodes, &key("none"), 0, 5).await, 1, "{store}");
        assert_eq!(allowed(&nodes, &key("some"), 7, 30).await, 8, "{store}");
        // An edge knows of more than the store.
        let known = bucket(&key("known"), 7, 5 * MINUTE);
        let LimitReply { refused, held_ns } = nodes[0].limit(known).await.unwrap();
        assert!(!refused && Duration::from_nanos(held_ns).as_millis() == (5 * MINUTE).as_millis());
        assert_eq!(allowed(&nodes, &key("known"), 7, 30).await, 2, "{store}");
        // A look counts nothing.
        let mut look = bucket(&key("look"), 1, Duration::ZERO);
        if let Some(What::Bucket(bucket)) = &mut look.what {
            bucket.look = true;
        }
        for _ in 0..5 {
            assert!(!nodes[0].limit(look.clone()).await.unwrap().refused);
        }
        assert_eq!(allowed(&nodes, &key("look"), 1, 5).await, 2, "{store}");
        assert!(nodes[0].limit(look).await.unwrap().refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_taken_held_and_given_back() {
    let server = RedisServer::start().await;
    for (n, (nodes, store)) in nodes(&server).await.into_iter().enumerate() {
        let (first, last) = (&nodes[0], &nodes[nodes.len() - 1]);
        let key = [n as u8];
        let take = async |node: &TestNode, id, hold, renew| {
            !node.limit(place(&key, id, hold, renew)).await.unwrap().refused
        };
        assert!(take(first, 1, 60_000, false).await && take(last, 2, 60_000, false).await, "{store}");
        assert!(!take(last, 3, 60_000, false).await, "{store}");
        assert!(take(first, 1, 60_000, true).await, "{store}: it is held on");
        assert!(take(last, 2, 0, true).await, "{store}");
        assert!(take(last, 3, 60_000, false).await, "{store}: a place was given back");
        assert!(take(first, 1, 0, true).await);
        // An edge that is lost: its place ends by itself.
        assert!(take(first, 4, 2_000, false).await && !take(first, 5, 2_000, false).await, "{store}");
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        assert!(take(first, 5, 60_000, false).await, "{store}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_question_is_refused() {
    let node = TestNode::start(PeerTransport::Network, Config::default()).await;
    let good = bucket(b"key", 1, Duration::ZERO);
    let without_interval = What::Bucket(LimitBucket { burst: 1, ..LimitBucket::default() });
    let long_id = LimitPlace { id: Bytes::from_static(&[1; 65]), most: 1, hold_ms: 1, renew: false };
    for wrong in [
        LimitRequest { key: Bytes::new(), ..good.clone() },
        LimitRequest { key: Bytes::from_static(&[1; 65]), ..good.clone() },
        LimitRequest { what: None, ..good.clone() },
        request(b"key", without_interval),
        request(b"key", What::Place(long_id)),
    ] {
        assert_eq!(node.limit(wrong.clone()).await.unwrap_err().code(), Code::InvalidArgument, "{wrong:?}");
    }
    // Numbers beyond all measure are not: they end nothing.
    let most = What::Bucket(LimitBucket {
        interval_ns: u64::MAX,
        burst: u32::MAX,
        at_least_ns: u64::MAX,
        look: false,
    });
    node.limit(request(b"most", most)).await.unwrap();
    node.limit(good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_holds_a_bounded_number_of_buckets() {
    let server = RedisServer::start().await;
    let node = TestNode::start(PeerTransport::InProcess, with_redis(&server)).await;
    // All in one table: the first two bytes choose it.
    let key = |n: u16| [&[0, 0], &n.to_be_bytes()[..]].concat();
    let busy = [&[0, 0], &b"busy"[..]].concat();
    assert_eq!(allowed(std::slice::from_ref(&node), &busy, 3, 10).await, 4);
    for n in 0..300 {
        node.limit(bucket(&key(n), 3, Duration::ZERO)).await.unwrap();
    }
    let held = server.0.ask(&["HLEN", "weir:limit:000"]).text();
    assert_eq!(held, "64");
    // The fullest bucket was kept.
    let other = TestNode::start(PeerTransport::InProcess, with_redis(&server)).await;
    assert_eq!(allowed(&[other], &busy, 3, 10).await, 0);
    let life: u64 = server.0.ask(&["PTTL", "weir:limit:000"]).text().parse().unwrap();
    assert!((1..=300_000).contains(&life), "{life}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_does_not_answer_delays_nobody() {
    let server = RedisServer::start().await;
    let node = TestNode::start(PeerTransport::InProcess, with_redis(&server)).await;
    let node = std::slice::from_ref(&node);
    assert_eq!(allowed(node, b"key", 5, 3).await, 3);
    server.freeze();
    let began = std::time::Instant::now();
    let mut count = 0;
    for _ in 0..10 {
        let hasty = LimitRequest { within_us: 3_000, ..bucket(b"key", 5, Duration::ZERO) };
        count += usize::from(!node[0].limit(hasty).await.unwrap().refused);
    }
    assert_eq!(count, 3, "it goes on from memory");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.thaw();
    assert_eq!(allowed(node, b"key", 5, 10).await, 0);
}
