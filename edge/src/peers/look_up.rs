//! The names of peers, looked up repeatedly: which addresses they have at the moment.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How often names are looked up, and how long that may take.
pub(crate) const LOOK_UP_EVERY: Duration = Duration::from_secs(5);
pub(crate) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// URLs of one kind of peers, and the last known addresses of each.
pub(crate) struct Names {
    /// The kind as the log calls it: "cache-nodes".
    kind: &'static str,
    found: Vec<(Uri, Vec<SocketAddr>)>,
}

impl Names {
    /// A URL with an address in it needs no look-up.
    pub(crate) fn new(kind: &'static str, urls: &[Uri]) -> Self {
        let found = urls.iter().map(|url| (url.clone(), literal(url).into_iter().collect()));
        Self { kind, found: found.collect() }
    }

    /// Looks up again, with `look_up`.
    pub(crate) async fn ask<F>(&mut self, look_up: impl Fn(Uri) -> F)
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let kind = self.kind;
        for (url, addresses) in self.found.iter_mut().filter(|(url, _)| literal(url).is_none()) {
            match look_up(url.clone()).await {
                Ok(found) if !found.is_empty() => *addresses = found,
                // An old answer is better than none.
                Ok(_) => {
                    tracing::warn!(%url, "the name of the {kind} has no address; the last known ones stay in use")
                }
                Err(error) => {
                    tracing::warn!(%url, "cannot look up the {kind}: {error}; the last known addresses stay in use")
                }
            }
        }
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&Uri, SocketAddr)> {
        self.found.iter().flat_map(|(url, addresses)| addresses.iter().map(move |address| (url, *address)))
    }

    /// The peers at all these addresses, each once. Those already `known` stay as they are, with their
    /// connections. `None`: nothing has changed.
    pub(crate) fn renew<P: Peer>(
        &self,
        known: &[Arc<P>],
        connect: impl Fn(&Uri, SocketAddr) -> Option<Arc<P>>,
    ) -> Option<Vec<Arc<P>>> {
        let mut next: Vec<Arc<P>> = Vec::new();
        for (url, address) in self.addresses() {
            let name = address.to_string();
            if next.iter().any(|peer| peer.name() == name) {
                continue;
            }
            let old = known.iter().find(|peer| peer.name() == name).cloned();
            next.extend(old.or_else(|| connect(url, address)));
        }
        let is_known = |peer: &Arc<P>| known.iter().any(|old| Arc::ptr_eq(old, peer));
        if next.len() == known.len() && next.iter().all(is_known) {
            return None;
        }
        let names: Vec<_> = next.iter().map(|peer| peer.name()).collect();
        tracing::info!("{}: {}", self.kind, names.join(", "));
        Some(next)
    }
}

/// A URL of one address.
pub(crate) trait Peer {
    /// The address.
    fn name(&self) -> &str;
}

/// Looks up with the system's resolver.
pub(crate) async fn by_system(url: Uri) -> io::Result<Vec<SocketAddr>> {
    let host = url.host().unwrap_or_default();
    let looked_up = timeout(LOOK_UP_TIMEOUT, lookup_host((host, port(&url)))).await;
    Ok(looked_up.map_err(|_| io::ErrorKind::TimedOut)??.collect())
}

/// The address, if the URL names an address.
fn literal(url: &Uri) -> Option<SocketAddr> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port(url)))
}

fn port(url: &Uri) -> u16 {
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(usual)
}

#[cfg(test)]
pub(crate) mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Answers as DNS does for a headless service; `None`: no answer.
    pub(crate) type Answer = Option<Vec<&'static str>>;

    /// What "DNS" answers, and what the result should be.
    pub(crate) const ANSWERS: [(Option<&[&str]>, &[&str]); 6] = [
        (None, &[]),
        (Some(&["127.0.0.1", "127.0.0.2"]), &["127.0.0.1:1", "127.0.0.2:1"]),
        (Some(&["127.0.0.2", "127.0.0.3", "127.0.0.2"]), &["127.0.0.2:1", "127.0.0.3:1"]),
        // An old answer is better than none.
        (None, &["127.0.0.2:1", "127.0.0.3:1"]),
        (Some(&[]), &["127.0.0.2:1", "127.0.0.3:1"]),
        (Some(&["::1"]), &["[::1]:1"]),
    ];

    /// Looks up according to the current answer.
    pub(crate) fn scripted(
        dns: Arc<Mutex<Answer>>,
    ) -> impl Fn(Uri) -> std::future::Ready<io::Result<Vec<SocketAddr>>> {
        move |url: Uri| {
            let at = |host: &&str| SocketAddr::new(host.parse().unwrap(), port(&url));
            std::future::ready(match &*dns.lock() {
                Some(hosts) => Ok(hosts.iter().map(at).collect()),
                None => Err(io::ErrorKind::NotFound.into()),
            })
        }
    }

    #[test]
    fn urls_with_an_address_need_no_answer() {
        for (url, expected) in [
            ("http://127.0.0.9:2", Some("127.0.0.9:2")),
            ("http://[::1]:2", Some("[::1]:2")),
            ("http://127.0.0.9", Some("127.0.0.9:80")),
            ("https://127.0.0.9", Some("127.0.0.9:443")),
            ("http://adapter:2", None),
        ] {
            let names = Names::new("peers", &[url.parse().unwrap()]);
            let found: Vec<_> = names.addresses().map(|(_, address)| address.to_string()).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{url}");
        }
    }
}
