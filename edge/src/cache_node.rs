//! The cache-nodes that this edge knows: which node a key belongs to, and which nodes are not used because
//! they do not answer.
//!
//! `discovery` finds the nodes and watches each of them, `watch` follows a node's purge log and sends
//! heartbeats, `exchange` is the dealings with one key, `limits` lets nodes count for all edges, and
//! `secrets` lets them keep what edges share. If no node answers, the edge continues alone.

mod discovery;
mod exchange;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod secrets;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use purge::LogId;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use weir_proto::cache::cache_client::CacheClient;
use weir_proto::cache::{EdgesRequest, KnownEdge, PurgeOrder, PurgeReply, PurgeRequest};
use weir_proto::transport::Transport;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) use exchange::{Answer, Exchange, Intent, Lookup, NodeWait, Question, ReturnCause, StoreRefusal};

use crate::peers::CacheNodes;
use crate::peers::look_up::Peer;

/// The cache-node did not answer in time, or at all: continue without it.
#[derive(Debug, thiserror::Error)]
#[error("cache-node: {0}")]
pub(crate) struct NodeFailure(String);

/// All nodes that are known at the moment.
pub(crate) struct Nodes {
    known: ArcSwap<Vec<Arc<Node>>>,
    source: CacheNodes,
    /// How long a node may take for its first answer, in nanoseconds.
    patience: AtomicU64,
}

pub(crate) struct Node {
    /// The node's address. It is the same for all edges, so that they agree on who owns a key.
    pub(crate) name: String,
    seed: u64,
    client: CacheClient<Transport>,
    /// The node does not answer.
    out: AtomicBool,
    /// Which purge log the node follows, and whether others share it, if it has said so.
    log: Mutex<Option<(LogId, bool)>>,
}

impl Nodes {
    /// Those whose addresses must be looked up come when `keep` runs.
    pub(crate) fn new(source: CacheNodes, patience: Duration) -> Self {
        let known = ArcSwap::from_pointee(discovery::at_once(&source));
        let nodes = Self { known, source, patience: AtomicU64::new(0) };
        nodes.set_patience(patience);
        nodes
    }

    /// Another patience, from the next look-up on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        let nanoseconds = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.patience.store(nanoseconds, Ordering::Relaxed);
    }

    /// Opens the exchange about one key with the node the key belongs to.
    pub(crate) async fn look_up(&self, question: &Question<'_>) -> Result<Lookup, NodeFailure> {
        let began = Instant::now();
        let patience = Duration::from_nanos(self.patience.load(Ordering::Relaxed));
        let first = self.owner(question.key)?;
        let open =
            |node: &Node| exchange::open(node.client(), question.to_message(), question.joiners, patience);
        let gone = match open(&first).await {
            Ok(lookup) => return Ok(lookup),
            Err(gone) => gone,
        };
        // A node that refuses at once is down. The next best owner replaces it, for all edges, until its
        // watch is back.
        if began.elapsed() < patience / 2 {
            first.leave_out();
            let second = self.owner(question.key)?;
            if !Arc::ptr_eq(&first, &second) {
                return open(&second).await;
            }
        }
        Err(gone)
    }

    fn owner(&self, key: &[u8]) -> Result<Arc<Node>, NodeFailure> {
        owner(&self.known.load(), key).cloned().ok_or_else(|| NodeFailure("none answers".into()))
    }

    pub(crate) fn known(&self) -> Arc<Vec<Arc<Node>>> {
        self.known.load_full()
    }
}

/// Rendezvous hashing: every edge that knows the same nodes picks the same one, and a node that joins or
/// leaves moves only its own keys.
fn owner<'a>(nodes: &'a [Arc<Node>], key: &[u8]) -> Option<&'a Arc<Node>> {
    let answering = nodes.iter().filter(|node| !node.is_out());
    answering.max_by_key(|node| xxh3_64_with_seed(key, node.seed))
}

impl Peer for Node {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Node {
    pub(crate) fn new(name: String, transport: Transport) -> Self {
        Self {
            seed: xxh3_64(name.as_bytes()),
            name,
            client: CacheClient::new(transport),
            out: AtomicBool::new(false),
            log: Mutex::new(None),
        }
    }

