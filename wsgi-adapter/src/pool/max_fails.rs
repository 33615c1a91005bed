//! Passive health: what a server's failures of late say about it. Counted as nginx does (`max_fails`,
//! `fail_timeout`).

use std::time::Duration;

use tokio::time::Instant;

/// The failures of one server.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// 0: failures do not count.
    max_fails: u32,
    fail_timeout: Duration,
    fails: u32,
    failed_at: Option<Instant>,
    /// The last failure, or since then the last request that was let through to try the server again.
    checked_at: Option<Instant>,
}

impl Mark {
    pub(super) fn new(max_fails: u32, fail_timeout: Duration) -> Self {
        Self { max_fails, fail_timeout, fails: 0, failed_at: None, checked_at: None }
    }

    /// May a request go to it?
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.max_fails == 0 || self.fails < self.max_fails || self.is_old(now)
    }

    /// One request tries a marked server again; others keep away for another `fail_timeout`, or until that
    /// one succeeds.
    pub(super) fn chosen(&mut self, now: Instant) {
        if self.is_old(now) {
            self.checked_at = Some(now);
        }
    }

    /// True: that was one too many.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let allowed = self.allows(now);
        self.fails = self.fails.saturating_add(1);
        self.failed_at = Some(now);
        self.checked_at = Some(now);
        allowed && !self.allows(now)
    }

    /// Forgives, if `fail_timeout` had passed since the last failure when a request was let through. True:
    /// the server was marked.
    pub(super) fn succeeded(&mut self) -> bool {
        let forgiven = self.failed_at < self.checked_at;
        let marked = self.max_fails > 0 && self.fails >= self.max_fails;
        if forgiven {
            self.fails = 0;
        }
        forgiven && marked
    }

    fn is_old(&self, now: Instant) -> bool {
        self.checked_at.is_some_and(|checked| now.saturating_duration_since(checked) > self.fail_timeout)
    }
}
