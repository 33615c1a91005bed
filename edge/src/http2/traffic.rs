//! How much of what a client sends is good for nothing, over time: resets, refused streams, idle frames.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ::http2::Counts;

use crate::settings::Limits;

/// The time over which resets are counted.
const RESETS_OVER: Duration = Duration::from_secs(60);
/// Counts of resets beyond this are not distinguished.
const REMEMBERED: usize = 10_000;
/// Streams in a minute that are refused because there are too many. A client may send more requests than
/// SETTINGS allow before it has read them, so refusals are no mistake; but one that goes on is not in
/// earnest.
const REFUSED: u64 = 1024;
/// A request explains this many idle frames: priorities, windows, a ping.
const PER_REQUEST: f64 = 16.0;
/// And so do this many bytes of replies: a client may enlarge two windows for each frame that it reads.
const PER_BYTES: f64 = 512.0;

pub(super) struct Traffic {
    seen: Counts,
    /// When streams were reset: by the client, or because of its mistakes (CVE-2025-8671).
    resets: VecDeque<Instant>,
    idle: RateLevel,
    refused: RateLevel,
}

/// Events, less what explains them and what is allowed in the time.
struct RateLevel {
    level: f64,
    at: Instant,
}

impl RateLevel {
    fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now }
    }

    fn explain(&mut self, events: f64) {
        self.level = (self.level - events).max(0.0);
    }

    /// Adds new events, and tells whether there are more than may be in a minute.
    fn exceeds(&mut self, new: u64, per_minute: u64, now: Instant) -> bool {
        if self.level > 0.0 {
            let since = now.saturating_duration_since(self.at);
            self.explain(per_minute as f64 * since.as_secs_f64() / 60.0);
        }
        self.at = now;
        self.level += new as f64;
        self.level > per_minute as f64
    }
}

impl Traffic {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            seen: Counts::default(),
            resets: VecDeque::new(),
            idle: RateLevel::new(now),
            refused: RateLevel::new(now),
        }
    }

    /// Notes what has come. True: more of it is good for nothing than may be.
    pub(super) fn is_abuse(&mut self, counts: Counts, limits: &Limits, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.seen, counts);
        let resets = (counts.resets - before.resets) + (counts.blaming - before.blaming);
        self.idle.explain((counts.heads - before.heads) as f64 * PER_REQUEST);
        self.idle.exceeds(counts.idle - before.idle, limits.http2_idle_frames, now)
            | self.refused.exceeds(counts.refused - before.refused, REFUSED, now)
            | (resets > 0 && self.resets_with(resets, now) > limits.http2_resets)
    }

    /// Notes bytes that the client has taken.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.idle.explain(bytes as f64 / PER_BYTES);
    }

    /// The resets of the last minute, with new ones.
    fn resets_with(&mut self, new: u64, now: Instant) -> usize {
        for _ in 0..new {
            if self.resets.len() == REMEMBERED {
                self.resets.pop_front();
            }
            self.resets.push_back(now);
        }
        while self.resets.front().is_some_and(|at| now.saturating_duration_since(*at) > RESETS_OVER) {
            self.resets.pop_front();
        }
        self.resets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brings_nothing_is_allowed_at_a_rate_and_explained_by_requests_and_replies() {
        let limits = Limits { http2_idle_frames: 100, http2_resets: 5, ..Limits::default() };
        let begun = Instant::now();
        let idle = |idle| Counts { idle, ..Counts::default() };
        let mut traffic = Traffic::new(begun);
        assert!(!traffic.is_abuse(idle(100), &limits, begun));
        assert!(traffic.is_abuse(idle(101), &limits, begun));
        let mut traffic = Traffic::new(begun);
        for minute in 1..10 {
            let now = begun + Duration::from_secs(60 * minute);
            assert!(!traffic.is_abuse(idle(99 * minute), &limits, now), "{minute}");
        }
        let mut traffic = Traffic::new(begun);
        for n in 1..100 {
            assert!(!traffic.is_abuse(
                Counts { idle: 16 * n, heads: n, ..Counts::default() },
                &limits,
                begun
            ));
        }
        for n in 1..100 {
            traffic.sent(512 * 10);
            assert!(!traffic.is_abuse(
                Counts { idle: 99 * 16 + 10 * n, heads: 99, ..Counts::default() },
                &limits,
                begun
            ));
        }
    }

    #[test]
    fn resets_of_both_sides_count_for_a_minute() {
        let limits = Limits { http2_resets: 5, ..Limits::default() };
        let begun = Instant::now();
        let counts = |resets, blaming| Counts { resets, blaming, ..Counts::default() };
        let mut traffic = Traffic::new(begun);
        assert!(!traffic.is_abuse(counts(3, 2), &limits, begun));
        let later = begun + Duration::from_secs(61);
        assert!(!traffic.is_abuse(counts(5, 5), &limits, later));
        assert!(traffic.is_abuse(counts(6, 5), &limits, later));
    }

    #[test]
    fn streams_beyond_the_limit_are_no_mistake_unless_they_are_many() {
        let begun = Instant::now();
        let refused = |refused| Counts { refused, ..Counts::default() };
        let mut traffic = Traffic::new(begun);
        assert!(!traffic.is_abuse(refused(1024), &Limits::default(), begun));
        assert!(traffic.is_abuse(refused(1025), &Limits::default(), begun));
    }
}
