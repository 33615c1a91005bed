//! Whether new requests should be sent here.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// Starting until `ready`, draining after `drain`. Clones are the same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Phase>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    #[default]
    Starting,
    Ready,
    Draining,
}

impl Readiness {
    /// The listeners are open. A drain that has begun goes on.
    pub fn ready(&self) {
        let mut phase = self.0.lock();
        if *phase == Phase::Starting {
            *phase = Phase::Ready;
        }
    }

    pub fn phase(&self) -> Phase {
        *self.0.lock()
    }

    pub(crate) fn drain(&self) {
        *self.0.lock() = Phase::Draining;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_from_starting_over_ready_to_draining_and_never_back() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Ready);
        readiness.drain();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Draining);
    }
}
