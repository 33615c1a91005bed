//! The bytes of pages on their way to clients, all bodies together, and the bound that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a request may hold of a long page that its client does not take: pieces between the edge, its peers
/// and the client.
const REQUEST: u64 = 256 * 1024;

/// Counts what all bodies hold that are being made or read.
#[derive(Debug)]
pub(crate) struct Bodies {
    held: AtomicU64,
    most: AtomicU64,
}

/// How much more bodies may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRoom {
    /// A page may be kept whole while it is read.
    Ample,
    /// A body holds what its readers need to keep up with each other.
    Scarce,
    /// Nothing is read that nobody waits for.
    None,
}

impl Bodies {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), most: most.into() })
    }

    /// Another bound, from now on.
    pub(crate) fn set_most(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    /// Whether a body may hold this many bytes more and still be kept whole.
    pub(crate) fn have_room(&self, bytes: u64) -> bool {
        self.room(bytes) == BodyRoom::Ample
    }

    /// The room there is with this many bytes more. The last quarter is for those that cannot be kept whole.
    pub(crate) fn room(&self, bytes: u64) -> BodyRoom {
        let (held, most) = (self.held().saturating_add(bytes), self.most.load(Relaxed));
        match held {
            held if held <= most - most / 4 => BodyRoom::Ample,
            held if held <= most => BodyRoom::Scarce,
            _ => BodyRoom::None,
        }
    }

    /// How many requests of one connection may be answered at once, if there are so many connections.
    pub(crate) fn requests_of_each(&self, connections: u64) -> u64 {
        match self.room(0) {
            BodyRoom::Ample => u64::MAX,
            _ => (self.most.load(Relaxed) / REQUEST / connections.max(1)).max(1),
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.held.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Counts a piece until its client has taken it.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> HeldPiece {
        self.add(bytes as u64);
        HeldPiece { bodies: self.clone(), bytes: bytes as u64 }
    }

    /// Bytes, for the metrics.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }
}

/// A piece that waits for its client.
#[derive(Debug)]
pub(crate) struct HeldPiece {
    bodies: Arc<Bodies>,
    bytes: u64,
}

impl Drop for HeldPiece {
    fn drop(&mut self) {
        self.bodies.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_a_share_where_there_is_little_room() {
        let bodies = Bodies::new(64 * REQUEST);
        assert_eq!(bodies.requests_of_each(1000), u64::MAX);
        let _held = bodies.hold(usize::try_from(60 * REQUEST).unwrap());
        assert_eq!(bodies.room(0), BodyRoom::Scarce);
        for (connections, each) in [(0, 64), (1, 64), (8, 8), (64, 1), (10_000, 1)] {
            assert_eq!(bodies.requests_of_each(connections), each, "{connections}");
        }
        assert_eq!(bodies.room(5 * REQUEST), BodyRoom::None);
    }
}
