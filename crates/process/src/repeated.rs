//! What happens again and again is logged once, and then counted: a dead application must not fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about the same.
const EVERY: Duration = Duration::from_secs(10);
/// Names remembered. More of them at once share what is left.
const MOST: usize = 1_024;

/// Counts what is not logged, by name.
#[derive(Debug, Default)]
pub struct RepeatCounter {
    seen: Mutex<HashMap<String, RepeatState>>,
}

#[derive(Debug)]
struct RepeatState {
    logged: Instant,
    since: u64,
}

impl RepeatCounter {
    /// Notes that `what` has happened. `Some`: log it, and how often it has happened unlogged since the last
    /// time.
    pub fn happened(&self, what: &str) -> Option<u64> {
        self.happened_at(what, Instant::now())
    }

    fn happened_at(&self, what: &str, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(what) {
            if now.saturating_duration_since(known.logged) < EVERY {
                known.since += 1;
                return None;
            }
            known.logged = now;
            return Some(std::mem::take(&mut known.since));
        }
        if seen.len() >= MOST {
            seen.retain(|_, seen| now.saturating_duration_since(seen.logged) < EVERY);
        }
        if seen.len() < MOST {
            seen.insert(what.to_owned(), RepeatState { logged: now, since: 0 });
            return Some(0);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_then_counted() {
        let (repeated, start) = (RepeatCounter::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(repeated.happened_at("a", at(0)), Some(0));
        assert_eq!(repeated.happened_at("b", at(1)), Some(0), "another");
        for ms in 0..100 {
            assert_eq!(repeated.happened_at("a", at(ms)), None);
        }
        assert_eq!(repeated.happened_at("a", at(10_000)), Some(100));
        assert_eq!(repeated.happened_at("a", at(10_001)), None);
        assert_eq!(repeated.happened_at("a", at(60_000)), Some(1));
    }

    #[test]
    fn names_are_bounded() {
        let (repeated, start) = (RepeatCounter::default(), Instant::now());
        let logged = (0..2 * MOST).filter(|n| repeated.happened_at(&n.to_string(), start).is_some()).count();
        assert_eq!(logged, MOST);
        assert_eq!(repeated.happened_at("later", start + EVERY), Some(0), "those are forgotten");
    }
}
