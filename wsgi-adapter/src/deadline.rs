//! Until when the edge waits for a reply's head. Every wait before the head ends then, if not earlier.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Counted from now. 0: none.
    pub(crate) fn in_millis(millis: u64) -> Self {
        // Further away than the clock reaches is none.
        let at = Instant::now().checked_add(Duration::from_millis(millis));
        Self(at.filter(|_| millis > 0))
    }

    /// The end of a wait that has a limit of its own.
    pub(crate) fn within(self, limit: Duration) -> Instant {
        let far = Duration::from_secs(86_400 * 365);
        let own = Instant::now() + limit.min(far);
        self.0.map_or(own, |at| own.min(at))
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }
}
