//! Interim replies 103 (RFC 8297) on their way from the application to the client that waits for the reply.

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The most that wait for a client that is slow; further ones are left out.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Hints {
    waiting: Mutex<Vec<HeaderMap>>,
    arrived: Notify,
}

impl Hints {
    pub(crate) fn push(&self, fields: HeaderMap) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST {
            waiting.push(fields);
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Those that are here.
    pub(crate) fn take(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// The next ones, as soon as there are any. May be dropped at any time: nothing is lost.
    pub(crate) async fn next(&self) -> Vec<HeaderMap> {
        loop {
            let waiting = self.take();
            if !waiting.is_empty() {
                return waiting;
            }
            self.arrived.notified().await;
        }
    }
}
