//! Finds the cache-nodes: names are looked up again and again, each of their addresses is a node; each node is watched.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_proto::tls::Tls;

use super::{Node, Nodes};
use crate::peers::{self, CacheNodes};
use crate::purges::{Purges, watch};

/// How often names are looked up, and how long that may take.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// For a node to be heard of at all, at the start.
const FIRST_WORD: Duration = Duration::from_millis(500);
const FIRST_LOOK: Duration = Duration::from_millis(5);

/// Nodes that need no looking up.
pub(super) fn at_once(source: &CacheNodes) -> Vec<Arc<Node>> {
    match source {
        CacheNodes::Connected(nodes) => {
            let node = |(name, transport): &(String, _)| Node::new(name.clone(), Clone::clone(transport));
            nodes.iter().map(node).map(Arc::new).collect()
        }
        CacheNodes::Named { urls, tls } => {
            let fixed = urls.iter().filter_map(|url| Some((url, literal(url)?)));
            fixed.filter_map(|(url, address)| connect(url, address, tls.as_ref())).collect()
        }
    }
}

impl Nodes {
    /// Keeps the nodes found and watched until `stop`, then says goodbye to each.
    pub(crate) async fn keep(self: Arc<Self>, purges: Arc<Purges>, name: Arc<str>, stop: CancellationToken) {
        self.keep_by(addresses, purges, name, stop).await;
    }

    /// The same, where `look_up` says which addresses a URL stands for at the moment.
    async fn keep_by<F>(
        self: Arc<Self>,
        look_up: impl Fn(Uri) -> F,
        purges: Arc<Purges>,
        name: Arc<str>,
        stop: CancellationToken,
    ) where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let mut watches = Watches { purges, name, running: HashMap::new() };
        watches.adjust(&self.known()).await;
        let CacheNodes::Named { urls, tls } = &self.source else {
            stop.cancelled().await;
            return watches.end().await;
        };
        // What each name stood for when it was last found.
        let mut found: HashMap<&Uri, Vec<SocketAddr>> = HashMap::new();
        loop {
            for url in urls {
                match look_up(url.clone()).await {
                    Ok(addresses) if !addresses.is_empty() => drop(found.insert(url, addresses)),
                    // Better an old answer than none.
                    Ok(_) => tracing::warn!(%url, "the name of the cache-nodes has no address"),
                    Err(error) => tracing::warn!(%url, "the cache-nodes are not found: {error}"),
                }
            }
            let all = urls.iter().filter_map(|url| Some((url, found.get(url)?)));
            let all = all.flat_map(|(url, addresses)| addresses.iter().map(move |at| (url, *at)));
            self.become_known(all, tls.as_ref());
            watches.adjust(&self.known()).await;
            tokio::select! {
                () = sleep(LOOK_UP_EVERY) => {}
                () = stop.cancelled() => return watches.end().await,
            }
        }
    }

    /// Resolves when a node has told which purge log it follows, or none has for a while.
    pub(crate) async fn first_word(&self) {
        let heard = async {
            while !self.known().iter().any(|node| node.log().is_some()) {
                sleep(FIRST_LOOK).await;
            }
        };
        let _ = timeout(FIRST_WORD, heard).await;
    }

    /// Those already known stay as they are, connections and all.
    fn become_known<'a>(&self, found: impl Iterator<Item = (&'a Uri, SocketAddr)>, tls: Option<&Arc<Tls>>) {
        let known = self.known();
        let mut next: Vec<Arc<Node>> = Vec::new();
        for (url, address) in found {
            let name = address.to_string();
            if next.iter().any(|node| node.name == name) {
                continue;
            }
            let old = known.iter().find(|node| node.name == name).cloned();
            next.extend(old.or_else(|| connect(url, address, tls)));
        }
        let changed = next.len() != known.len()
            || next.iter().any(|node| !known.iter().any(|old| Arc::ptr_eq(old, node)));
        if changed {
            let names: Vec<_> = next.iter().map(|node| node.name.as_str()).collect();
            tracing::info!("cache-nodes: {}", names.join(", "));
            self.known.store(Arc::new(next));
        }
    }
}

/// A watch for each node that is known.
struct Watches {
    purges: Arc<Purges>,
    name: Arc<str>,
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
                let watch = watch::watch(node.clone(), self.purges.clone(), self.name.clone(), stop.clone());
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

/// `None`: the settings' certificates do not fit the name, as the log says.
fn connect(url: &Uri, address: SocketAddr, tls: Option<&Arc<Tls>>) -> Option<Arc<Node>> {
    match peers::connect_to(url, address, tls) {
        Ok(transport) => Some(Arc::new(Node::new(address.to_string(), transport))),
        Err(error) => {
            tracing::error!(%url, "no connection to the cache-node: {error}");
            None
        }
    }
}

fn port(url: &Uri) -> u16 {
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(usual)
}

/// The address, if the URL names none but that.
fn literal(url: &Uri) -> Option<SocketAddr> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port(url)))
}

async fn addresses(url: Uri) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = literal(&url) {
        return Ok(vec![address]);
    }
    let host = url.host().unwrap_or_default();
    let looked_up = timeout(LOOK_UP_TIMEOUT, lookup_host((host, port(&url)))).await;
    Ok(looked_up.map_err(|_| io::ErrorKind::TimedOut)??.collect())
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// As DNS answers for a headless service; `None`: not at all.
    type Answer = Option<Vec<&'static str>>;

    fn names(nodes: &Nodes) -> Vec<String> {
        nodes.known().iter().map(|node| node.name.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_come_and_go_with_the_addresses_of_their_name() {
        let urls = vec!["http://nodes.example:1".parse().unwrap(), "http://127.0.0.9:2".parse().unwrap()];
        let source = CacheNodes::Named { urls, tls: None };
        let nodes = Arc::new(Nodes::new(source, Duration::from_secs(1), Duration::from_secs(1)));
        assert_eq!(names(&nodes), ["127.0.0.9:2"], "an address needs no answer");
        let dns: Arc<Mutex<Answer>> = Arc::default();
        let answer = dns.clone();
        let look_up = move |url: Uri| {
            let at = |host: &&str| SocketAddr::new(host.parse().unwrap(), port(&url));
            let found = match (literal(&url), &*answer.lock()) {
                (Some(address), _) => Ok(vec![address]),
                (None, Some(hosts)) => Ok(hosts.iter().map(at).collect()),
                (None, None) => Err(io::ErrorKind::NotFound.into()),
            };
            std::future::ready(found)
        };
        let stop = CancellationToken::new();
        let purges = Arc::new(Purges::new(Duration::from_secs(1)));
        let keeping = tokio::spawn(nodes.clone().keep_by(look_up, purges, "edge".into(), stop.clone()));
        let table: &[(Answer, &[&str])] = &[
            (None, &[]),
            (Some(vec!["127.0.0.1", "127.0.0.2"]), &["127.0.0.1:1", "127.0.0.2:1"]),
            (Some(vec!["127.0.0.2", "127.0.0.3", "127.0.0.2"]), &["127.0.0.2:1", "127.0.0.3:1"]),
            // Better an old answer than none.
            (None, &["127.0.0.2:1", "127.0.0.3:1"]),
            (Some(vec![]), &["127.0.0.2:1", "127.0.0.3:1"]),
            (Some(vec!["::1"]), &["[::1]:1"]),
        ];
        for (answer, expected) in table {
            let before = nodes.known();
            dns.lock().clone_from(answer);
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
