//! How often a page becomes stale because replies name it: once a second at most, and once more after the
//! last of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

const PERIOD: Duration = Duration::from_secs(1);
/// Pages in mind at once. Beyond that, a page that is named is not made stale.
const MOST: usize = 4096;

/// The times of the last turn of each page, which may be still to come.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<Bytes, Instant>>);

impl Pace {
    /// How long to wait until the page may be made stale. `None`: somebody waits for that already, or too
    /// many pages are named.
    pub(crate) fn turn(&self, url: &Bytes, now: Instant) -> Option<Duration> {
        let mut turns = self.0.lock();
        if turns.len() >= MOST {
            turns.retain(|_, turn| *turn + PERIOD > now);
        }
        let turn = match turns.get(url) {
            Some(turn) if *turn > now => return None,
            Some(turn) => now.max(*turn + PERIOD),
            None if turns.len() >= MOST => return None,
            None => now,
        };
        turns.insert(url.clone(), turn);
        Some(turn - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_named_all_the_time_has_a_turn_each_second() {
        let (pace, start) = (Pace::default(), Instant::now());
        let (page, other) = (Bytes::from_static(b"http://h/a"), Bytes::from_static(b"http://h/b"));
        for (url, at, turn) in [
            (&page, 0, Some(0)),
            (&page, 100, Some(900)),
            (&page, 200, None),
            (&other, 200, Some(0)),
            (&page, 1000, Some(1000)),
            (&page, 1500, None),
            (&page, 5000, Some(0)),
        ] {
            let given = pace.turn(url, start + Duration::from_millis(at));
            assert_eq!(given, turn.map(Duration::from_millis), "{url:?} at {at}");
        }
        for n in 0..MOST {
            pace.turn(&Bytes::from(n.to_string()), start + 9 * PERIOD);
        }
        assert_eq!(pace.turn(&other, start + 9 * PERIOD), None, "there are too many");
        assert_eq!(pace.turn(&other, start + 10 * PERIOD), Some(Duration::ZERO));
    }
}
