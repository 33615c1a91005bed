//! Finds the cache-nodes: looks up names repeatedly, treats each of their addresses as a node, and watches
//! each node.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::watch as changes;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_proto::tls::Tls;

use crate::cache_node::identity::EdgeIdentity;
use crate::cache_node::{Node, Nodes, watch};
use crate::peers;
use crate::peers::look_up::{LOOK_UP_EVERY, Names};
use crate::peers::{CacheNodes, look_up};
use crate::purge_log::Purges;

/// The word for them in the log.
const KIND: &str = "cache-nodes";
/// How long to wait at startup for the first message of a node.
const FIRST_WORD: Duration = Duration::from_millis(500);
const FIRST_LOOK: Duration = Duration::from_millis(5);

/// Nodes that need no look-up.
pub(super) fn at_once(source: &CacheNodes) -> Vec<Arc<Node>> {
    match source {
        CacheNodes::Connected(nodes) => {
            let node = |(name, transport): &(String, _)| Node::new(name.clone(), Clone::clone(transport));
            nodes.iter().map(node).map(Arc::new).collect()
        }
        CacheNodes::Named { urls, tls } => {
            let names = Names::new(KIND, urls);
            names.addresses().filter_map(|(url, address)| connect(url, address, tls.as_ref())).collect()
        }
    }
}

impl Nodes {
    /// Finds and watches the nodes until `stop`, then says goodbye to each.
    pub(crate) async fn keep(
        self: Arc<Self>,
        purges: Arc<Purges>,
        identity: changes::Receiver<EdgeIdentity>,
        stop: CancellationToken,
    ) {
        self.keep_by(look_up::by_system, purges, identity, stop).await;
    }

    /// Does the same, but `look_up` says which addresses a URL stands for at the moment.
    async fn keep_by<F>(
        self: Arc<Self>,
        look_up: impl Fn(Uri) -> F,
        purges: Arc<Purges>,
        identity: changes::Receiver<EdgeIdentity>,
        stop: CancellationToken,
    ) where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let mut watches = Watches { purges, identity, running: HashMap::new() };
        watches.adjust(&self.known()).await;
        let CacheNodes::Named { urls, tls } = &self.source else {
            stop.cancelled().await;
            return watches.end().await;
        };
        let mut names = Names::new(KIND, urls);
        loop {
            names.ask(&look_up).await;
            if let Some(next) = names.renew(&self.known(), |url, address| connect(url, address, tls.as_ref()))
            {
                self.known.store(Arc::new(next));
            }
            watches.adjust(&self.known()).await;
            tokio::select! {
                () = sleep(LOOK_UP_EVERY) => {}
                () = stop.cancelled() => return watches.end().await,
            }
        }
    }

    /// Resolves when a node has said which purge log it follows, or none has for a while.
    pub(crate) async fn first_word(&self) {
        let heard = async {
            while !self.known().iter().any(|node| node.log().is_some()) {
                sleep(FIRST_LOOK).await;
            }
        };
        let _ = timeout(FIRST_WORD, heard).await;
    }
}

/// A watch for each known node.
struct Watches {
    purges: Arc<Purges>,
    identity: changes::Receiver<EdgeIdentity>,
    running: HashMap<String, (CancellationToken, JoinHandle<()>)>,
}

impl Watches {
    async fn adjust(&mut self, known: &[Arc<Node>]) {
        let gone: Vec<_> = self
            .running
            .keys()
            .filter(|name| !known.iter().any(|node| node.name == **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some((stop, _)) = self.running.remove(&name) {
                stop.cancel();
            }
        }
        for node in known {
            if !self.running.contains_key(&node.name) {
                let stop = CancellationToken::new();
                let watch =
                    watch::watch(node.clone(), self.purges.clone(), self.identity.clone(), stop.clone());
                self.running.insert(node.name.clone(), (stop, tokio::spawn(watch)));
            }
        }
    }

    async fn end(self) {
        for (stop, _) in self.running.values() {
            stop.cancel();
        }
        for (_, watch) in self.running.into_values() {
            let _ = watch.await;
        }
    }
}

/// `None`: the certificates of the settings do not fit the name, as the log says.
fn connect(url: &Uri, address: SocketAddr, tls: Option<&Arc<Tls>>) -> Option<Arc<Node>> {
    match peers::connect_to(url, address, tls) {
        Ok(transport) => Some(Arc::new(Node::new(address.to_string(), transport))),
        Err(error) => {
            tracing::error!(%url, "cannot connect to the cache-node: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::peers::look_up::tests::{ANSWERS, Answer, scripted};

    fn names(nodes: &Nodes) -> Vec<String> {
        nodes.known().iter().map(|node| node.name.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_come_and_go_with_the_addresses_of_their_name() {
        let urls = vec!["http://nodes.example:1".parse().unwrap(), "http://127.0.0.9:2".parse().unwrap()];
        let source = CacheNodes::Named { urls, tls: None };
        let nodes = Arc::new(Nodes::new(source, Duration::from_secs(1)));
        assert_eq!(names(&nodes), ["127.0.0.9:2"], "an address needs no answer");
        let dns: Arc<Mutex<Answer>> = Arc::default();
        let stop = CancellationToken::new();
        let purges = Arc::new(Purges::new(Duration::from_secs(1)));
        let (_identity, identity) = changes::channel(EdgeIdentity::default());
        let keeping = nodes.clone().keep_by(scripted(dns.clone()), purges, identity, stop.clone());
        let keeping = tokio::spawn(keeping);
        for (answer, expected) in ANSWERS {
            let before = nodes.known();
            *dns.lock() = answer.map(<[_]>::to_vec);
            sleep(LOOK_UP_EVERY * 2).await;
            let expected: Vec<_> = expected.iter().chain(&["127.0.0.9:2"]).map(ToString::to_string).collect();
            assert_eq!(names(&nodes), expected, "{answer:?}");
            for node in nodes.known().iter() {
                let old = before.iter().find(|old| old.name == node.name);
                assert!(
                    old.is_none_or(|old| Arc::ptr_eq(old, node)),
                    "{}: its connections were lost",
                    node.name
                );
            }
        }
        stop.cancel();
        keeping.await.unwrap();
    }
}
