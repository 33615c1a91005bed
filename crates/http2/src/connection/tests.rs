//! A client by hand: what it sends, in whatever pieces, and what it gets.

mod attacks;
mod bodies;
mod rules;
mod windows;

use bytes::Bytes;

use super::*;
use crate::frame::*;
use crate::hpack::block;
use crate::{BodyProgress, FieldList};

#[derive(Default)]
struct Wakes {
    read: u32,
    write: u32,
}

impl Waiters for Wakes {
    fn may_read(&mut self) {
        self.read += 1;
    }

    fn may_write(&mut self) {
        self.write += 1;
    }
}

const LIMITS: Limits = Limits { streams: 10, head: 4096, stream_window: 65_536, connection_window: 1 << 20 };
const WHOLE: u8 = END_STREAM | END_HEADERS;

struct Peer {
    connection: Connection<Wakes>,
    fields: FieldList,
}

/// A frame that the server has sent.
type Frame = (u8, u8, u32, Vec<u8>);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { length: payload.len(), kind, flags, stream };
    [&header.write()[..], payload].concat()
}

/// GET / of http://a, by the static table but for the authority.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 1, b'a'];
/// POST of the same.
const POST: &[u8] = &[0x83, 0x86, 0x84, 0x01, 1, b'a'];

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, GET)
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, POST)
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn reply() -> Vec<u8> {
    let mut out = Vec::new();
    block::status(&mut out, 200);
    out
}

impl Peer {
    /// A connection whose preface is over, and whose first frames were read.
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        let mut peer = Self { connection: Connection::new(limits), fields: FieldList::new(limits.head) };
        assert_eq!(peer.send(&[&PREFACE[..], &frame(SETTINGS, 0, 0, &[])].concat()), Ok(vec![]));
        let kinds: Vec<_> = peer.frames().iter().map(|frame| (frame.0, frame.1)).collect();
        assert_eq!(kinds, [(SETTINGS, 0), (WINDOW_UPDATE, 0), (SETTINGS, ACK)]);
        peer
    }

    /// The requests that come of these bytes. Each is opened.
    fn send(&mut self, bytes: &[u8]) -> Result<Vec<Arrival>, ErrorCode> {
        let mut rest = bytes;
        let mut arrivals = Vec::new();
        while let Some(arrival) = self.connection.receive(&mut rest, &mut self.fields)? {
            self.connection.open(arrival);
            arrivals.push(arrival);
        }
        assert!(rest.is_empty());
        Ok(arrivals)
    }

    /// All that is sent now.
    fn frames(&mut self) -> Vec<Frame> {
        let bytes = self.connection.fill_outbox(usize::MAX).take_all();
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while let Some(header) = FrameHeader::read(rest) {
            let (whole, after) = rest.split_at(crate::FRAME_HEADER + header.length);
            frames.push((header.kind, header.flags, header.stream, whole[crate::FRAME_HEADER..].to_vec()));
            rest = after;
        }
        frames
    }

    /// The frames' types, flags, streams and lengths.
    fn shapes(&mut self) -> Vec<(u8, u8, u32, usize)> {
        self.frames()
            .into_iter()
            .map(|(kind, flags, stream, payload)| (kind, flags, stream, payload.len()))
            .collect()
    }

    /// Sends a whole reply with a body of this length, as far as windows allow; how much of it was queued.
    fn answer(&mut self, stream: u32, length: usize) -> usize {
        self.connection.send_head(stream, &reply(), length == 0).unwrap();
        let room = self.connection.reserve(stream, length).unwrap_or(0);
        if room > 0 {
            let ends = room == length;
            self.connection.send_data(stream, Bytes::from(vec![b'x'; room]), ends).unwrap();
        }
        room
    }
}
