//! Redis changes while nodes work: a master fails over, slots move, a part of a Cluster is lost. Nobody sees
//! an error, and pages are shared again soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use process::units::Time;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use weir_proto::cache::{EntryHead, Use};
use weir_tests::{RedisCluster, RedisSentinels, until};

use super::measured::once_within;
use super::peer::{Answer, PeerTransport, TestNode, page};
use super::redis_kinds::{cluster_config, sentinel_config};
use super::redis_lost::works_together;
use crate::{Config, RedisConfig};

/// More than any answer may take here: waiting for another's page, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
const PAGES: usize = 12;

async fn two_nodes(redis: &RedisConfig) -> [Arc<TestNode>; 2] {
    let config = Config { redis: Some(redis.clone()), ..Config::default() };
    let nodes = [
        Arc::new(TestNode::start(PeerTransport::InProcess, config.clone()).await),
        Arc::new(TestNode::start(PeerTransport::InProcess, config).await),
    ];
    works_together(&nodes[0], &nodes[1]).await;
    nodes
}

/// Edges that keep asking both nodes for the same pages, which live shortly, and make them where they get the
/// lease.
struct Edges {
    ended: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Edges {
    fn start(nodes: &[Arc<TestNode>; 2]) -> Self {
        let (ended, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let edge = |n: usize| {
            let (node, ended, answered) = (nodes[n % 2].clone(), ended.clone(), answered.clone());
            tokio::spawn(async move {
                for turn in n.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    ask(&node, &format!("/page/{}", turn % PAGES)).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(2)).await;
                }
            })
        };
        let tasks = (0..8).map(edge).collect();
        Self { ended, answered, tasks }
    }

    /// Until so many more requests are answered.
    async fn go_on_for(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        let began = Instant::now();
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(began.elapsed() < Duration::from_secs(30), "requests are not answered");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// None of them has seen anything wrong.
    async fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn ask(node: &TestNode, key: &str) {
    let began = Instant::now();
    let mut edge = node.ask(key).await;
    match edge.final_answer().await {
        // Kept or not: another may have made it meanwhile, where a master was lost with its leases.
        Answer::Lease => drop(edge.store(EntryHead { ttl_ms: 50, ..page() }, key).await),
        Answer::Found { body, usage, lease: false } => {
            assert_eq!((body.as_ref(), usage), (key.as_bytes(), Use::Fresh), "{key}");
        }
        other => panic!("{key}: {other:?}"),
    }
    assert!(began.elapsed() < PATIENCE, "{key}: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_fails_over_by_order() {
    let sentinels = RedisSentinels::start(1);
    let nodes = two_nodes(&sentinel_config(sentinels.urls())).await;
    let edges = Edges::start(&nodes);
    edges.go_on_for(100).await;
    sentinels.fail_over();
    edges.go_on_for(100).await;
    works_together(&nodes[0], &nodes[1]).await;
    works_together(&nodes[1], &nodes[0]).await;
    edges.end().await;
    assert_eq!(sentinels.master(), Some(1));
    // The old master lives on, and nobody listens to it.
    let listen =
        |server: usize| sentinels.servers[server].ask(&["PUBSUB", "NUMSUB", "weir:news"]).list()[1].text();
    until("both nodes listen to the new master", || (listen(1) == "2" && listen(0) == "0").then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_dies_and_a_sentinel_with_it() {
    let sentinels = RedisSentinels::start(3);
    let nodes = two_nodes(&sentinel_config(sentinels.urls())).await;
    let edges = Edges::start(&nodes);
    edges.go_on_for(100).await;
    sentinels.servers[0].process.kill();
    // It is there, and says nothing: the others must be asked meanwhile.
    sentinels.sentinels[0].process.stop();
    edges.go_on_for(100).await;
    works_together(&nodes[0], &nodes[1]).await;
    works_together(&nodes[1], &nodes[0]).await;
    edges.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load() {
    let cluster = RedisCluster::start(3);
    // No call fails but by what moves: a page that is kept by one node alone would not be shared.
    let config = RedisConfig { timeout: Time::from_secs(2), ..cluster_config(cluster.urls()) };
    let nodes = two_nodes(&config).await;
    let edges = Edges::start(&nodes);
    edges.go_on_for(100).await;
    for n in 0..PAGES {
        let key = format!("/page/{n}");
        let slot =
            cluster.slot_of(&format!("weir:{{{:032x}}}:rule", xxhash_rust::xxh3::xxh3_128(key.as_bytes())));
        let to = (cluster.owner_of(slot) + 1) % 3;
        cluster.begin_to_move(slot, to);
        edges.go_on_for(10).await;
        cluster.finish_moving(slot, to);
        edges.go_on_for(10).await;
    }
    works_together(&nodes[0], &nodes[1]).await;
    edges.end().await;
    // Where the slots are now, pages are shared.
    for n in 0..PAGES {
        let key = format!("/page/{n}");
        sleep(Duration::from_millis(60)).await;
        let mut edge = nodes[0].ask(&key).await;
        // A lease whose grant was lost on the way ends first.
        assert_eq!(edge.final_answer().await, Answer::Lease);
        assert!(edge.store(page(), &key).await.kept);
        assert_eq!(nodes[1].ask(&key).await.final_answer().await, Answer::fresh(&key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_cluster_is_lost_and_comes_back() {
    let cluster = RedisCluster::start(3);
    let nodes = two_nodes(&cluster_config(cluster.urls())).await;
    let edges = Edges::start(&nodes);
    edges.go_on_for(100).await;
    // The one they hear news from.
    cluster.nodes[0].process.kill();
    edges.go_on_for(200).await;
    works_together(&nodes[0], &nodes[1]).await;
    cluster.nodes[0].start_again();
    edges.go_on_for(100).await;
    cluster.nodes[1].process.stop();
    edges.go_on_for(200).await;
    cluster.nodes[1].process.go_on();
    edges.go_on_for(100).await;
    works_together(&nodes[0], &nodes[1]).await;
    edges.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_comes_from_any_node_of_a_cluster() {
    let cluster = RedisCluster::start(3);
    // The first seed is gone.
    let urls = [vec!["redis://127.0.0.1:1".to_owned()], cluster.urls()].concat();
    // No call fails because the machine is slow.
    let config = RedisConfig { timeout: Time::from_secs(2), ..cluster_config(urls) };
    let [a, b] = two_nodes(&config).await;
    let subscribers = || -> i64 {
        let count = |node: &weir_tests::Redis| {
            node.ask(&["PUBSUB", "NUMSUB", "weir:news"]).list()[1].text().parse::<i64>().unwrap()
        };
        cluster.nodes.iter().map(count).sum()
    };
    while subscribers() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    // Keys of all nodes; the news comes at once, long before a node looks again by itself.
    let mut round = 0;
    once_within(Duration::from_millis(200), "the longest of twelve waits", async || {
        round += 1;
        let mut longest = Duration::ZERO;
        for n in 0..12 {
            let key = format!("/waited/{round}/{n}");
            let mut holder = a.ask(&key).await;
            holder.expect_lease().await;
            let mut waiter = b.ask(&key).await;
            waiter.expect_wait().await;
            // Its node has asked Redis and listens.
            sleep(Duration::from_millis(20)).await;
            assert!(holder.store(page(), &key).await.kept);
            let stored = Instant::now();
            assert_eq!(waiter.answer().await, Answer::fresh(&key));
            longest = longest.max(stored.elapsed());
        }
        longest
    })
    .await;
}
