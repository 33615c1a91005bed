//! Waiting for a condition instead of sleeping, and measuring a time where that is the point: how long, and
//! what is said when it does not come.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that has to happen. Generous: the machine may be slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
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

/// At least this often, whatever the machine does.
const MEASUREMENTS: usize = 3;

/// Does the work until it took less than `bound` once.
///
/// A busy machine makes some measurements too long. What is slow by itself is slow each time.
#[track_caller]
pub fn once_within(bound: Duration, what: &str, mut work: impl FnMut()) {
    once_measured_within(bound, what, || {
        let start = Instant::now();
        work();
        start.elapsed()
    });
}

/// Does the work until the time that it returns is less than `bound` once.
#[track_caller]
pub fn once_measured_within(bound: Duration, what: &str, mut work: impl FnMut() -> Duration) {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < MEASUREMENTS || start.elapsed() < PATIENCE {
        let time = work();
        if time < bound {
            return;
        }
        times.push(time);
    }
    panic!("{what}: each time {bound:?} or more: {times:?}");
}
