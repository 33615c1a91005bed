//! HEADERS and CONTINUATION: requests, and the trailers of their bodies.

use super::{Arrival, Connection, DrainPhase};
use crate::closed::ClosingSide;
use crate::error::ErrorCode;
use crate::fields::FieldList;
use crate::frame::{END_HEADERS, END_STREAM, FrameHeader, PRIORITY_FLAG, unpadded};
use crate::message;
use crate::stream::{ReceivePhase, Waiters};

/// The frames of one head. Real ones are full but for the last; many small ones are an attack (CVE-2024-27316
/// and its like).
const MAX_CONTINUATIONS: u32 = 64;

/// What a HEADERS frame says besides its part of the block.
#[derive(Clone, Copy)]
pub(super) struct HeadStart {
    pub(super) stream: u32,
    ends_stream: bool,
    depends_on_itself: bool,
}

/// A head whose last frame has not come.
pub(super) struct PartialHead {
    pub(super) start: HeadStart,
    block: Vec<u8>,
    continuations: u32,
    /// The number of its first frame.
    pub(super) number: u64,
}

impl<W: Waiters> Connection<W> {
    pub(super) fn headers(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        // RFC 9113 section 6.2: HEADERS "MUST be associated with a stream"; section 5.1.1: streams of clients
        // have odd numbers.
        if header.stream.is_multiple_of(2) {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        let mut block = unpadded(header, payload).ok_or(ErrorCode::PROTOCOL_ERROR)?;
        let mut depends_on_itself = false;
        if header.has(PRIORITY_FLAG) {
            let (priority, rest) = block.split_first_chunk::<5>().ok_or(ErrorCode::FRAME_SIZE_ERROR)?;
            depends_on_itself = depends_on(priority) == header.stream;
            block = rest;
        }
        let start =
            HeadStart { stream: header.stream, ends_stream: header.has(END_STREAM), depends_on_itself };
        if header.has(END_HEADERS) {
            return self.whole_head(start, block, fields);
        }
        self.head = Some(PartialHead { start, block: block.to_vec(), continuations: 0, number: self.frames });
        self.check_partial()?;
        Ok(None)
    }

    pub(super) fn continuation(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        self.counts.idle += u64::from(payload.is_empty());
        // Section 6.10: without a head that it continues, it is "a connection error (Section 5.4.1) of type
        // PROTOCOL_ERROR".
        let head = self.head.as_mut().ok_or(ErrorCode::PROTOCOL_ERROR)?;
        head.block.extend_from_slice(payload);
        head.continuations += 1;
        self.check_partial()?;
        if !header.has(END_HEADERS) {
            return Ok(None);
        }
        let Some(head) = self.head.take() else { return Ok(None) };
        self.whole_head(head.start, &head.block, fields)
    }

    /// A block must be read to its end, whatever becomes of it, or both sides' tables differ. So one that is
    /// longer than any that we answer, even with 431, ends the connection.
    fn check_partial(&self) -> Result<(), ErrorCode> {
        let Some(head) = &self.head else { return Ok(()) };
        let is_long = head.block.len() > self.limits.head.saturating_mul(2);
        match is_long || head.continuations > MAX_CONTINUATIONS {
            true => Err(ErrorCode::ENHANCE_YOUR_CALM),
            false => Ok(()),
        }
    }

    fn whole_head(
        &mut self,
        start: HeadStart,
        block: &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        let HeadStart { stream: id, ends_stream, .. } = start;
        fields.begin(self.limits.head);
        self.decoder.decode(block, fields).map_err(|_| ErrorCode::COMPRESSION_ERROR)?;
        if id > self.last {
            return Ok(self.new_stream(start));
        }
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_closed()) else {
            return match self.closed.find(id) {
                // Section 5.4.2: an endpoint that has reset a stream must take what was on its way.
                Some(ClosingSide::Us) => Ok(None),
                Some(ClosingSide::Client) => Err(ErrorCode::STREAM_CLOSED),
                // Section 5.1.1: "An endpoint that receives an unexpected stream identifier MUST respond with
                // a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
                None => Err(ErrorCode::PROTOCOL_ERROR),
            };
        };
        match stream.incoming.phase {
            // Section 5.1: in "half-closed (remote)" other frames than these few are "a stream error of type
            // STREAM_CLOSED".
            ReceivePhase::Ended => self.reset_stream(id, ErrorCode::STREAM_CLOSED),
            ReceivePhase::Malformed => {
                if ends_stream {
                    self.end_incoming(id);
                }
            }
            // Section 8.1: a second head ends the stream and has no pseudo-fields, or the request is
            // malformed.
            ReceivePhase::Open if !ends_stream || message::check_trailers(fields).is_err() => {
                self.malformed(id, ends_stream);
            }
            ReceivePhase::Open => self.end_incoming(id),
        }
        Ok(None)
    }

    fn new_stream(&mut self, start: HeadStart) -> Option<Arrival> {
        let HeadStart { stream: id, ends_stream, depends_on_itself } = start;
        if let DrainPhase::Known(last) = self.drain
            && id > last
        {
            // Section 6.8: it "can discard frames" on such streams; the client knows that they may be sent
            // again.
            self.last = id;
            self.closed.add(id, ClosingSide::Us);
            return None;
        }
        self.last = id;
        if depends_on_itself {
            self.reset_stream(id, ErrorCode::PROTOCOL_ERROR);
            return None;
        }
        // Section 5.1.2: "An endpoint that receives a HEADERS frame that causes its advertised concurrent
        // stream limit to be exceeded MUST treat this as a stream error". REFUSED_STREAM lets the client try
        // again: it may not have read our SETTINGS yet.
        if self.open >= self.limits.streams {
            self.counts.refused += 1;
            self.reset_stream(id, ErrorCode::REFUSED_STREAM);
            return None;
        }
        self.counts.heads += 1;
        Some(Arrival { stream: id, has_body: !ends_stream })
    }
}

/// The stream of a priority. RFC 7540 section 5.3.1: none depends on itself.
pub(super) fn depends_on(priority: &[u8; 5]) -> u32 {
    let [a, b, c, d, _] = *priority;
    u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
}
