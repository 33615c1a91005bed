//! The bytes of pages on their way to clients, all bodies together, and the bound that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a request may hold of a long page that its client does not take: pieces between the edge, its peers
/// and the client.
const REQUEST: u64 = 256 * 1024;
/// A page that is no longer than this takes no more when it is whole than the window of a longer one.
const SHORT: u64 = 64 * 1024;

/// Counts what all bodies hold that are being made or read.
#[derive(Debug)]
pub(crate) struct Bodies {
    held: AtomicU64,
    /// What of it is of short pages that are kept whole although there is little room.
    short: AtomicU64,
    most: AtomicU64,
}

/// How a body may be kept that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyForm {
    Whole,
    /// Whole, as a short page.
    Short,
    /// Only what its readers have not read.
    Window,
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
        Arc::new(Self { held: AtomicU64::new(0), short: AtomicU64::new(0), most: most.into() })
    }

    /// Another bound, from now on.
    pub(crate) fn set_most(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    /// Whether bodies may hold this many bytes more and still be kept whole, however long they are.
    pub(crate) fn have_room(&self, bytes: u64) -> bool {
        self.room(bytes) == BodyRoom::Ample
    }

    /// How a body of this length, so many bytes of which are not held yet, may be kept whole. Short pages
    /// have an eighth for themselves: the application is shielded by the cache also while somebody asks for
    /// long ones and does not read them.
    pub(crate) fn form_of(&self, length: u64, more: u64) -> BodyForm {
        if self.have_room(more) {
            return BodyForm::Whole;
        }
        let reserve = self.most.load(Relaxed) / 8;
        let is_short = length <= SHORT && self.short.load(Relaxed).saturating_add(more) <= reserve;
        if is_short { BodyForm::Short } else { BodyForm::Window }
    }

    /// Whether a page may be stored beside so many bytes of pages that were evicted and are still read. A
    /// short one takes no more for it than its readers hold of it.
    pub(crate) fn may_store(&self, length: u64, beside: u64) -> bool {
        length <= SHORT || self.have_room(beside)
    }

    pub(crate) fn add_short(&self, bytes: u64) {
        self.short.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn remove_short(&self, bytes: u64) {
        self.short.fetch_sub(bytes, Relaxed);
    }

    /// The room that bodies have with this many bytes more. The quarter between is for those that cannot be
    /// kept whole.
    pub(crate) fn room(&self, bytes: u64) -> BodyRoom {
        let (held, most) = (self.held().saturating_add(bytes), self.most.load(Relaxed));
        match held {
            held if held <= most / 8 * 5 => BodyRoom::Ample,
            held if held <= most / 8 * 7 => BodyRoom::Scarce,
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
    fn short_pages_are_kept_where_long_ones_are_not() {
        let bodies = Bodies::new(64 * SHORT);
        // What is held, what of it is of short pages, the page's length and what of it is new.
        for (held, short, length, more, form) in [
            (39, 0, 100, 1, BodyForm::Whole),
            (40, 0, 100, 1, BodyForm::Window),
            (40, 0, 1, 1, BodyForm::Short),
            (40, 0, 2, 1, BodyForm::Window),
            (99, 7, 1, 1, BodyForm::Short),
            (99, 8, 1, 1, BodyForm::Window),
        ] {
            let _held = bodies.hold(usize::try_from(held * SHORT).unwrap());
            bodies.add_short(short * SHORT);
            assert_eq!(bodies.form_of(length * SHORT, more * SHORT), form, "{held} {short} {length} {more}");
            bodies.remove_short(short * SHORT);
        }
        let _held = bodies.hold(usize::try_from(40 * SHORT).unwrap());
        assert!(bodies.may_store(SHORT, SHORT) && !bodies.may_store(SHORT + 1, SHORT));
    }

    #[test]
    fn a_connection_has_a_share_where_there_is_little_room() {
        let bodies = Bodies::new(64 * REQUEST);
        assert_eq!(bodies.requests_of_each(1000), u64::MAX);
        let _held = bodies.hold(usize::try_from(50 * REQUEST).unwrap());
        assert_eq!(bodies.room(0), BodyRoom::Scarce);
        for (connections, each) in [(0, 64), (1, 64), (8, 8), (64, 1), (10_000, 1)] {
            assert_eq!(bodies.requests_of_each(connections), each, "{connections}");
        }
        assert_eq!(bodies.room(7 * REQUEST), BodyRoom::None);
    }
}
