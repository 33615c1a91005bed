//! Counts what each client has of a pool, so that no client takes all of it (`client_share`), and what each
//! of its connections has, so that among a client's requests none waits behind all that one connection asks
//! for.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroU16;

use ahash::HashMap;
use process::client_key::ClientKey;

/// So many replies that a connection leaves unread are no accident.
const UNREAD: usize = 8;
/// Such a connection asks where its client has no more than this part of its places.
const PART_UNREAD: usize = 10;

/// What a client may have a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `max_in_flight`.
    Place,
    /// `queue.length`.
    Waiting,
    /// `max_tunnels`.
    Stream,
    /// `max_uploads`.
    Upload,
    /// Replies that were put aside, of which the application is done.
    Unread,
}

const RESOURCES: usize = 5;

/// Who has something of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    pub(super) client: ClientKey,
    /// The client's port, if its connection carries many requests at once. By others each request comes
    /// alone.
    pub(super) port: Option<NonZeroU16>,
}

/// Whose place a request may take, and how much that one has already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Giver {
    pub(super) holder: Option<Holder>,
    pub(super) rank: (usize, usize, usize),
}

#[derive(Debug)]
pub(super) struct Clients {
    /// One for each [`Resource`].
    limits: [usize; RESOURCES],
    held: HashMap<ClientKey, [usize; RESOURCES]>,
    by_connection: HashMap<(ClientKey, NonZeroU16), [usize; RESOURCES]>,
}

impl Clients {
    /// `share`: percent of each total.
    pub(super) fn new(totals: [usize; 4], share: usize) -> Self {
        let limit = |total: usize| total.saturating_mul(share).div_ceil(100).max(1);
        let mut limits = [usize::MAX; RESOURCES];
        if share < 100 {
            limits[..4].copy_from_slice(&totals.map(limit));
        }
        Self { limits, held: HashMap::default(), by_connection: HashMap::default() }
    }

    /// Tells whether this client may have one more. One without an address has no bound of its own.
    pub(super) fn may_have(&self, holder: Option<Holder>, resource: Resource) -> bool {
        let Some(holder) = holder else { return true };
        let (held, most) = (self.held(holder.client, resource), self.limits[resource as usize]);
        if resource == Resource::Place && self.on_connection(holder, Resource::Unread) >= UNREAD {
            return held < (most / PART_UNREAD).max(1);
        }
        held < most
    }

    /// Who has little goes first, of those who wait: places of the client, then of its connection with what
    /// that leaves unread, then other requests of the connection that wait. One without an address counts as
    /// one that has none.
    pub(super) fn rank(&self, holder: Option<Holder>) -> (usize, usize, usize) {
        let Some(holder) = holder else { return (0, 0, 0) };
        let [places, unread, waiting] = [Resource::Place, Resource::Unread, Resource::Waiting]
            .map(|resource| self.on_connection(holder, resource));
        (self.held(holder.client, Resource::Place), places + unread, waiting.saturating_sub(1))
    }

    /// Chooses whose place a page takes for which these wait: who has the fewest, and may have one more.
    pub(super) fn giver(&self, waiting: impl Iterator<Item = Option<Holder>>) -> Option<Giver> {
        let givers = waiting.filter(|holder| self.may_have(*holder, Resource::Place));
        givers.map(|holder| Giver { rank: self.rank(holder), holder }).min_by_key(|giver| giver.rank)
    }

    /// How many requests wait, of the client and of its connection.
    pub(super) fn waiting(&self, holder: Option<Holder>) -> (usize, usize) {
        let Some(holder) = holder else { return (0, 0) };
        (self.held(holder.client, Resource::Waiting), self.on_connection(holder, Resource::Waiting))
    }

    fn held(&self, client: ClientKey, resource: Resource) -> usize {
        self.held.get(&client).map_or(0, |held| held[resource as usize])
    }

    fn on_connection(&self, holder: Holder, resource: Resource) -> usize {
        let held = holder.port.and_then(|port| self.by_connection.get(&(holder.client, port)));
        held.map_or(0, |held| held[resource as usize])
    }

