//! Redis that answers late, in pieces, not at all, or with an error: the node answers in time, and counts
//! why.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use process::units::Time;
use prometheus_client::registry::Registry;
use weir_tests::{FaultProxy, NetworkFault, Redis, RedisCluster};

use super::peer::{PeerTransport, TestNode};
use super::redis_kinds::{Authority, cluster_config};
use super::redis_lost::{works_alone, works_together};
use crate::purges::Purges;
use crate::slot::{Rules, Selection};
use crate::store::contract::{holds_on, patient};
use crate::store::{Store, Token};
use crate::{Config, Metrics, RedisConfig};

async fn node(redis: RedisConfig) -> TestNode {
    TestNode::start(PeerTransport::InProcess, Config { redis: Some(redis), ..Config::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_delays_nobody() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.address());
    let config = RedisConfig::at(&format!("redis://{}", proxy.address()));
    let (a, b) = (node(config.clone()).await, node(config).await);
    works_together(&a, &b).await;
    let late = NetworkFault::Latency(Duration::from_millis(200));
    for (name, fault) in [("late", late), ("silent", NetworkFault::Silence), ("cut", NetworkFault::Cut)] {
        proxy.set(fault);
        works_alone(&a, name).await;
        proxy.set(NetworkFault::None);
        works_together(&a, &b).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_one_byte_change_nothing() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.address());
    proxy.set(NetworkFault::OneByteAtATime);
    holds_on(&patient(RedisConfig::at(&format!("redis://{}", proxy.address())))).await;
}

/// Looks one page up in this Redis, some times, in vain. What was counted.
async fn counted(config: RedisConfig, key: &str) -> String {
    let metrics = Metrics::default();
    let config = RedisConfig { timeout: Time::from_millis(300), ..config };
    let purges = Arc::new(Purges::new(true, Duration::from_secs(1)));
    let store = crate::store::redis::Redis::new(&config, Duration::from_secs(3), purges, metrics.clone(), 64)
        .unwrap();
    let key = Bytes::copy_from_slice(key.as_bytes());
    let selection = Selection::new(&key, Rules::default(), &HeaderMap::new());
    let failed = async {
        let looked = store.look_up(&selection, Token::random(), false).await;
        assert!(looked.is_err(), "{looked:?}");
    };
    failed.await;
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("weir_cache_node_redis_errors_total"));
    counts.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_counted_by_kind() {
    let server = Redis::with_password("right");
    let at = |login: &str| RedisConfig::at(&format!("redis://{login}127.0.0.1:{}", server.port));
    let denied = "{kind=\"denied\"} 1";
    assert_eq!(counted(at(""), "k").await, denied, "no password");
    assert_eq!(counted(at(":wrong@"), "k").await, denied, "a wrong one");
    server.ask(&["ACL", "SETUSER", "poor", "on", ">word", "~*", "+get"]);
    assert_eq!(counted(at("poor:word@"), "k").await, denied, "no permission");
    server.set("maxmemory", "1");
    assert_eq!(counted(at(":right@"), "k").await, "{kind=\"out_of_memory\"} 1");
    server.set("maxmemory", "0");
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(counted(at(":right@"), "k").await, "{kind=\"read_only\"} 1");
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    server.process.stop();
    let late = counted(at(":right@"), "k").await;
    assert!(late.contains("connect") || late.contains("timeout"), "{late}");
    server.process.kill();
    assert_eq!(counted(at(":right@"), "k").await, "{kind=\"connect\"} 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_vouches_for_is_not_used() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let server = Redis::with_tls(&other.server().files(), false);
    assert_eq!(counted(trusted.config(&server), "k").await, "{kind=\"connect\"} 1");
    // One who wants to see a certificate of ours, too.
    let server = Redis::with_tls(&other.server().files(), true);
    let refused = counted(other.config(&server), "k").await;
    assert!(refused.contains("connect"), "{refused}");
    works_alone(&node(trusted.config(&server)).await, "untrusted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_serve_a_slot_is_counted() {
    let cluster = RedisCluster::start(3);
    let key = "k";
    let hash = format!("weir:{{{:032x}}}:lease", xxhash_rust::xxh3::xxh3_128(key.as_bytes()));
    let slot = cluster.slot_of(&hash);
    let owner = cluster.owner_of(slot);
    let config = cluster_config(cluster.urls());
    // The lease of another exists, the rest does not: the keys are on both nodes.
    let other = (owner + 1) % 3;
    let lease = cluster.nodes[owner].ask(&["SET", &hash, "x"]);
    assert_eq!(lease.text(), "OK");
    cluster.begin_to_move(slot, other);
    assert_eq!(counted(config.clone(), key).await, "{kind=\"slot_moving\"} 1");
    cluster.finish_moving(slot, other);
    cluster.nodes[other].ask(&["CLUSTER", "DELSLOTS", &slot.to_string()]);
    let down = counted(config, key).await;
    assert!(down.contains("cluster_down") || down.contains("slot_moving"), "{down}");
}
