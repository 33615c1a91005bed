//! Records of requests for those who watch: a bounded ring for each thread, filled only while somebody
//! subscribes. Nobody waits for a reader: one that is slow loses the oldest records, and is told how many.

pub(crate) mod live_record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::metrics::threads;
use live_record::LiveRecord;

/// Records kept for each thread.
const KEPT: usize = 4096;
/// Watchers at once.
pub(crate) const MAX_WATCHERS: usize = 16;

/// The records of all threads.
pub(crate) struct LiveLog {
    watchers: AtomicUsize,
    /// Each thread adds to its own ring.
    rings: Box<[Mutex<Ring>]>,
}

#[derive(Default)]
struct Ring {
    records: VecDeque<Arc<LiveRecord>>,
    /// The number of the record that comes next.
    next: u64,
}

/// The place of one watcher in all rings. While there is one, requests are recorded.
pub(crate) struct Watcher {
    log: Arc<LiveLog>,
    /// The number of the next record to read of each ring.
    places: Vec<u64>,
}

/// Records in the order of their end, and how many were lost before them.
#[derive(Default)]
pub(crate) struct LiveBatch {
    pub(crate) records: Vec<Arc<LiveRecord>>,
    pub(crate) lost: u64,
}

impl Default for LiveLog {
    fn default() -> Self {
        Self::new(threads::parts())
    }
}

impl LiveLog {
    fn new(rings: usize) -> Self {
        Self { watchers: AtomicUsize::new(0), rings: (0..rings).map(|_| Mutex::default()).collect() }
    }

    /// Whether somebody wants records: one relaxed load.
    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Relaxed) > 0
    }

    /// Adds a record to the ring of this thread.
    pub(crate) fn push(&self, record: LiveRecord) {
        if let Some(ring) = self.rings.get(threads::number() % self.rings.len()) {
            ring.lock().push(record);
        }
    }

    /// Begins to record. `None`: there are as many watchers as may be.
    pub(crate) fn watch(self: &Arc<Self>) -> Option<Watcher> {
        let more = |watchers| (watchers < MAX_WATCHERS).then_some(watchers + 1);
        self.watchers.fetch_update(Relaxed, Relaxed, more).ok()?;
        let places = self.rings.iter().map(|ring| ring.lock().next).collect();
        Some(Watcher { log: self.clone(), places })
    }
}

impl Ring {
    fn push(&mut self, record: LiveRecord) {
        if self.records.len() == KEPT {
            self.records.pop_front();
        }
        self.records.push_back(Arc::new(record));
        self.next += 1;
    }

    /// The records from this place on, and how many before them are gone.
    fn since(&self, place: u64) -> (impl Iterator<Item = &Arc<LiveRecord>>, u64) {
        let oldest = self.next - self.records.len() as u64;
        let skipped = usize::try_from(place.saturating_sub(oldest)).unwrap_or(usize::MAX);
        (self.records.iter().skip(skipped), oldest.saturating_sub(place))
    }
}

impl Watcher {
    /// What has been recorded since the last call.
    pub(crate) fn take(&mut self) -> LiveBatch {
        let mut batch = LiveBatch::default();
        for (ring, place) in self.log.rings.iter().zip(&mut self.places) {
            let ring = ring.lock();
            let (records, lost) = ring.since(*place);
            batch.records.extend(records.cloned());
            batch.lost += lost;
            *place = ring.next;
        }
        batch.records.sort_by_key(|record| record.time);
        batch
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.log.watchers.fetch_sub(1, Relaxed) == 1 {
            // Nobody looks any more: the memory is free for pages.
            for ring in &self.log.rings {
                ring.lock().records = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(target: usize) -> LiveRecord {
        LiveRecord::example(&format!("/{target}"), 200)
    }

    #[test]
    fn only_what_comes_while_somebody_watches_is_seen_in_order() {
        let log = Arc::new(LiveLog::new(2));
        assert!(!log.is_watched());
        let mut first = log.watch().unwrap();
        assert!(log.is_watched());
        (0..3).for_each(|n| log.push(record(n)));
        let mut second = log.watch().unwrap();
        log.push(record(3));
        let targets = |watcher: &mut Watcher| -> Vec<String> {
            watcher.take().records.iter().map(|record| record.target.to_string()).collect()
        };
        assert_eq!(targets(&mut first), ["/0", "/1", "/2", "/3"]);
        assert_eq!(targets(&mut second), ["/3"]);
        assert_eq!(targets(&mut first), [""; 0]);
        drop(first);
        assert!(log.is_watched());
        drop(second);
        assert!(!log.is_watched());
        assert!(log.rings.iter().all(|ring| ring.lock().records.capacity() == 0));
    }

    #[test]
    fn a_slow_watcher_loses_the_oldest_and_is_told() {
        let log = Arc::new(LiveLog::new(1));
        let (mut slow, mut quick) = (log.watch().unwrap(), log.watch().unwrap());
        let mut seen = 0;
        for n in 0..KEPT + 10 {
            log.push(record(n));
            let batch = quick.take();
            assert_eq!(batch.lost, 0);
            seen += batch.records.len();
        }
        assert_eq!(seen, KEPT + 10);
        let batch = slow.take();
        assert_eq!((batch.records.len(), batch.lost), (KEPT, 10));
        assert_eq!(&*batch.records[0].target, "/10");
        log.push(record(0));
        assert_eq!(slow.take().lost, 0);
    }

    #[test]
    fn there_are_not_more_watchers_than_may_be() {
        let log = Arc::new(LiveLog::new(1));
        let watchers: Vec<_> = (0..MAX_WATCHERS).map(|_| log.watch().unwrap()).collect();
        assert!(log.watch().is_none());
        drop(watchers);
        assert!(log.watch().is_some());
    }
}
