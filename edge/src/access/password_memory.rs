//! Passwords that were checked a short time ago, so that not each request costs a slow hash. Only keyed
//! digests of them are kept.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use ring::hmac;
use ring::rand::SystemRandom;

/// How long a right password needs no check.
const RIGHT: Duration = Duration::from_secs(300);
/// How long a wrong one is refused without a check.
const WRONG: Duration = Duration::from_secs(10);
const MOST: usize = 10_000;

pub(super) struct PasswordMemory {
    key: Option<hmac::Key>,
    checked: Cache<Proof, (bool, Instant)>,
}

/// The keyed digest of user, password and hash.
pub(super) type Proof = [u8; 32];

impl PasswordMemory {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, checked: Cache::new(MOST) }
    }

    /// `None`: the machine has no random numbers, so nothing is remembered.
    pub(super) fn proof(&self, user: &str, password: &str, hash: &str) -> Option<Proof> {
        let mut text = Vec::new();
        for part in [user, password, hash] {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        hmac::sign(self.key.as_ref()?, &text).as_ref().try_into().ok()
    }

    pub(super) fn get(&self, proof: &Option<Proof>) -> Option<bool> {
        let (right, until) = self.checked.get(proof.as_ref()?)?;
        (Instant::now() < until).then_some(right)
    }

    pub(super) fn put(&self, proof: Option<Proof>, right: bool) {
        let Some(proof) = proof else { return };
        let until = Instant::now() + if right { RIGHT } else { WRONG };
        self.checked.insert(proof, (right, until));
    }
}

impl std::fmt::Debug for PasswordMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} remembered", self.checked.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_counts_and_memory_is_bounded() {
        let remembered = PasswordMemory::new();
        let proof = remembered.proof("a", "b", "c");
        remembered.put(proof, true);
        assert_eq!(remembered.get(&proof), Some(true));
        for (user, password, hash) in [("a", "b", "d"), ("a", "c", "b"), ("ab", "", "c"), ("b", "a", "c")] {
            assert_eq!(remembered.get(&remembered.proof(user, password, hash)), None);
        }
        assert_eq!(PasswordMemory::new().get(&proof), None);
        for n in 0..3 * MOST {
            remembered.put(remembered.proof(&n.to_string(), "", ""), false);
        }
        assert!(remembered.checked.len() <= MOST);
    }
}
