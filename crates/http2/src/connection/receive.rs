//! Frames out of bytes, in whatever pieces they come.

use super::{Arrival, Connection};
use crate::error::ErrorCode;
use crate::fields::FieldList;
use crate::frame::{
    CONTINUATION, DATA, FrameHeader, GOAWAY, HEADERS, MAX_PAYLOAD, PING, PRIORITY, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};
use crate::stream::Waiters;
use crate::{FRAME_HEADER, PREFACE};

/// A buffer for the beginning of a frame that grew beyond this is given back.
const KEPT: usize = 1024;

impl<W: Waiters> Connection<W> {
    /// Reads frames until a request has come, whose head is in `fields` then, or the bytes end. `bytes` moves
    /// behind what was read. An error ends the connection; the client is told.
    pub fn receive(
        &mut self,
        bytes: &mut &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        if self.is_over {
            *bytes = &[];
            return Ok(None);
        }
        let arrival = self.read_frames(bytes, fields);
        if let Err(code) = arrival {
            *bytes = &[];
            self.end(code);
        }
        arrival
    }

    fn read_frames(
        &mut self,
        bytes: &mut &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        self.read_preface(bytes)?;
        while !bytes.is_empty() {
            let arrival = if self.partial.is_empty() && has_frame(bytes)? {
                let (frame, rest) = split_frame(bytes);
                *bytes = rest;
                self.take_frame(frame, fields)?
            } else {
                self.take_partial(bytes, fields)?
            };
            if arrival.is_some() {
                return Ok(arrival);
            }
        }
        Ok(None)
    }

    /// RFC 9113 section 3.4: "Clients and servers MUST treat an invalid connection preface as a connection
    /// error (Section 5.4.1) of type PROTOCOL_ERROR."
    fn read_preface(&mut self, bytes: &mut &[u8]) -> Result<(), ErrorCode> {
        let come = PREFACE.len() - self.preface_left;
        let expected = PREFACE.get(come..).unwrap_or_default();
        let length = expected.len().min(bytes.len());
        let (part, rest) = bytes.split_at(length);
        if !expected.starts_with(part) {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        self.preface_left -= length;
        *bytes = rest;
        Ok(())
    }

    /// Gathers a frame that comes in pieces.
    fn take_partial(
        &mut self,
        bytes: &mut &[u8],
        fields: &mut FieldList,
    ) -> Result<Option<Arrival>, ErrorCode> {
        self.gather(bytes, FRAME_HEADER);
        if !has_frame(&self.partial)? {
            let Some(header) = FrameHeader::read(&self.partial) else { return Ok(None) };
            self.gather(bytes, FRAME_HEADER + header.length);
            if !has_frame(&self.partial)? {
                return Ok(None);
            }
        }
        let mut frame = std::mem::take(&mut self.partial);
        let arrival = self.take_frame(&frame, fields);
        if frame.capacity() <= KEPT {
            frame.clear();
            self.partial = frame;
        }
        arrival
    }

    /// Moves bytes to the beginning of a frame until it has this length.
    fn gather(&mut self, bytes: &mut &[u8], length: usize) {
        let missing = length.saturating_sub(self.partial.len()).min(bytes.len());
        let (part, rest) = bytes.split_at(missing);
        self.partial.extend_from_slice(part);
        *bytes = rest;
    }

    /// Takes one whole frame.
    fn take_frame(&mut self, frame: &[u8], fields: &mut FieldList) -> Result<Option<Arrival>, ErrorCode> {
        let Some(header) = FrameHeader::read(frame) else { return Ok(None) };
        let payload = frame.get(FRAME_HEADER..).unwrap_or_default();
        self.frames += 1;
        // RFC 9113 section 3.4: the client's preface ends with a SETTINGS frame.
        if !self.has_settings {
            self.has_settings = header.kind == SETTINGS;
            if !self.has_settings {
                return Err(ErrorCode::PROTOCOL_ERROR);
            }
        }
        // Section 6.10: after a frame of a head that is not its last one, "A receiver MUST treat the receipt
        // of any other type of frame or a frame on a different stream as a connection error".
        if let Some(head) = &self.head
            && (header.kind != CONTINUATION || header.stream != head.start.stream)
        {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        match header.kind {
            DATA => self.data(header, payload)?,
            HEADERS => return self.headers(header, payload, fields),
            CONTINUATION => return self.continuation(header, payload, fields),
            RST_STREAM => self.rst_stream(header, payload)?,
            kind => {
                self.counts.idle += 1;
                match kind {
                    PRIORITY => self.priority(header, payload)?,
                    SETTINGS => self.settings(header, payload)?,
                    // Section 8.4: "A client cannot push. Thus, servers MUST treat the receipt of a
                    // PUSH_PROMISE frame as a connection error".
                    PUSH_PROMISE => return Err(ErrorCode::PROTOCOL_ERROR),
                    PING => self.ping(header, payload)?,
                    GOAWAY => self.client_goaway(header, payload)?,
                    WINDOW_UPDATE => self.update_window(header, payload)?,
                    // Section 4.1: "Implementations MUST ignore and discard frames of unknown types."
                    _ => {}
                }
            }
        }
        Ok(None)
    }
}

/// Whether a whole frame stands at the front.
fn has_frame(bytes: &[u8]) -> Result<bool, ErrorCode> {
    match FrameHeader::read(bytes) {
        // Section 4.2: "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size
        // defined in SETTINGS_MAX_FRAME_SIZE". For most types it must end the connection; it always may.
        Some(header) if header.length > MAX_PAYLOAD => Err(ErrorCode::FRAME_SIZE_ERROR),
        // What is wrong whatever follows is not waited for. Section 8.4: "A client cannot push."
        Some(header) if header.kind == PUSH_PROMISE => Err(ErrorCode::PROTOCOL_ERROR),
        Some(header) => Ok(bytes.len() >= FRAME_HEADER + header.length),
        None => Ok(false),
    }
}

fn split_frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = FrameHeader::read(bytes).map_or(0, |header| FRAME_HEADER + header.length);
    bytes.split_at_checked(length).unwrap_or((bytes, &[]))
}
