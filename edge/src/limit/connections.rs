//! Requests in progress, by key. A key is known only while it has some, so that memory is bounded by what is
//! in progress, and by `keys`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::digest;
use tokio_util::sync::DropGuard;

/// Shared by the places that were given.
#[derive(Debug)]
pub(crate) struct ConnectionCounts {
    table: Arc<Table>,
}

#[derive(Debug)]
struct Table {
    counts: Mutex<HashMap<Box<[u8]>, u32, ahash::RandomState>>,
    most_keys: usize,
}

/// One request in progress.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    table: Arc<Table>,
    key: Box<[u8]>,
    /// Its place among those of all edges.
    shared: Option<DropGuard>,
}

/// A digest stands for longer keys. Two tokens of one issuer may differ only behind this.
const LONGEST_KEY: usize = 256;

impl ConnectionCounts {
    pub(super) fn new(most_keys: usize) -> Self {
        Self { table: Arc::new(Table { counts: Mutex::default(), most_keys }) }
    }

    /// `None`: the key has as many as it may have, or there are too many keys.
    pub(crate) fn enter(&self, key: &[u8], most: u32) -> Option<ConnectionPlace> {
        let key = bounded(key);
        let mut counts = self.table.counts.lock();
        let full = counts.len() >= self.table.most_keys;
        match counts.entry(key.clone()) {
            Entry::Occupied(mut count) if *count.get() < most => *count.get_mut() += 1,
            Entry::Vacant(count) if !full && most > 0 => {
                count.insert(1);
            }
            _ => return None,
        }
        Some(ConnectionPlace { table: self.table.clone(), key, shared: None })
    }
}

fn bounded(key: &[u8]) -> Box<[u8]> {
    if key.len() <= LONGEST_KEY { key.into() } else { digest::digest(&digest::SHA256, key).as_ref().into() }
}

impl ConnectionPlace {
    /// The place, with the one among those of all edges.
    pub(super) fn with(mut self, shared: Option<DropGuard>) -> Self {
        self.shared = shared;
        self
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut counts = self.table.counts.lock();
        if let Entry::Occupied(mut count) = counts.entry(std::mem::take(&mut self.key)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_places() {
        let connections = ConnectionCounts::new(2);
        let first = connections.enter(b"a", 2).unwrap();
        let second = connections.enter(b"a", 2).unwrap();
        assert!(connections.enter(b"a", 2).is_none());
        let other = connections.enter(b"b", 1).unwrap();
        assert!(connections.enter(b"c", 1).is_none(), "a third key");
        drop(first);
        let _third = connections.enter(b"a", 2).unwrap();
        drop((second, other));
        assert!(connections.enter(b"c", 1).is_some());
        assert!(connections.enter(b"d", 0).is_none());
        assert_eq!(connections.table.counts.lock().len(), 1);
    }

    #[test]
    fn long_keys_that_begin_alike_are_two() {
        let connections = ConnectionCounts::new(10);
        let [one, other] = [b"1", b"2"].map(|end| [&[b'x'; 5000][..], end].concat());
        let first = connections.enter(&one, 1).unwrap();
        assert!(connections.enter(&one, 1).is_none());
        let second = connections.enter(&other, 1).unwrap();
        assert!(connections.table.counts.lock().keys().all(|key| key.len() <= LONGEST_KEY));
        drop((first, second));
        assert!(connections.table.counts.lock().is_empty());
    }

    #[test]
    fn many_keys_take_bounded_memory() {
        const KEYS: u32 = 50_000;
        let connections = ConnectionCounts::new(KEYS as usize);
        let long = [b'x'; 4000];
        let enter = |n: u32| connections.enter(&[&long[..], &n.to_be_bytes()].concat(), 1);
        let places: Vec<_> = (0..2 * KEYS).filter_map(enter).collect();
        assert_eq!(places.len(), KEYS as usize, "further keys are refused");
        let bytes: usize = connections.table.counts.lock().keys().map(|key| key.len()).sum();
        assert!(bytes <= KEYS as usize * LONGEST_KEY, "{bytes}");
        drop(places);
        assert!(connections.table.counts.lock().is_empty());
    }
}
