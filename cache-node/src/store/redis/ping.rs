//! How often a connection that only listens is tested.

use std::time::Duration;

/// How long the connection may be silent before it is tested.
pub(super) const PING_EVERY: Duration = Duration::from_secs(5);