    pub(crate) fn client(&self) -> CacheClient<Transport> {
        self.client.clone()
    }

    pub(crate) fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// Marks the node as not answering. Returns false if that was known.
    pub(crate) fn leave_out(&self) -> bool {
        !self.out.swap(true, Ordering::Relaxed)
    }

    /// Marks the node as answering.
    pub(crate) fn take_in(&self) {
        if self.out.swap(false, Ordering::Relaxed) {
            tracing::info!(node = %self.name, "cache-node is back");
        }
    }

    /// Notes which log the node follows.
    pub(crate) fn follows(&self, log: LogId, shared: bool) {
        *self.log.lock() = Some((log, shared));
    }

    pub(crate) fn log(&self) -> Option<(LogId, bool)> {
        *self.log.lock()
    }

    /// Lets the node make a purge, showing `token`. Returns when the purge has ended, or after `wait`.
    pub(crate) async fn purge(
        &self,
        order: PurgeOrder,
        token: Option<&Token>,
        wait: Duration,
    ) -> Result<PurgeReply, Status> {
        let mut request =
            tonic::Request::new(PurgeRequest { order: Some(order), wait_ms: wait.as_millis() as u32 });
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        let deadline = Instant::now() + wait + PURGE_SLACK;
        let mut client = self.client();
        let called = tokio::time::timeout_at(deadline.into(), client.purge(request));
        let called = called.await.map_err(|_| Status::deadline_exceeded("no answer in time"))?;
        Ok(called?.into_inner())
    }
}

impl Nodes {
    /// The edges that the nodes know of, by the addresses of their admin listeners. Nodes that do not answer
    /// in time are left out.
    pub(crate) async fn edges(&self) -> Vec<KnownEdge> {
        let known = self.known();
        let asked = known.iter().filter(|node| !node.is_out()).map(|node| async move {
            let mut client = node.client();
            let called = tokio::time::timeout(EDGES_PATIENCE, client.edges(EdgesRequest {})).await;
            called.ok()?.ok().map(|reply| reply.into_inner().edges)
        });
        let mut edges: Vec<KnownEdge> =
            futures_util::future::join_all(asked).await.into_iter().flatten().flatten().collect();
        edges.sort_by(|a, b| (&a.name, &a.admin).cmp(&(&b.name, &b.admin)));
        edges.dedup_by(|a, b| a.admin == b.admin);
        edges
    }
}

/// How long a node may take to say which edges it knows.
const EDGES_PATIENCE: Duration = Duration::from_secs(2);

/// The token that a node may require before a purge.
pub(crate) type Token = MetadataValue<Ascii>;

/// How much longer the edge waits than the node itself may wait.
const PURGE_SLACK: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use weir_proto::joiners::Joiners;

    use super::*;

    #[tokio::test]
    async fn all_who_find_a_node_gone_ask_the_next() {
        // One node refuses; the other accepts and says nothing.
        let [refusing, silent] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let names = [address(&refusing), address(&silent)];
        drop(refusing);
        let urls = names.iter().map(|name| format!("http://{name}").parse().unwrap()).collect();
        let (source, patience) = (CacheNodes::Named { urls, tls: None }, Duration::from_secs(2));
        let nodes = Nodes::new(source, patience);
        let key = (0..)
            .map(|n| format!("key {n}"))
            .find(|key| nodes.owner(key.as_bytes()).unwrap().name == names[0]);
        let key = key.unwrap();
        let look_up = async || {
            let fields = http::HeaderMap::new();
            let (key, intent) = (key.as_bytes(), Intent::Page);
            let (joiners, wait) = (Joiners::default(), Duration::ZERO);
            let question = Question { key, fields: &fields, intent, probe: false, wait, joiners: &joiners };
            nodes.look_up(&question).await.err().unwrap().to_string()
        };
        // All have chosen before the first of them knows.
        for error in <[String; 3]>::from(tokio::join!(look_up(), look_up(), look_up())) {
            assert!(error.contains("no answer within"), "{error}");
        }
    }
}
