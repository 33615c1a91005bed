//! A body that is sent no faster than its location allows (`limit_rate`), as nginx counts: what may be sent
//! by the end of the present second.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep;

use crate::reply::Reply;
use crate::reply::body::{IncompleteReply, ReplyBody};

/// The longest piece that is sent at once.
const PIECE: usize = 64 * 1024;

/// A wait for the next piece may be dropped at any time: nothing is lost.
pub(crate) struct PacedBody {
    body: ReplyBody,
    /// Bytes in a second.
    rate: u64,
    /// Bytes that are sent at any speed first.
    after: u64,
    started: Instant,
    sent: u64,
    piece: Bytes,
}

/// Limits the speed of the reply.
pub(crate) fn pace(mut reply: Reply, rate: u64, after: u64) -> Reply {
    if matches!(reply.body, ReplyBody::Empty) || reply.status.is_informational() {
        return reply;
    }
    let body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    let started = Instant::now();
    reply.body =
        ReplyBody::Paced(Box::new(PacedBody { body, rate, after, started, sent: 0, piece: Bytes::new() }));
    reply
}

impl PacedBody {
    pub(crate) fn body_mut(&mut self) -> &mut ReplyBody {
        &mut self.body
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        while self.piece.is_empty() {
            match self.body.next().await? {
                Ok(piece) => self.piece = piece,
                Err(broken) => return Some(Err(broken)),
            }
        }
        loop {
            let elapsed = self.started.elapsed();
            let allowed = allowed(self.rate, self.after, elapsed).saturating_sub(self.sent);
            if allowed > 0 {
                let length = usize::try_from(allowed).unwrap_or(PIECE).min(PIECE).min(self.piece.len());
                self.sent += length as u64;
                return Some(Ok(self.piece.split_to(length)));
            }
            // The application's server is not kept waiting for that.
            self.body.go_on();
            sleep(Duration::from_secs(elapsed.as_secs() + 1).saturating_sub(elapsed)).await;
        }
    }
}

/// Bytes that may have been sent by now.
fn allowed(rate: u64, after: u64, elapsed: Duration) -> u64 {
    rate.saturating_mul(elapsed.as_secs() + 1).saturating_add(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_nginx_counts() {
        for (elapsed, bytes) in [(0, 150), (999, 150), (1000, 250), (2500, 350)] {
            assert_eq!(allowed(100, 50, Duration::from_millis(elapsed)), bytes);
        }
        assert_eq!(allowed(u64::MAX, u64::MAX, Duration::from_secs(5)), u64::MAX);
    }
}
