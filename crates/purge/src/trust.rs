//! How long copies may be used: no longer than `grace` after the log was last known to be heard.

use std::time::{Duration, Instant};

/// Counts from when a question was *sent* whose answer came: by then nothing could have been missed, however
/// long the answer took. So whoever answered knows, from when it got the question, until when the copies may
/// be in use.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    grace: Duration,
    until: Option<Instant>,
}

impl Trust {
    /// None yet.
    pub fn new(grace: Duration) -> Self {
        Self { grace, until: None }
    }

    /// An answer came to what was sent then.
    pub fn heard(&mut self, sent: Instant) {
        self.until = self.until.max(Some(sent + self.grace));
    }

    /// Hears from a peer that is itself in touch for `left` from then on, and no longer.
    pub fn heard_for(&mut self, sent: Instant, left: Duration) {
        self.until = self.until.max(Some(sent + self.grace.min(left)));
    }

    /// How much longer it lasts.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// The log is another one, or lost: nothing counts any more.
    pub fn lose(&mut self) {
        self.until = None;
    }

    pub fn is_live(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    pub fn grace(&self) -> Duration {
        self.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_from_the_question_that_was_answered() {
        let grace = Duration::from_secs(1);
        let mut trust = Trust::new(grace);
        let start = Instant::now();
        assert!(!trust.is_live(start), "nothing was heard yet");
        trust.heard(start);
        assert!(trust.is_live(start + grace / 2));
        assert!(!trust.is_live(start + grace));
        trust.heard(start + grace);
        // An answer to an older question, overtaken.
        trust.heard(start + grace / 2);
        assert!(trust.is_live(start + grace + grace / 2));
        assert_eq!(trust.left(start + grace), grace);
        trust.lose();
        assert!(!trust.is_live(start + grace));
        trust.heard_for(start, grace / 4);
        assert!(trust.is_live(start) && !trust.is_live(start + grace / 4), "no longer than who answered");
    }
}
