//! DATA: the bodies of requests, and the windows that bound them.

use super::Connection;
use crate::closed::ClosingSide;
use crate::error::ErrorCode;
use crate::frame::{DATA, END_STREAM, FrameHeader, unpadded};
use crate::stream::{BodyProgress, ReceivePhase, SendPhase, Waiters};

impl<W: Waiters> Connection<W> {
    pub(super) fn data(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        debug_assert_eq!(header.kind, DATA);
        let ends = header.has(END_STREAM);
        // RFC 9113 section 6.1: "DATA frames MUST be associated with a stream."
        self.check_not_idle(header.stream)?;
        // Section 6.9.1: what exceeds a window is an error of type FLOW_CONTROL_ERROR. Section 6.1: "The
        // entire DATA frame payload is included in flow control, including the Pad Length and Padding
        // fields".
        self.incoming.take(payload.len()).ok_or(ErrorCode::FLOW_CONTROL_ERROR)?;
        let content = unpadded(header, payload).ok_or(ErrorCode::PROTOCOL_ERROR)?;
        self.counts.idle += u64::from(content.is_empty() && !ends);
        let id = header.stream;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_closed()) else {
            // Section 6.9: flow-control accounting goes on for streams that are closed.
            self.release_connection(payload.len());
            if self.closed.find(id) != Some(ClosingSide::Us) {
                self.reset_stream(id, ErrorCode::STREAM_CLOSED);
            }
            return Ok(());
        };
        let incoming = &mut stream.incoming;
        if incoming.phase == ReceivePhase::Ended {
            self.release_connection(payload.len());
            self.reset_stream(id, ErrorCode::STREAM_CLOSED);
            return Ok(());
        }
        if incoming.window.take(payload.len()).is_none() {
            self.release_connection(payload.len());
            self.reset_stream(id, ErrorCode::FLOW_CONTROL_ERROR);
            return Ok(());
        }
        incoming.total += content.len() as u64;
        // Section 8.1.1: a request is malformed if "the value of the Content-Length header field does not
        // equal the sum of the DATA frame payload lengths that form the content".
        let contradicts = match incoming.announced {
            Some(announced) if ends => incoming.total != announced,
            Some(announced) => incoming.total > announced,
            None => false,
        };
        let is_dropped = contradicts || incoming.phase == ReceivePhase::Malformed;
        let kept = if is_dropped { 0 } else { content.len() };
        if kept > 0 {
            incoming.received.extend_from_slice(content);
            stream.waiters.may_read();
        }
        if payload.len() > kept {
            self.release(id, payload.len() - kept);
        }
        if contradicts {
            self.malformed(id, ends);
        } else if ends {
            self.end_incoming(id);
        }
        Ok(())
    }

    /// Tells how long the body must be, which its head has said.
    pub fn announce(&mut self, id: u32, length: u64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.incoming.announced = Some(length);
        }
    }

    /// Takes what has come of a body.
    pub fn read(&mut self, id: u32) -> BodyProgress {
        let Some(stream) = self.streams.get_mut(&id) else { return BodyProgress::Reset };
        let incoming = &mut stream.incoming;
        if !incoming.received.is_empty() {
            return BodyProgress::Data(incoming.received.split().freeze());
        }
        match incoming.phase {
            ReceivePhase::Ended => BodyProgress::End,
            _ if stream.reset.is_some() => BodyProgress::Reset,
            ReceivePhase::Malformed => BodyProgress::Malformed,
            ReceivePhase::Open => BodyProgress::Pending,
        }
    }

    /// The client may send this many bytes more: they were taken.
    pub fn release(&mut self, id: u32, bytes: usize) {
        self.release_connection(bytes);
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.is_closed()
            && stream.incoming.phase != ReceivePhase::Ended
            && let Some(increment) = stream.incoming.window.release(bytes)
        {
            self.window_update(id, increment);
        }
    }

    /// The client sends nothing more. A body that is too short is malformed.
    pub(super) fn end_incoming(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let incoming = &mut stream.incoming;
        let is_whole = incoming.announced.is_none_or(|announced| announced == incoming.total);
        if incoming.phase == ReceivePhase::Open && !is_whole {
            return self.malformed(id, true);
        }
        if incoming.phase == ReceivePhase::Open {
            incoming.phase = ReceivePhase::Ended;
        }
        stream.waiters.may_read();
        self.settle(id);
    }

    /// RFC 9113 section 8.1.1: "Malformed requests or responses that are detected MUST be treated as a stream
    /// error (Section 5.4.2) of type PROTOCOL_ERROR. For malformed requests, a server MAY send an HTTP
    /// response prior to closing or resetting the stream."
    pub(super) fn malformed(&mut self, id: u32, ends: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.outgoing.phase > SendPhase::Idle {
            return self.reset_stream(id, ErrorCode::PROTOCOL_ERROR);
        }
        stream.incoming.phase = ReceivePhase::Malformed;
        let dropped = std::mem::take(&mut stream.incoming.received).len();
        stream.waiters.may_read();
        if !ends {
            return self.release(id, dropped);
        }
        self.release_connection(dropped);
    }
}
