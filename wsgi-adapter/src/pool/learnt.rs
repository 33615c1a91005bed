//! Which server a cookie's value belongs to: bounded, and what is not used for a while is forgotten. Pure:
//! time is an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::member::ServerId;

/// Two generations: what is used moves to the younger, and the older is dropped when the younger is full or
/// old enough.
#[derive(Debug)]
pub(super) struct LearntCookies {
    /// A value is kept as two hashes of it: nobody reads sessions out of this table, and all take the same
    /// room.
    hashers: [RandomState; 2],
    young: HashMap<[u64; 2], ServerId>,
    old: HashMap<[u64; 2], ServerId>,
    begun: Instant,
    most: usize,
    timeout: Duration,
}

impl LearntCookies {
    /// `most` values; each is kept for `timeout` after it was last used, up to twice that.
    pub(super) fn new(most: usize, timeout: Duration, now: Instant) -> Self {
        Self {
            hashers: Default::default(),
            young: HashMap::new(),
            old: HashMap::new(),
            begun: now,
            most,
            timeout,
        }
    }

    pub(super) fn find(&mut self, value: &[u8], now: Instant) -> Option<ServerId> {
        self.age(now);
        let key = self.key(value);
        if let Some(id) = self.young.get(&key) {
            return Some(*id);
        }
        let id = self.old.remove(&key)?;
        self.put(key, id);
        Some(id)
    }

    pub(super) fn learn(&mut self, value: &[u8], id: ServerId, now: Instant) {
        self.age(now);
        let key = self.key(value);
        self.old.remove(&key);
        self.put(key, id);
    }

    fn put(&mut self, key: [u64; 2], id: ServerId) {
        if self.young.len() >= self.most.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, id);
    }

    fn age(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.begun);
        if age < self.timeout {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= self.timeout * 2 {
            self.old.clear();
        }
        self.begun = now;
    }

    fn key(&self, value: &[u8]) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let start = Instant::now();
        let mut learnt = LearntCookies::new(100, 10 * SECOND, start);
        learnt.learn(b"a", ServerId(1), start);
        learnt.learn(b"b", ServerId(2), start);
        for seconds in (9..90).step_by(9) {
            assert_eq!(learnt.find(b"a", start + seconds * SECOND), Some(ServerId(1)), "{seconds}");
        }
        assert_eq!(learnt.find(b"b", start + 82 * SECOND), None);
        assert_eq!(learnt.find(b"a", start + 200 * SECOND), None);
        learnt.learn(b"a", ServerId(3), start + 200 * SECOND);
        assert_eq!(learnt.find(b"a", start + 201 * SECOND), Some(ServerId(3)), "learnt anew");
    }

    #[test]
    fn is_bounded() {
        let now = Instant::now();
        let mut learnt = LearntCookies::new(100, 10 * SECOND, now);
        for n in 0..10_000u32 {
            learnt.learn(&n.to_be_bytes(), ServerId(n), now);
            assert!(learnt.young.len() + learnt.old.len() <= 100);
        }
        assert_eq!(learnt.find(&9_999u32.to_be_bytes(), now), Some(ServerId(9_999)));
        assert_eq!(learnt.find(&0u32.to_be_bytes(), now), None);
    }
}
