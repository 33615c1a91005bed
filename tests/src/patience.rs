//! Waiting for a condition instead of sleeping: how long, and what is said when it does not come.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that has to happen. Generous: the machine may be slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks until there is something, and returns it. Panics with `what` when the patience is over.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        sleep(BETWEEN_LOOKS);
    }
}
