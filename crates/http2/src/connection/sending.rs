//! What those who answer do with a stream.

use bytes::Bytes;

use super::{Arrival, Connection, MAX_QUEUED};
use crate::error::ErrorCode;
use crate::frame::{CONTINUATION, END_HEADERS, END_STREAM, FrameHeader, HEADERS, MAX_PAYLOAD};
use crate::hpack::block;
use crate::stream::{LostStream, ReceivePhase, SendPhase, Stream, Waiters};

impl<W: Waiters> Connection<W> {
    /// Opens the stream of a request. Its one handle must be dropped.
    pub fn open(&mut self, arrival: Arrival) {
        let mut stream = Stream::new(arrival.has_body, self.limits.stream_window, self.client.initial_window);
        stream.handles = 1;
        self.streams.insert(arrival.stream, stream);
        self.open += 1;
    }

    /// Opens the stream of a request that no reader accepts: what else comes of it is dropped, and the stream
    /// is reset after its reply. Its one handle must be dropped.
    pub fn open_malformed(&mut self, arrival: Arrival) {
        self.open(arrival);
        if let Some(stream) = self.streams.get_mut(&arrival.stream) {
            stream.incoming.phase = ReceivePhase::Malformed;
        }
    }

    /// Another one holds on to the stream.
    pub fn hold(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.handles += 1;
        }
    }

    /// One who held on to the stream lets go. The last one's unfinished business ends with RST_STREAM.
    pub fn drop_handle(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.handles = stream.handles.saturating_sub(1);
        if stream.handles > 0 {
            return;
        }
        if stream.is_closed() {
            return self.settle(id);
        }
        match stream.outgoing.phase {
            SendPhase::Idle | SendPhase::Begun => self.reset_stream(id, ErrorCode::CANCEL),
            // What is queued is sent yet.
            SendPhase::Ending => {}
            SendPhase::Ended => self.reset_stream(id, ErrorCode::NO_ERROR),
        }
        self.settle(id);
    }

    /// Those who wait for the stream.
    pub fn waiters(&mut self, id: u32) -> Option<&mut W> {
        self.streams.get_mut(&id).map(|stream| &mut stream.waiters)
    }

    /// Either side has reset the stream, or the connection has ended.
    pub fn is_reset(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.reset.is_some())
    }

    pub fn reset(&mut self, id: u32, code: ErrorCode) {
        if self.streams.get(&id).is_some_and(|stream| !stream.is_closed()) {
            self.reset_stream(id, code);
        }
    }

    /// Sends an interim reply, unless the reply has begun.
    pub fn send_interim(&mut self, id: u32, block: &[u8]) -> Result<(), LostStream> {
        if self.sender(id)?.outgoing.phase == SendPhase::Idle {
            self.write_head(id, block, false);
        }
        Ok(())
    }

    /// Sends the head of a reply. `ends`: it has no body.
    pub fn send_head(&mut self, id: u32, block: &[u8], ends: bool) -> Result<(), LostStream> {
        let stream = self.sender(id)?;
        if stream.outgoing.phase != SendPhase::Idle {
            return Err(LostStream);
        }
        stream.outgoing.phase = SendPhase::Begun;
        self.write_head(id, block, ends);
        if ends {
            self.finish_sending(id);
        }
        Ok(())
    }

    /// Asks for room for so many bytes of a body. Gives what there is now; if that is nothing, the waiter is
    /// told when there is some.
    pub fn reserve(&mut self, id: u32, bytes: usize) -> Result<usize, LostStream> {
        let stream = self.sender(id)?;
        stream.outgoing.wanted = bytes.min(MAX_QUEUED);
        self.grant(id, MAX_QUEUED);
        Ok(self.sender(id)?.outgoing.granted)
    }

    /// Gives back room that was granted: others may use it.
    pub fn give_back(&mut self, id: u32) {
        let Ok(stream) = self.sender(id) else { return };
        stream.outgoing.wanted = 0;
        let unused = std::mem::take(&mut stream.outgoing.granted);
        self.outgoing.reserved -= unused.min(self.outgoing.reserved);
        if unused > 0 {
            self.serve_waiting();
        }
    }

    /// Queues bytes for which there is room. `ends`: they are the last.
    pub fn send_data(&mut self, id: u32, data: Bytes, ends: bool) -> Result<(), LostStream> {
        let outgoing = &mut self.sender(id)?.outgoing;
        if outgoing.phase != SendPhase::Begun || outgoing.granted < data.len() {
            return Err(LostStream);
        }
        outgoing.granted -= data.len();
        outgoing.queued += data.len();
        outgoing.wanted = 0;
        if !data.is_empty() {
            outgoing.queue.push_back(data);
        }
        if ends {
            outgoing.phase = SendPhase::Ending;
        }
        // What was reserved beyond that goes back.
        let unused = std::mem::take(&mut outgoing.granted);
        self.outgoing.reserved -= unused.min(self.outgoing.reserved);
        self.make_ready(id);
        if unused > 0 {
            self.serve_waiting();
        }
        Ok(())
    }

    /// The stream, if a reply may be sent on it.
    fn sender(&mut self, id: u32) -> Result<&mut Stream<W>, LostStream> {
        self.streams.get_mut(&id).filter(|stream| !stream.is_closed()).ok_or(LostStream)
    }

    pub(super) fn write_head(&mut self, id: u32, block: &[u8], ends: bool) {
        let mut flags = if ends { END_STREAM } else { 0 };
        if self.client.names_table {
            return self.write_first_head(id, block, ends);
        }
        if block.len() <= MAX_PAYLOAD {
            return self.frame(HEADERS, flags | END_HEADERS, id, block);
        }
        let mut kind = HEADERS;
        let mut chunks = block.chunks(MAX_PAYLOAD).peekable();
        while let Some(chunk) = chunks.next() {
            if chunks.peek().is_none() {
                flags |= END_HEADERS;
            }
            self.frame(kind, flags, id, chunk);
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    /// RFC 7541 section 4.2: a smaller table is acknowledged at the beginning of the next block.
    fn write_first_head(&mut self, id: u32, block: &[u8], ends: bool) {
        self.client.names_table = false;
        let mut longer = Vec::with_capacity(block.len() + 1);
        longer.push(block::NO_TABLE);
        longer.extend_from_slice(block);
        self.write_head(id, &longer, ends);
    }

    /// Writes the header of a DATA frame.
    pub(super) fn begin_data(&mut self, id: u32, length: usize, ends: bool) {
        let flags = if ends { END_STREAM } else { 0 };
        let header = FrameHeader { length, kind: crate::frame::DATA, flags, stream: id };
        self.outbox.copy(&header.write());
    }
}
