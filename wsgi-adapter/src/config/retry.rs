//! `retry`: how long other servers are tried for a request, and for how many of the requests.

use process::settings::Mistakes;
use process::units::Time;
use serde::Deserialize;

/// `retry = { budget = 0.2, min = 10, timeout = "10s" }`, beside `tries`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Times that a request is taken to another server, as a part of the requests of the last ten seconds, so
    /// that retries do not finish off servers that are in trouble.
    pub budget: f64,
    /// But so many in ten seconds always.
    pub min: u64,
    /// After so long no other server is tried. 0: until the edge's deadline.
    pub timeout: Time,
    /// Replies with these statuses are not passed on while there is another server.
    pub statuses: Vec<u16>,
    /// Also requests that may have changed something (POST) are sent to another server.
    pub any_method: bool,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { budget: 0.2, min: 10, timeout: Time::from_secs(0), statuses: Vec::new(), any_method: false }
    }
}

impl RetryConfig {
    /// May there be one more, after so many of both in the last ten seconds?
    pub(crate) fn allows(&self, retries: u64, requests: u64) -> bool {
        retries < self.min || (retries + 1) as f64 <= requests as f64 * self.budget
    }

    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if !(0.0..=1.0).contains(&self.budget) {
            mistakes.push(format!("{path}.budget"), "must be from 0 to 1");
        }
        for status in self.statuses.iter().filter(|status| !(400..600).contains(*status)) {
            mistakes.push(format!("{path}.statuses"), format!("`{status}` is no status from 400 to 599"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_and_ten_at_least() {
        let retry = RetryConfig::default();
        for (retries, requests, allowed) in [
            (0, 1, true),
            (9, 1, true),
            (10, 1, false),
            (10, 54, false),
            (10, 55, true),
            (19, 100, true),
            (20, 100, false),
        ] {
            assert_eq!(retry.allows(retries, requests), allowed, "{retries} of {requests}");
        }
        let none = RetryConfig { budget: 0.0, min: 0, ..retry };
        assert!(!none.allows(0, 1000));
    }
}
