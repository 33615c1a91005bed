//! `queue` of a pool: where requests wait for a server.

use process::units::Time;
use serde::Deserialize;

/// `queue = { length = 1000, timeout = "10s" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    pub length: usize,
    pub timeout: Time,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { length: 1000, timeout: Time::from_secs(10) }
    }
}
