//! Replies that are there at once: their frames are written without a stream being kept.

use bytes::Bytes;

use super::{Arrival, Connection, MAX_QUEUED};
use crate::closed::ClosingSide;
use crate::frame::MAX_PAYLOAD;
use crate::stream::Waiters;

/// Beyond this much that waits to be sent, a reply waits for its turn.
const MAX_WAITING: usize = 1024 * 1024;

impl<W: Waiters> Connection<W> {
    /// Answers a request that has no body. `Some`: the client does not take the reply at once. Its stream is
    /// open, its head is sent, and this body must follow.
    pub fn answer(&mut self, arrival: Arrival, block: &[u8], body: Bytes) -> Option<Bytes> {
        let window = usize::try_from(self.client.initial_window).unwrap_or(usize::MAX);
        let room = self.queue_room().min(window).min(MAX_QUEUED);
        // A long reply takes turns with others, and so does one that somebody already waits before.
        let is_short = self.ready.is_empty() || body.len() <= MAX_PAYLOAD;
        let is_next = body.is_empty() || (self.waiting.is_empty() && is_short);
        let id = arrival.stream;
        if arrival.has_body || body.len() > room || !is_next || self.outbox.len() > MAX_WAITING {
            self.open(arrival);
            let is_empty = body.is_empty();
            let _ = self.send_head(id, block, is_empty);
            return Some(body);
        }
        self.write_head(id, block, body.is_empty());
        self.outgoing.size -= body.len() as i64;
        let mut rest = body;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(MAX_PAYLOAD));
            self.begin_data(id, piece.len(), rest.is_empty());
            self.outbox.body(piece);
        }
        self.closed.add(id, ClosingSide::Client);
        None
    }
}
