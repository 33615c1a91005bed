//! Times where they are the point: a busy machine makes some of them too long, and what is slow by itself is
//! slow each time.

use std::time::Duration;

use tokio::time::Instant;

/// How often at least, and for how long, a time is measured.
const MEASUREMENTS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Does the work until the time that it returns is less than `bound` once.
pub(super) async fn once_within(bound: Duration, what: &str, mut work: impl AsyncFnMut() -> Duration) {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < MEASUREMENTS || start.elapsed() < PATIENCE {
        let time = work().await;
        if time < bound {
            return;
        }
        times.push(time);
    }
    panic!("{what}: each time {bound:?} or more: {times:?}");
}
