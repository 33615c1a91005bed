//! How long, how often and how many: connections that stay open between requests.

use process::settings::Mistakes;
use process::units::Time;
use serde::Deserialize;

/// `keepalive = { connections = 32, timeout = "2s", age = "1h", requests = 1000 }`; nginx's directives of
/// that name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveConfig {
    /// Idle ones per server. 0: each request has its own.
    pub connections: usize,
    /// Idle for longer: not used again. Shorter than the server's own, so that it is not the one to close.
    pub timeout: Time,
    /// Since it was made.
    pub age: Time,
    pub requests: u32,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        // gunicorn closes after 2 s, uvicorn after 5.
        Self { connections: 32, timeout: Time::from_millis(1500), age: Time::from_secs(3600), requests: 1000 }
    }
}

impl KeepaliveConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if self.connections > 10_000 {
            mistakes.push(format!("{path}.connections"), "more than 10000 idle connections for each server");
        }
        if self.connections > 0 && (self.timeout.0.is_zero() || self.age.0.is_zero() || self.requests == 0) {
            mistakes.push(path, "no time or no request at all; write connections = 0 for no keep-alive");
        }
    }
}
