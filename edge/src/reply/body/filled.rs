//! The body of a page with holes, with one visitor's values in them. The page itself is not copied: what is
//! sent are slices of it, and the values between.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http_cache::holes::Mark;
use http_cache::holes::filler::Filler;

use crate::reply::body::{IncompleteReply, ReplyBody};

/// Pieces are joined up to this length, in bytes: one is cheaper to send than three.
const JOINED: usize = 16 * 1024;

/// A wait for the next piece may be dropped at any time: nothing is lost.
pub(crate) struct FilledBody {
    body: ReplyBody,
    filler: Filler,
    /// What fills the holes, in their order.
    values: Vec<Bytes>,
    /// Pieces that are ready.
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl FilledBody {
    pub(crate) fn new(body: ReplyBody, fills: Vec<(Mark, Bytes)>) -> Self {
        let values = fills.iter().map(|(_, value)| value.clone()).collect();
        Self { body, filler: Filler::new(fills), values, ready: VecDeque::new(), ended: false }
    }

    /// A body that is filled already.
    pub(crate) fn ready(pieces: VecDeque<Bytes>) -> Self {
        Self { ready: pieces, ended: true, ..Self::new(ReplyBody::Empty, Vec::new()) }
    }

    pub(crate) fn values(&self) -> &[Bytes] {
        &self.values
    }

    /// The body with its marks.
    pub(crate) fn body(&self) -> &ReplyBody {
        &self.body
    }

    pub(crate) fn body_mut(&mut self) -> &mut ReplyBody {
        &mut self.body
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        loop {
            if let Some(piece) = self.take() {
                return Some(Ok(piece));
            }
            if self.ended {
                return None;
            }
            // Boxed, as a body that holds another of its kind.
            match Box::pin(self.body.next()).await {
                Some(Ok(chunk)) => self.filler.feed(chunk, &mut self.ready),
                Some(Err(broken)) => return Some(Err(broken)),
                None => {
                    self.ended = true;
                    self.filler.end(&mut self.ready);
                }
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        let fits = |length, next: Option<&Bytes>| next.is_some_and(|next| length + next.len() <= JOINED);
        if !fits(first.len(), self.ready.front()) {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity(
            JOINED.min(first.len() + self.ready.iter().map(Bytes::len).sum::<usize>()),
        );
        joined.extend_from_slice(&first);
        while fits(joined.len(), self.ready.front()) {
            joined.extend_from_slice(&self.ready.pop_front()?);
        }
        Some(joined.freeze())
    }
}
