//! The connections of all clients at once, and the share of each: one address cannot have all that there may
//! be. A site behind one proxy or one router is refused nothing while there is room: proxies that are trusted
//! are not counted, and any other client may have most of the connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;
use process::client_key::ClientKey;
use process::room::Room;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::unix_client::UNIX;
use crate::request::forwarded;

/// While this part of all connections is free, any client may have more: one in so many.
const FREE: usize = 4;
/// Beyond that, a client may have one in so many of those that are left.
const OF_WHAT_IS_LEFT: usize = 8;

pub(crate) struct Crowd {
    room: Room,
    clients: Clients,
}

type Clients = Arc<Mutex<HashMap<ClientKey, usize, ahash::RandomState>>>;

/// A connection's place, and its client's.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    _permit: OwnedSemaphorePermit,
    client: Option<ClientPlace>,
}

/// Counts a connection of a client while it exists.
struct ClientPlace {
    clients: Clients,
    key: ClientKey,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Self {
        Self { room: Room::new(most), clients: Arc::default() }
    }

    /// Another number, from now on. Must be called within a runtime.
    pub(crate) fn resize(&self, most: usize) {
        self.room.resize(most);
    }

    /// A place for a connection of this peer. `None`: there is none, or the peer has its share.
    pub(crate) fn enter(self: &Arc<Self>, peer: SocketAddr, trusted: &[IpNet]) -> Option<Place> {
        let mut place = Place { crowd: self.clone(), _permit: self.room.take()?, client: None };
        let is_counted = peer.ip() != UNIX && !forwarded::trusts(trusted, peer);
        (!is_counted || place.belongs_to(peer.ip())).then_some(place)
    }

    fn client(&self, address: IpAddr) -> Option<ClientPlace> {
        let (key, left, most) = (ClientKey::from(address), self.room.left(), self.room.number());
        let mut clients = self.clients.lock();
        let held = clients.entry(key).or_insert(0);
        if left < most / FREE && *held > left / OF_WHAT_IS_LEFT {
            return None;
        }
        *held += 1;
        Some(ClientPlace { clients: self.clients.clone(), key })
    }
}

impl Place {
    /// The connection is this client's, as the PROXY protocol says. False: it has its share already.
    pub(crate) fn belongs_to(&mut self, client: IpAddr) -> bool {
        self.client = self.crowd.client(client);
        self.client.is_some()
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.clients.lock().entry(self.key) {
            *held.get_mut() = held.get().saturating_sub(1);
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1000)
    }

    /// As many places as this peer gets.
    fn taken(crowd: &Arc<Crowd>, address: &str, trusted: &[IpNet]) -> Vec<Place> {
        std::iter::from_fn(|| crowd.enter(peer(address), trusted)).collect()
    }

    #[test]
    fn one_address_leaves_places_for_others() {
        let crowd = Arc::new(Crowd::new(1000));
        let hoarder = taken(&crowd, "192.0.2.1", &[]);
        assert_eq!(hoarder.len(), 750);
        let second = taken(&crowd, "2001:db8::1", &[]);
        assert!((20..40).contains(&second.len()), "{}", second.len());
        assert!(crowd.enter(peer("2001:db8::2"), &[]).is_none(), "the same network");
        for n in 1..25 {
            let visitor: Vec<_> =
                (0..6).map(|_| crowd.enter(peer(&format!("198.51.100.{n}")), &[])).collect();
            assert!(visitor.iter().all(Option::is_some), "visitor {n}");
        }
        drop((hoarder, second));
        assert!(crowd.clients.lock().is_empty());
        assert_eq!(taken(&crowd, "192.0.2.1", &[]).len(), 750);
    }

    #[test]
    fn what_is_trusted_may_have_all() {
        let crowd = Arc::new(Crowd::new(100));
        let trusted = ["192.0.2.0/24".parse().unwrap()];
        assert_eq!(taken(&crowd, "192.0.2.1", &trusted).len(), 100);
        assert_eq!(taken(&crowd, "::", &[]).len(), 100);
        let mut of_a_proxy = taken(&crowd, "192.0.2.1", &trusted);
        let client = "198.51.100.1".parse().unwrap();
        let counted =
            of_a_proxy.iter_mut().filter_map(|place| place.belongs_to(client).then_some(())).count();
        assert_eq!(counted, 1, "who is behind it has a share");
    }
}
