//! The state of one connection: frames in, requests out, replies in, frames out.

mod answer;
mod control;
mod data;
mod heads;
mod receive;
mod scheduling;
mod sending;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::PREFACE;
use crate::closed::{ClosedStreams, ClosingSide};
use crate::error::ErrorCode;
use crate::frame::{self, FrameHeader};
use crate::hpack::Decoder;
use crate::outbox::Outbox;
use crate::settings::{self, ClientSettings, DEFAULT_WINDOW, MAX_WINDOW};
use crate::stream::{ReceivePhase, ReceiveWindow, SendPhase, SendWindow, Stream, Waiters};

use heads::PartialHead;

/// How much of one reply waits here for its client.
pub(crate) const MAX_QUEUED: usize = 64 * 1024;
/// And of all replies of a connection: a client of many streams that reads nothing holds no more.
pub(crate) const MAX_CONNECTION_QUEUED: usize = 256 * 1024;
/// The payload of the PING whose answer shows that the client knows of a drain.
const DRAIN_PING: [u8; 8] = *b"draining";

/// What a client may claim.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams at once.
    pub streams: u32,
    /// Bytes of a head, by the rule of SETTINGS_MAX_HEADER_LIST_SIZE.
    pub head: usize,
    /// What it may send on a stream, and on all together, before somebody takes it.
    pub stream_window: u32,
    pub connection_window: u32,
}

/// What the frames until now were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// RST_STREAM frames of the client.
    pub resets: u64,
    /// RST_STREAM frames of ours that blame it.
    pub blaming: u64,
    /// Streams that were refused because there were too many.
    pub refused: u64,
    /// Requests.
    pub heads: u64,
    /// Frames of the client that ask for nothing and carry nothing.
    pub idle: u64,
}

/// A request that has just come. It must be answered, opened or refused before more is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub stream: u32,
    /// A body follows, if perhaps an empty one.
    pub has_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrainPhase {
    None,
    /// The client was told to open no more streams. Those that it opens before it knows are served.
    Announced,
    /// It knows. No stream above this one is taken.
    Known(u32),
}

pub struct Connection<W> {
    limits: Limits,
    /// Bytes of the preface that have not come.
    preface_left: usize,
    has_settings: bool,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// Whole frames that have come.
    frames: u64,
    head: Option<PartialHead>,
    decoder: Decoder,
    client: ClientSettings,
    streams: BTreeMap<u32, Stream<W>>,
    /// Streams that are not closed.
    open: u32,
    closed: ClosedStreams,
    /// The highest stream that the client has opened.
    last: u32,
    incoming: ReceiveWindow,
    outgoing: SendWindow,
    /// Streams that have something to send, in turn.
    ready: VecDeque<u32>,
    /// Streams whose writers wait for the connection's window.
    waiting: VecDeque<u32>,
    outbox: Outbox,
    counts: Counts,
    drain: DrainPhase,
    /// It has ended: nothing is read or begun any more.
    is_over: bool,
}

impl<W: Waiters> Connection<W> {
    /// A connection whose preface has not come. Our SETTINGS are ready to be sent.
    pub fn new(limits: Limits) -> Self {
        let mut outbox = Outbox::default();
        // RFC 9113 section 3.4: "The server connection preface consists of a potentially empty SETTINGS frame
        // (Section 6.5) that MUST be the first frame the server sends in the HTTP/2 connection."
        let head = u32::try_from(limits.head).unwrap_or(u32::MAX);
        outbox.copy(&settings::ours(limits.streams, limits.stream_window, head));
        let mut connection = Self {
            limits,
            preface_left: PREFACE.len(),
            has_settings: false,
            partial: Vec::new(),
            frames: 0,
            head: None,
            decoder: Decoder::default(),
            client: ClientSettings::default(),
            streams: BTreeMap::new(),
            open: 0,
            closed: ClosedStreams::default(),
            last: 0,
            incoming: ReceiveWindow::new(limits.connection_window.max(DEFAULT_WINDOW)),
            outgoing: SendWindow::new(DEFAULT_WINDOW),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            outbox,
            counts: Counts::default(),
            drain: DrainPhase::None,
            is_over: false,
        };
        if let Some(more @ 1..) = limits.connection_window.checked_sub(DEFAULT_WINDOW) {
            connection.window_update(0, more);
        }
        connection
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Streams that are not closed.
    pub fn open_streams(&self) -> u32 {
        self.open
    }

    /// The number of what has begun and must end before anything else can come: a head, or a frame. A slow
    /// body is not meant: that is the business of its reader.
    pub fn unfinished(&self) -> Option<u64> {
        let is_data = FrameHeader::read(&self.partial).is_some_and(|header| header.kind == frame::DATA);
        match &self.head {
            Some(head) => Some(head.number),
            None if self.preface_left > 0 => Some(0),
            None if self.partial.is_empty() || is_data => None,
            None => Some(self.frames + 1),
        }
    }

    /// Something could be sent.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty() || !self.ready.is_empty()
    }

