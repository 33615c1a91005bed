//! `retry`: how often and how long other servers are tried for a request, and for how many requests at once.

use process::settings::Mistakes;
use process::units::Time;
use serde::Deserialize;

/// `retry = { budget = 0.2, min = 3, timeout = "10s" }`, beside `tries`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Requests that are tried again at once, as a part of all that are under way, so that retries do not finish off servers that
    /// are in trouble.
    pub budget: f64,
    /// But so many always.
    pub min: usize,
    /// After so long no other server is tried. 0: until the edge's deadline.
    pub timeout: Time,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { budget: 0.2, min: 3, timeout: Time::from_secs(0) }
    }
}

impl RetryConfig {
    /// May one more be tried again?
    pub(crate) fn allows(&self, retrying: usize, in_flight: usize) -> bool {
        retrying < self.min || (retrying as f64) < in_flight as f64 * self.budget
    }

    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if !(0.0..=1.0).contains(&self.budget) {
            mistakes.push(format!("{path}.budget"), "must be from 0 to 1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_and_three_at_least() {
        let retry = RetryConfig::default();
        for (retrying, in_flight, allowed) in [
            (0, 1, true),
            (2, 1, true),
            (3, 1, false),
            (3, 15, false),
            (3, 16, true),
            (19, 100, true),
            (20, 100, false),
        ] {
            assert_eq!(retry.allows(retrying, in_flight), allowed, "{retrying} of {in_flight}");
        }
        let none = RetryConfig { budget: 0.0, min: 0, ..retry };
        assert!(!none.allows(0, 1000));
    }
}
