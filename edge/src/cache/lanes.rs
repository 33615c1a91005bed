//! How many requests for one page may bypass the cache at once because its reply could not be stored a short
//! time ago. A hit-for-miss mark is no licence for a thousand at the same time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

type LaneKey = Box<[u8]>;

pub(crate) struct Lanes {
    by_key: Mutex<HashMap<LaneKey, Arc<Semaphore>, ahash::RandomState>>,
    /// How many lanes each key has.
    each: usize,
}

/// A lane taken; given back when dropped.
pub(crate) struct Lane {
    lanes: Arc<Lanes>,
    key: LaneKey,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    pub(crate) fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { by_key: Mutex::default(), each })
    }

    pub(crate) fn each(&self) -> usize {
        self.each
    }

    /// Takes a lane of the key. `None`: none became free within `patience`.
    pub(crate) async fn enter(self: &Arc<Self>, key: &[u8], patience: Duration) -> Option<Lane> {
        let lanes = {
            let mut by_key = self.by_key.lock();
            by_key.entry(key.into()).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
        };
        // From here on dropping the lane also forgets the key, once nobody else uses it.
        let mut lane = Lane { lanes: self.clone(), key: key.into(), permit: None };
        lane.permit = Some(timeout(patience, lanes.acquire_owned()).await.ok()?.ok()?);
        Some(lane)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.permit = None;
        let mut by_key = self.lanes.by_key.lock();
        // One reference is the table's; whoever waits for a lane holds another.
        if by_key.get(&self.key).is_some_and(|lanes| Arc::strong_count(lanes) == 1) {
            by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lanes_are_bounded_by_key_and_forgotten_with_their_last_request() {
        let lanes = Lanes::new(2);
        let short = Duration::from_millis(10);
        let (one, two) = (lanes.enter(b"a", short).await, lanes.enter(b"a", short).await);
        assert!(one.is_some() && two.is_some());
        assert!(lanes.enter(b"a", short).await.is_none(), "both are taken");
        assert!(lanes.enter(b"b", short).await.is_some(), "another page has its own");
        drop(one);
        assert!(lanes.enter(b"a", short).await.is_some());
        drop(two);
        assert!(lanes.by_key.lock().is_empty());
    }
}
