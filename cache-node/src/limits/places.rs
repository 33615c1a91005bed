//! Places of requests in progress, in memory. One that its edge does not ask for again ends by itself, as the
//! edge may be gone.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

use crate::store::redis::limits::PlaceRequest;

pub(super) struct Places {
    table: Mutex<PlaceTable>,
    most: usize,
}

/// The places of one key, each with its end.
type KeyPlaces = Vec<(Box<[u8]>, Instant)>;

#[derive(Default)]
struct PlaceTable {
    /// The places of each key, and when they end.
    keys: HashMap<Box<[u8]>, KeyPlaces, ahash::RandomState>,
    places: usize,
    /// When places of any key were last looked for that have ended.
    swept: Option<Instant>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { table: Mutex::default(), most }
    }

    /// Whether the place is the caller's. One that is given back never is refused.
    pub(super) fn take(&self, key: &[u8], request: PlaceRequest<'_>, now: Instant) -> bool {
        let PlaceRequest { id, most, hold, renew } = request;
        let mut table = self.table.lock();
        if table.places >= self.most && table.swept.is_none_or(|swept| now.duration_since(swept) >= hold) {
            table.sweep(now);
        }
        let PlaceTable { keys, places, .. } = &mut *table;
        let of_key = keys.entry(key.into()).or_default();
        let before = of_key.len();
        of_key.retain(|(known, ends)| *ends > now && **known != *id);
        let others = *places - before + of_key.len();
        let has_room = others < self.most && (renew || of_key.len() < most as usize);
        let is_taken = !hold.is_zero() && has_room;
        if is_taken {
            of_key.push((id.into(), now + hold));
        }
        *places = others + usize::from(is_taken);
        if of_key.is_empty() {
            keys.remove(key);
        }
        is_taken || hold.is_zero()
    }
}

impl PlaceTable {
    fn sweep(&mut self, now: Instant) {
        self.keys.retain(|_, places| {
            places.retain(|(_, ends)| *ends > now);
            !places.is_empty()
        });
        self.places = self.keys.values().map(Vec::len).sum();
        self.swept = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    fn place(id: &[u8]) -> PlaceRequest<'_> {
        PlaceRequest { id, most: 2, hold: HOLD, renew: false }
    }

    #[test]
    fn a_key_has_its_places_until_they_are_given_back_or_end() {
        let places = Places::new(100);
        let now = Instant::now();
        assert!(places.take(b"k", place(b"1"), now) && places.take(b"k", place(b"2"), now));
        assert!(!places.take(b"k", place(b"3"), now));
        assert!(places.take(b"other", place(b"4"), now));
        assert!(places.take(b"k", PlaceRequest { renew: true, ..place(b"5") }, now), "it has it already");
        // The first two are given back, one of them twice.
        for id in [b"1", b"2", b"2"] {
            assert!(places.take(b"k", PlaceRequest { hold: Duration::ZERO, ..place(id) }, now));
        }
        assert!(places.take(b"k", place(b"6"), now));
        assert!(!places.take(b"k", place(b"7"), now));
        let later = now + HOLD / 2;
        assert!(places.take(b"k", PlaceRequest { renew: true, ..place(b"6") }, later));
        // The edge that had the fifth is gone.
        let late = now + HOLD;
        assert!(places.take(b"k", place(b"7"), late));
        assert!(!places.take(b"k", place(b"8"), late), "the sixth was held on");
    }

    #[test]
    fn memory_is_bounded() {
        let places = Places::new(100);
        let now = Instant::now();
        let take = |n: u32, now| places.take(&n.to_be_bytes(), place(b"1"), now);
        assert_eq!((0..1000).filter(|n| take(*n, now)).count(), 100);
        assert_eq!(places.table.lock().keys.len(), 100);
        assert_eq!((2000..3000).filter(|n| take(*n, now + HOLD)).count(), 100);
    }
}
