//! Frames that steer: SETTINGS, PING, GOAWAY, PRIORITY, RST_STREAM, WINDOW_UPDATE.

use super::heads::depends_on;
use super::{Connection, DRAIN_PING, DrainPhase};
use crate::closed::ClosingSide;
use crate::error::ErrorCode;
use crate::frame::{self, ACK, FrameHeader};
use crate::stream::Waiters;

const PING_LENGTH: usize = 8;

impl<W: Waiters> Connection<W> {
    /// RFC 9113 section 5.1: a stream that the client has not opened gets HEADERS or PRIORITY, or the
    /// connection ends with PROTOCOL_ERROR. Stream 0 is the connection, and even ones are none of the
    /// client's.
    pub(super) fn check_not_idle(&self, stream: u32) -> Result<(), ErrorCode> {
        let is_idle = stream.is_multiple_of(2) || stream > self.last;
        if is_idle { Err(ErrorCode::PROTOCOL_ERROR) } else { Ok(()) }
    }

    pub(super) fn rst_stream(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        self.counts.resets += 1;
        self.check_not_idle(header.stream)?;
        // Section 6.4: "A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection
        // error (Section 5.4.1) of type FRAME_SIZE_ERROR."
        let code = <[u8; 4]>::try_from(payload).map_err(|_| ErrorCode::FRAME_SIZE_ERROR)?;
        if self.streams.get(&header.stream).is_some_and(|stream| !stream.is_closed()) {
            self.closed.add(header.stream, ClosingSide::Client);
            self.mark_reset(header.stream, ErrorCode(u32::from_be_bytes(code)));
        }
        Ok(())
    }

    /// RFC 9113 section 5.3.2: priorities are not heeded, but their frames must be right.
    pub(super) fn priority(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        if header.stream == 0 {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        // Section 6.3: "A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error
        // (Section 5.4.2) of type FRAME_SIZE_ERROR."
        let fault = match <&[u8; 5]>::try_from(payload) {
            Err(_) => ErrorCode::FRAME_SIZE_ERROR,
            Ok(priority) if depends_on(priority) == header.stream => ErrorCode::PROTOCOL_ERROR,
            Ok(_) => return Ok(()),
        };
        // RST_STREAM is not for streams that are idle (section 6.4).
        self.check_not_idle(header.stream).map_err(|_| fault)?;
        self.reset_stream(header.stream, fault);
        Ok(())
    }

    pub(super) fn settings(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        // Section 6.5: SETTINGS are for the connection, and an acknowledgement is empty.
        if header.stream != 0 {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        if header.has(ACK) {
            return if payload.is_empty() { Ok(()) } else { Err(ErrorCode::FRAME_SIZE_ERROR) };
        }
        let before = self.client.initial_window;
        self.client.apply(payload)?;
        // Section 6.5.3: "the recipient MUST immediately emit a SETTINGS frame with the ACK flag set."
        self.frame(frame::SETTINGS, ACK, 0, &[]);
        // Section 6.9.2: "a receiver MUST adjust the size of all stream flow-control windows that it
        // maintains by the difference between the new value and the old value."
        let by = i64::from(self.client.initial_window) - i64::from(before);
        if by == 0 {
            return Ok(());
        }
        let streams: Vec<u32> = self.streams.keys().copied().collect();
        for id in streams {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            // "An endpoint MUST treat a change to SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control
            // window to exceed the maximum size as a connection error (Section 5.4.1) of type
            // FLOW_CONTROL_ERROR."
            stream.outgoing.window.grow(by).ok_or(ErrorCode::FLOW_CONTROL_ERROR)?;
            self.room_in_stream(id);
        }
        Ok(())
    }

    pub(super) fn ping(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        if header.stream != 0 {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        if payload.len() != PING_LENGTH {
            return Err(ErrorCode::FRAME_SIZE_ERROR);
        }
        if !header.has(ACK) {
            // Section 6.7: "An endpoint MUST send a PING frame with the ACK flag set, with an identical frame
            // payload."
            self.frame(frame::PING, ACK, 0, payload);
        } else if payload == DRAIN_PING {
            self.end_announcement();
        }
        Ok(())
    }

    /// A drain that was announced takes effect: the client knows of it, or has had the time.
    pub fn end_announcement(&mut self) {
        if self.drain == DrainPhase::Announced && !self.is_over {
            self.goaway(self.last, ErrorCode::NO_ERROR);
            self.drain = DrainPhase::Known(self.last);
        }
    }

    /// The client opens no more streams of ours, of which there are none.
    pub(super) fn client_goaway(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        match header.stream {
            0 if payload.len() >= 8 => Ok(()),
            0 => Err(ErrorCode::FRAME_SIZE_ERROR),
            _ => Err(ErrorCode::PROTOCOL_ERROR),
        }
    }

    pub(super) fn update_window(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ErrorCode> {
        // Section 6.9: "A WINDOW_UPDATE frame with a length other than 4 octets MUST be treated as a
        // connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
        let increment = <[u8; 4]>::try_from(payload).map_err(|_| ErrorCode::FRAME_SIZE_ERROR)?;
        let increment = i64::from(u32::from_be_bytes(increment) & 0x7fff_ffff);
        if header.stream == 0 {
            // "errors on the connection flow-control window MUST be treated as a connection error".
            if increment == 0 {
                return Err(ErrorCode::PROTOCOL_ERROR);
            }
            self.outgoing.grow(increment).ok_or(ErrorCode::FLOW_CONTROL_ERROR)?;
            self.serve_waiting();
            return Ok(());
        }
        self.check_not_idle(header.stream)?;
        let Some(stream) = self.streams.get_mut(&header.stream).filter(|stream| !stream.is_closed()) else {
            // Section 5.1: "WINDOW_UPDATE or RST_STREAM frames can be received in this state for a short
            // period".
            return Ok(());
        };
        if increment == 0 {
            // "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window
            // increment of 0 as a stream error (Section 5.4.2) of type PROTOCOL_ERROR".
            self.reset_stream(header.stream, ErrorCode::PROTOCOL_ERROR);
        } else if stream.outgoing.window.grow(increment).is_none() {
            self.reset_stream(header.stream, ErrorCode::FLOW_CONTROL_ERROR);
        } else {
            self.room_in_stream(header.stream);
        }
        Ok(())
    }
}