    pub(super) fn take(&mut self, holder: Option<Holder>, resource: Resource) {
        let Some(holder) = holder else { return };
        self.held.entry(holder.client).or_default()[resource as usize] += 1;
        if let Some(port) = holder.port {
            self.by_connection.entry((holder.client, port)).or_default()[resource as usize] += 1;
        }
    }

    /// One reply less that is left unread. Tells whether its connection may have a place again.
    pub(super) fn has_read(&mut self, holder: Option<Holder>) -> bool {
        self.give_back(holder, Resource::Unread);
        holder.is_some_and(|holder| self.on_connection(holder, Resource::Unread) == UNREAD - 1)
    }

    pub(super) fn give_back(&mut self, holder: Option<Holder>, resource: Resource) {
        let Some(holder) = holder else { return };
        one_less(&mut self.held, holder.client, resource);
        if let Some(port) = holder.port {
            one_less(&mut self.by_connection, (holder.client, port), resource);
        }
    }
}

fn one_less<K: Eq + Hash>(all: &mut HashMap<K, [usize; RESOURCES]>, key: K, resource: Resource) {
    let Entry::Occupied(mut held) = all.entry(key) else { return };
    let count = &mut held.get_mut()[resource as usize];
    *count = count.saturating_sub(1);
    if *held.get() == [0; RESOURCES] {
        held.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn holder(address: &str, port: u16) -> Option<Holder> {
        let client = ClientKey::from(address.parse::<IpAddr>().unwrap());
        Some(Holder { client, port: NonZeroU16::new(port) })
    }

    #[test]
    fn a_client_has_a_part_and_leaves_nothing_behind() {
        let mut clients = Clients::new([10, 3, 1, 0], 50);
        let (one, other) = (holder("192.0.2.1", 0), holder("192.0.2.2", 7));
        for (resource, limit) in [(Resource::Place, 5), (Resource::Waiting, 2), (Resource::Stream, 1)] {
            for _ in 0..limit {
                assert!(clients.may_have(one, resource));
                clients.take(one, resource);
            }
            assert!(!clients.may_have(one, resource) && clients.may_have(other, resource));
            assert!(clients.may_have(None, resource));
        }
        for (resource, taken) in [(Resource::Place, 5), (Resource::Waiting, 2), (Resource::Stream, 1)] {
            (0..taken).for_each(|_| clients.give_back(one, resource));
            assert!(clients.may_have(one, resource));
        }
        assert!(clients.held.is_empty() && clients.by_connection.is_empty());
    }

    #[test]
    fn a_connection_that_reads_nothing_has_few_places() {
        let mut clients = Clients::new([40, 3, 1, 0], 50);
        let (idle, other) = (holder("192.0.2.1", 1), holder("192.0.2.1", 2));
        for _ in 0..UNREAD {
            assert!(clients.may_have(idle, Resource::Place));
            clients.take(idle, Resource::Unread);
        }
        assert!(clients.rank(other) < clients.rank(idle));
        for _ in 0..2 {
            assert!(clients.may_have(idle, Resource::Place));
            clients.take(idle, Resource::Place);
        }
        assert!(!clients.may_have(idle, Resource::Place) && clients.may_have(other, Resource::Place));
        assert!(clients.has_read(idle));
        assert!(clients.may_have(idle, Resource::Place), "it has read one");
        (1..UNREAD).for_each(|_| assert!(!clients.has_read(idle)));
        (0..2).for_each(|_| clients.give_back(idle, Resource::Place));
        assert!(clients.held.is_empty() && clients.by_connection.is_empty());
        let mut unbounded = Clients::new([40, 3, 1, 0], 100);
        (0..UNREAD).for_each(|_| unbounded.take(idle, Resource::Unread));
        (0..30).for_each(|_| unbounded.take(idle, Resource::Place));
        assert!(unbounded.may_have(idle, Resource::Place), "the settings want no bound");
    }
}
