//! Finds out that the peer is gone although its socket does not say so.

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// Resolves when the peer has not answered a ping for `patience`, or the connection has ended. It is pinged
/// `every` so often.
pub(super) async fn silence(mut pings: PingPong, every: Duration, patience: Duration) {
    loop {
        sleep(every).await;
        if !matches!(timeout(patience, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}
