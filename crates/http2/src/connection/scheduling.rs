//! Who may send next. Streams with something to send take turns, one frame each; writers that wait for the
//! connection's window get their shares in turn.

use super::{Connection, MAX_QUEUED};
use crate::error::ErrorCode;
use crate::frame::MAX_PAYLOAD;
use crate::outbox::Outbox;
use crate::stream::{SendPhase, Waiters};

impl<W: Waiters> Connection<W> {
    /// Adds frames of bodies to what is to be sent, until that is this long or nothing more may be sent.
    pub fn fill_outbox(&mut self, length: usize) -> &mut Outbox {
        while self.outbox.len() < length
            && let Some(id) = self.ready.pop_front()
        {
            self.send_one(id);
        }
        // What has left the queues makes room in them.
        self.serve_waiting();
        &mut self.outbox
    }

    /// Sends one frame of a stream whose turn it is.
    fn send_one(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let outgoing = &mut stream.outgoing;
        outgoing.is_ready = false;
        if stream.is_counted_out || !outgoing.can_send() {
            return;
        }
        // RFC 9113 section 6.9.1: "A sender MUST NOT send a flow-controlled frame with a length that exceeds
        // the space available in either of the flow-control windows advertised by the receiver."
        let length =
            outgoing.queued.min(MAX_PAYLOAD).min(outgoing.window.sendable()).min(self.outgoing.sendable());
        if length == 0 && outgoing.queued > 0 {
            return;
        }
        let ends = length == outgoing.queued && outgoing.phase == SendPhase::Ending;
        outgoing.window.sent(length);
        self.outgoing.sent(length);
        self.begin_data(id, length, ends);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.outgoing.take(length, |piece| self.outbox.body(piece));
        }
        if ends {
            return self.finish_sending(id);
        }
        self.make_ready(id);
        self.grant(id, MAX_QUEUED);
    }

    /// Lets a stream take its turn, if it has something to send.
    pub(super) fn make_ready(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.outgoing.is_ready
            && stream.outgoing.can_send()
        {
            stream.outgoing.is_ready = true;
            self.ready.push_back(id);
        }
    }

    /// A stream's own window has opened.
    pub(super) fn room_in_stream(&mut self, id: u32) {
        self.make_ready(id);
        self.grant(id, MAX_QUEUED);
    }

    /// Grants a writer the room that it wants, as far as there is some, but at most `share` at once.
    pub(super) fn grant(&mut self, id: u32, share: usize) {
        let room = self.queue_room();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let outgoing = &mut stream.outgoing;
        let missing = outgoing.wanted.saturating_sub(outgoing.granted);
        let own = outgoing.window.free().saturating_sub(outgoing.reserved());
        let own = own.min(MAX_QUEUED.saturating_sub(outgoing.reserved()));
        let missing = missing.min(own);
        if missing == 0 || stream.is_counted_out {
            return;
        }
        let is_in_turn = outgoing.is_waiting || self.waiting.is_empty();
        let given = if is_in_turn { missing.min(room).min(share) } else { 0 };
        if given == 0 {
            if !outgoing.is_waiting {
                outgoing.is_waiting = true;
                self.waiting.push_back(id);
            }
            return;
        }
        outgoing.granted += given;
        self.outgoing.reserved += given;
        stream.waiters.may_write();
    }

    /// The connection's window and its queues have room: those that wait for it get shares in turn.
    pub(super) fn serve_waiting(&mut self) {
        while self.queue_room() > 0
            && let Some(id) = self.waiting.front().copied()
        {
            self.grant(id, MAX_PAYLOAD);
            self.waiting.pop_front();
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.outgoing.is_waiting = false;
            }
        }
    }

    /// A stream has something to send for which its client's SETTINGS have taken the room away.
    pub fn is_stalled(&self) -> bool {
        self.streams.values().any(|stream| !stream.is_counted_out && stream.outgoing.is_stalled())
    }

    /// Resets the streams that are stalled.
    pub fn reset_stalled(&mut self) {
        let stalled = self.streams.iter().filter(|(_, stream)| stream.outgoing.is_stalled());
        let stalled: Vec<u32> = stalled.map(|(id, _)| *id).collect();
        for id in stalled {
            self.reset(id, ErrorCode::CANCEL);
        }
    }
}
