//! Whether new requests should be sent here, and if not, why.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// Starting until `ready`, draining after `drain`; between them ready unless a check fails. Clones are the same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    phase: Phase,
    /// The checks that fail, and why.
    failing: BTreeMap<&'static str, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    #[default]
    Starting,
    Ready,
    Draining,
}

impl Readiness {
    /// Starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The listeners are open. A drain that has begun goes on.
    pub fn ready(&self) {
        let mut inner = self.0.lock();
        if inner.phase == Phase::Starting {
            inner.phase = Phase::Ready;
        }
    }

    pub fn drain(&self) {
        self.0.lock().phase = Phase::Draining;
    }

    /// The latest outcome of a check; an error says in one line why no request should come. A check counts as passed until it
    /// first fails.
    pub fn check(&self, name: &'static str, outcome: Result<(), String>) {
        let mut inner = self.0.lock();
        match outcome {
            Ok(()) => inner.failing.remove(name),
            Err(why) => inner.failing.insert(name, why),
        };
    }

    pub fn phase(&self) -> Phase {
        self.0.lock().phase
    }

    /// Why not, one line each; empty if ready.
    pub fn reasons(&self) -> Vec<String> {
        let inner = self.0.lock();
        let phase = match inner.phase {
            Phase::Starting => Some("starting".to_owned()),
            Phase::Ready => None,
            Phase::Draining => Some("draining".to_owned()),
        };
        let failing =
            inner.failing.iter().map(|(name, why)| format!("{name}: {}", why.replace(['\r', '\n'], " ")));
        phase.into_iter().chain(failing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_from_starting_over_ready_to_draining_and_never_back() {
        let readiness = Readiness::new();
        assert_eq!(readiness.reasons(), ["starting"]);
        readiness.ready();
        assert!(readiness.reasons().is_empty());
        readiness.drain();
        readiness.ready();
        assert_eq!((readiness.phase(), readiness.reasons()), (Phase::Draining, vec!["draining".to_owned()]));
    }

    #[test]
    fn every_failing_check_is_named_until_it_passes() {
        let readiness = Readiness::new();
        readiness.ready();
        readiness.check("wsgi_adapter", Err("connection\nrefused".into()));
        readiness.check("cache_node", Err("no address".into()));
        assert_eq!(readiness.reasons(), ["cache_node: no address", "wsgi_adapter: connection refused"]);
        readiness.check("wsgi_adapter", Ok(()));
        readiness.check("cache_node", Ok(()));
        assert!(readiness.reasons().is_empty());
    }
}