    /// Begins a drain: requests in progress finish, new ones use another connection. RFC 9113 section 6.8: a
    /// server first names the highest stream there can be, and "After allowing time for any in-flight stream
    /// creation (at least one round-trip time)" the last one that it has taken.
    pub fn drain(&mut self) {
        if self.drain == DrainPhase::None && !self.is_over {
            self.goaway(MAX_WINDOW, ErrorCode::NO_ERROR);
            self.frame(frame::PING, 0, 0, &DRAIN_PING);
            self.drain = DrainPhase::Announced;
        }
    }

    /// A drain is over: nothing is left to be answered or sent.
    pub fn is_drained(&self) -> bool {
        matches!(self.drain, DrainPhase::Known(_)) && self.open == 0 && self.outbox.is_empty()
    }

    /// Ends the connection: the client is told why, and every stream is reset.
    pub fn end(&mut self, code: ErrorCode) {
        if !self.is_over {
            self.goaway(self.last, code);
            self.abandon(code);
        }
    }

    /// Ends the connection without a word: the client is gone.
    pub fn abandon(&mut self, code: ErrorCode) {
        self.is_over = true;
        self.ready.clear();
        self.waiting.clear();
        let open: Vec<u32> = self.streams.keys().copied().collect();
        for id in open {
            self.mark_reset(id, code);
        }
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What is to be sent. Take all of it, and send it before what comes later.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let header = FrameHeader { length: payload.len(), kind, flags, stream };
        self.outbox.copy(&header.write());
        self.outbox.copy(payload);
    }

    fn goaway(&mut self, last: u32, code: ErrorCode) {
        // RFC 9113 section 6.8: "Endpoints MUST NOT increase the value they send in the last stream
        // identifier, since the peers might already have retried unprocessed requests on another connection."
        let last = if let DrainPhase::Known(known) = self.drain { last.min(known) } else { last };
        let [a, b, c, d] = last.to_be_bytes();
        let [e, f, g, h] = code.0.to_be_bytes();
        self.frame(frame::GOAWAY, 0, 0, &[a, b, c, d, e, f, g, h]);
    }

    fn window_update(&mut self, stream: u32, increment: u32) {
        self.frame(frame::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    }

    /// What may be queued for the client now, on all streams.
    fn queue_room(&self) -> usize {
        self.outgoing.free().min(MAX_CONNECTION_QUEUED.saturating_sub(self.outgoing.reserved))
    }

    /// The connection's window has this much more room again.
    fn release_connection(&mut self, bytes: usize) {
        if let Some(increment) = self.incoming.release(bytes)
            && !self.is_over
        {
            self.window_update(0, increment);
        }
    }

    /// Resets a stream, and tells the client.
    fn reset_stream(&mut self, id: u32, code: ErrorCode) {
        self.counts.blaming += u64::from(code.blames());
        if !self.is_over {
            self.frame(frame::RST_STREAM, 0, id, &code.0.to_be_bytes());
        }
        self.closed.add(id, ClosingSide::Us);
        self.mark_reset(id, code);
    }

    /// Notes that a stream was reset, by either side.
    fn mark_reset(&mut self, id: u32, code: ErrorCode) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.is_closed() {
            return;
        }
        stream.reset = Some(code);
        // A request that had come whole may still be read.
        let dropped = match stream.incoming.phase {
            ReceivePhase::Ended => 0,
            _ => std::mem::take(&mut stream.incoming.received).len(),
        };
        self.release_connection(dropped);
        self.settle(id);
    }

    /// Looks whether a stream is over, after something of it has changed.
    fn settle(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_closed() {
            return;
        }
        if !stream.is_counted_out {
            stream.is_counted_out = true;
            let reserved = stream.outgoing.reserved();
            stream.outgoing.queue.clear();
            (stream.outgoing.queued, stream.outgoing.granted) = (0, 0);
            stream.wake();
            let by_us = stream.reset.is_some();
            let handles = stream.handles;
            self.open -= 1;
            self.outgoing.reserved -= reserved.min(self.outgoing.reserved);
            if !by_us {
                self.closed.add(id, ClosingSide::Client);
            }
            if handles == 0 {
                self.remove(id);
            }
            self.serve_waiting();
        } else if stream.handles == 0 {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u32) {
        if let Some(stream) = self.streams.remove(&id) {
            self.release_connection(stream.incoming.received.len());
        }
    }

    /// All of the reply was sent.
    fn finish_sending(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.outgoing.phase = SendPhase::Ended;
        match stream.incoming.phase {
            // RFC 9113 section 8.1.1: it is a stream error of type PROTOCOL_ERROR, if an answered one.
            ReceivePhase::Malformed => self.reset_stream(id, ErrorCode::PROTOCOL_ERROR),
            // Section 8.1: a server may "request that the client abort transmission of a request without
            // error by sending a RST_STREAM with an error code of NO_ERROR after sending a complete
            // response".
            ReceivePhase::Open if stream.handles == 0 => self.reset_stream(id, ErrorCode::NO_ERROR),
            ReceivePhase::Open | ReceivePhase::Ended => self.settle(id),
        }
    }
}
