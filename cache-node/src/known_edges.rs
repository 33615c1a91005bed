//! The edges that follow this node's purge log, and where their admin listeners are: for whoever wants to see
//! all edges.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_proto::cache::{EdgesReply, KnownEdge};

/// The longest address that an edge may tell.
const MAX_ADDRESS: usize = 255;

/// Edges by a number of their own.
#[derive(Debug, Default)]
pub(crate) struct KnownEdges(Mutex<EdgeTable>);

#[derive(Debug, Default)]
struct EdgeTable {
    last: u64,
    edges: HashMap<u64, KnownEdge>,
}

/// An edge is known for as long as this lives.
pub(crate) struct EdgePresence {
    id: u64,
    known: Arc<KnownEdges>,
}

impl KnownEdges {
    /// `admin` is the address as its settings have it; `peer`, where the edge calls from. `None`: it has no
    /// admin listener, or one that nobody else reaches.
    pub(crate) fn add(
        self: &Arc<Self>,
        name: String,
        admin: &str,
        peer: Option<SocketAddr>,
    ) -> Option<EdgePresence> {
        let admin = reachable(admin, peer.map_or_else(|| Ipv4Addr::LOCALHOST.into(), |peer| peer.ip()))?;
        let mut table = self.0.lock();
        table.last += 1;
        let id = table.last;
        table.edges.insert(id, KnownEdge { name, admin });
        Some(EdgePresence { id, known: self.clone() })
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> EdgesReply {
        let mut edges: Vec<_> = self.0.lock().edges.values().cloned().collect();
        edges.sort_by(|a, b| a.name.cmp(&b.name));
        EdgesReply { edges }
    }
}

impl Drop for EdgePresence {
    fn drop(&mut self) {
        self.known.0.lock().edges.remove(&self.id);
    }
}

/// An edge that listens on all addresses is reached where it calls from; one on loopback, only from its own
/// machine.
fn reachable(admin: &str, peer: IpAddr) -> Option<String> {
    if admin.len() > MAX_ADDRESS || admin.contains(char::is_control) {
        return None;
    }
    let (host, port) = admin.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let peer = peer.to_canonical();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => {
            Some(SocketAddr::new(peer, port.parse().ok()?).to_string())
        }
        Ok(address) if address.is_loopback() && !peer.is_loopback() => None,
        _ => Some(admin.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_where_it_can_be_reached() {
        for (admin, peer, reached) in [
            ("127.0.0.1:9900", "127.0.0.1", Some("127.0.0.1:9900")),
            ("127.0.0.1:9900", "10.0.0.2", None),
            ("0.0.0.0:9900", "10.0.0.2", Some("10.0.0.2:9900")),
            ("[::]:9900", "::ffff:10.0.0.2", Some("10.0.0.2:9900")),
            ("[::]:9900", "fd00::2", Some("[fd00::2]:9900")),
            ("10.0.0.9:9900", "10.0.0.2", Some("10.0.0.9:9900")),
            ("edge-1:9900", "10.0.0.2", Some("edge-1:9900")),
            ("off", "10.0.0.2", None),
            ("", "10.0.0.2", None),
            ("0.0.0.0:x", "10.0.0.2", None),
        ] {
            assert_eq!(reachable(admin, peer.parse().unwrap()).as_deref(), reached, "{admin} {peer}");
        }
    }

    #[test]
    fn one_that_leaves_is_known_no_more() {
        let known = Arc::new(KnownEdges::default());
        let one = known.add("edge-1".into(), "10.0.0.1:9900", None);
        let again = known.add("edge-1".into(), "10.0.0.1:9900", None);
        drop(one);
        assert_eq!(known.all().edges.len(), 1);
        drop(again);
        assert!(known.all().edges.is_empty());
    }
}
