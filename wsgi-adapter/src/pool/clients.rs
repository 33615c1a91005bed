//! Counts what each client has of a pool, so that no client takes all of it (`client_share`).

use ahash::HashMap;
use process::client_key::ClientKey;

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
}

#[derive(Debug)]
pub(super) struct Clients {
    /// One for each [`Resource`].
    limits: [usize; 4],
    held: HashMap<ClientKey, [usize; 4]>,
}

impl Clients {
    /// `share`: percent of each total.
    pub(super) fn new(totals: [usize; 4], share: usize) -> Self {
        let limit = |total: usize| total.saturating_mul(share).div_ceil(100).max(1);
        let limits = if share >= 100 { [usize::MAX; 4] } else { totals.map(limit) };
        Self { limits, held: HashMap::default() }
    }

    /// Tells whether this client may have one more. A client without an address has no bound of its own.
    pub(super) fn may_have(&self, client: Option<ClientKey>, resource: Resource) -> bool {
        self.held(client, resource) < self.limits[resource as usize]
    }

    /// How many it has. One without an address counts as one that has none.
    pub(super) fn held(&self, client: Option<ClientKey>, resource: Resource) -> usize {
        client.and_then(|client| self.held.get(&client)).map_or(0, |held| held[resource as usize])
    }

    pub(super) fn take(&mut self, client: Option<ClientKey>, resource: Resource) {
        if let Some(client) = client {
            self.held.entry(client).or_default()[resource as usize] += 1;
        }
    }

    pub(super) fn give_back(&mut self, client: Option<ClientKey>, resource: Resource) {
        let Some(client) = client else { return };
        let Some(held) = self.held.get_mut(&client) else { return };
        held[resource as usize] = held[resource as usize].saturating_sub(1);
        if *held == [0; 4] {
            self.held.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn key(address: &str) -> Option<ClientKey> {
        Some(ClientKey::from(address.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_client_has_a_part_and_leaves_nothing_behind() {
        let mut clients = Clients::new([10, 3, 1, 0], 50);
        let (one, other) = (key("192.0.2.1"), key("192.0.2.2"));
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
        assert!(clients.held.is_empty());
    }
}
