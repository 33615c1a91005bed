//! The uwsgi request packet: modifier1 (0), length (u16, little-endian), modifier2 (0), then the variables,
//! each a length (u16, little-endian) and a name, a length and a value.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use cgi::environ::{self, EnvironRefusal, OversizedRequest, Request, Variables};

/// Bytes before the block of variables.
const HEADER: usize = 4;
/// What the two-byte lengths can say: of the block, and of each name and value.
pub const LARGEST: usize = u16::MAX as usize;
/// A WSGI request. Others evaluate code, spool or manage the server: no caller can choose one.
const MODIFIER1: u8 = 0;
const MODIFIER2: u8 = 0;

/// What the application server takes. It drops a request beyond that without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLimits {
    /// Bytes in the block of variables: uWSGI's `buffer-size`.
    pub block: usize,
    /// Variables in the block.
    pub variables: usize,
}

/// The packet for a request.
pub fn encode(request: &Request<'_>, limits: PacketLimits) -> Result<Bytes, EnvironRefusal> {
    ROOM.with_borrow_mut(|room| {
        let mut encoder = Encoder::new(room);
        environ::variables(request, &mut encoder)?;
        Ok(encoder.finish(limits)?)
    })
}

thread_local! {
    /// Where packets are written, one after the other.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; 2048]);
}

/// Writes a packet, variable by variable. Holds at most 64 KiB.
#[derive(Debug)]
pub struct Encoder<'a> {
    /// Grows where it is too short. What is in it is of no matter.
    packet: &'a mut Vec<u8>,
    end: usize,
    variables: usize,
}

impl<'a> Encoder<'a> {
    pub fn new(room: &'a mut Vec<u8>) -> Self {
        if room.len() < HEADER {
            room.resize(HEADER, 0);
        }
        Self { packet: room, end: HEADER, variables: 0 }
    }

    /// The packet, ready to send.
    pub fn finish(self, limits: PacketLimits) -> Result<Bytes, OversizedRequest> {
        let bytes = self.end - HEADER;
        if bytes > limits.block {
            return Err(OversizedRequest::Block { bytes, limit: limits.block });
        }
        if self.variables > limits.variables {
            return Err(OversizedRequest::Variables { count: self.variables, limit: limits.variables });
        }
        let [low, high] = u16::try_from(bytes).map_err(|_| OversizedRequest::Packet)?.to_le_bytes();
        self.packet[..HEADER].copy_from_slice(&[MODIFIER1, low, high, MODIFIER2]);
        Ok(Bytes::copy_from_slice(&self.packet[..self.end]))
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.packet.resize(end.next_power_of_two(), 0);
    }
}

impl Variables for Encoder<'_> {
    /// Adds a variable. The name is the caller's own and not empty: uWSGI drops a request that holds an empty
    /// one.
    #[inline(always)]
    fn variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), OversizedRequest> {
        let end = self.end + 2 + name.len() + 2 + value.len();
        if end > HEADER + LARGEST {
            return Err(OversizedRequest::Packet);
        }
        if end > self.packet.len() {
            self.grow(end);
        }
        let room = &mut self.packet[self.end..end];
        put(put(room, name), value);
        self.end = end;
        self.variables += 1;
        Ok(())
    }
}

/// Writes length and text, which is not longer than [`LARGEST`], and gives the room behind them.
#[inline(always)]
fn put<'a>(room: &'a mut [u8], text: &[u8]) -> &'a mut [u8] {
    let (length, room) = room.split_at_mut(2);
    length.copy_from_slice(&(text.len() as u16).to_le_bytes());
    let (place, room) = room.split_at_mut(text.len());
    place.copy_from_slice(text);
    room
}

/// A packet as a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub modifier1: u8,
    pub modifier2: u8,
    /// Name and value, in the order sent.
    pub variables: Vec<(Bytes, Bytes)>,
}

/// The lengths inside the block contradict the block's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block of variables ends within a variable")]
pub struct MalformedPacket;

/// Takes one packet off the front of `buffer`; what follows it there is the request's body. `None`: more
/// bytes are needed, nothing was taken.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Packet>, MalformedPacket> {
    let Some(&[modifier1, low, high, modifier2]) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let end = HEADER + usize::from(u16::from_le_bytes([low, high]));
    if buffer.len() < end {
        return Ok(None);
    }
    let mut block = buffer.split_to(end).freeze().split_off(HEADER);
    let mut variables = Vec::new();
    while !block.is_empty() {
        variables.push((take_text(&mut block)?, take_text(&mut block)?));
    }
    Ok(Some(Packet { modifier1, modifier2, variables }))
}

fn take_text(block: &mut Bytes) -> Result<Bytes, MalformedPacket> {
    let &[low, high] = block.first_chunk::<2>().ok_or(MalformedPacket)?;
    let end = 2 + usize::from(u16::from_le_bytes([low, high]));
    if block.len() < end {
        return Err(MalformedPacket);
    }
    Ok(block.split_to(end).split_off(2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDE: PacketLimits = PacketLimits { block: LARGEST, variables: usize::MAX };

    fn packet_of(variables: &[(&[u8], &[u8])]) -> Bytes {
        let mut room = Vec::new();
        let mut encoder = Encoder::new(&mut room);
        for (name, value) in variables {
            encoder.variable(name, value).unwrap();
        }
        encoder.finish(WIDE).unwrap()
    }

    #[test]
    fn bytes_are_those_of_the_protocol() {
        assert_eq!(
            packet_of(&[(b"A", b"xyz"), (b"BC", b"")])[..],
            *b"\0\x0e\0\0\x01\0A\x03\0xyz\x02\0BC\0\0"
        );
        assert_eq!(packet_of(&[])[..], *b"\0\0\0\0");
    }

    #[test]
    fn refuses_what_the_server_would_drop() {
        let mut room = Vec::new();
        let mut filled = |value: usize, limits: PacketLimits| {
            let mut encoder = Encoder::new(&mut room);
            encoder.variable(b"A", &vec![b'x'; value])?;
            encoder.finish(limits)
        };
        let narrow = PacketLimits { block: 4096, variables: 2 };
        assert!(filled(4096 - 5, narrow).is_ok());
        assert_eq!(filled(4096 - 4, narrow), Err(OversizedRequest::Block { bytes: 4097, limit: 4096 }));
        assert_eq!(filled(LARGEST - 5, WIDE).unwrap().len(), HEADER + LARGEST);
        assert_eq!(filled(LARGEST - 4, WIDE).unwrap_err(), OversizedRequest::Packet);
        assert_eq!(filled(LARGEST + 1, WIDE).unwrap_err(), OversizedRequest::Packet);

        // What was written before is not sent again.
        assert_eq!(filled(1, WIDE).unwrap()[..], *b"\0\x06\0\0\x01\0A\x01\0x");

        let mut three = Encoder::new(&mut room);
        for name in [b"A", b"B", b"C"] {
            three.variable(name, b"").unwrap();
        }
        assert_eq!(three.finish(narrow), Err(OversizedRequest::Variables { count: 3, limit: 2 }));
    }

    #[test]
    fn a_refused_variable_leaves_no_half_of_itself() {
        let mut room = Vec::new();
        let mut encoder = Encoder::new(&mut room);
        encoder.variable(b"A", b"1").unwrap();
        encoder.variable(b"B", &vec![b'x'; LARGEST]).unwrap_err();
        let mut packet = BytesMut::from(&encoder.finish(WIDE).unwrap()[..]);
        assert_eq!(decode(&mut packet).unwrap().unwrap().variables.len(), 1);
    }

    #[test]
    fn decode_waits_for_the_whole_packet_at_every_cut() {
        let whole = packet_of(&[(b"REQUEST_METHOD", b"GET"), (b"PATH_INFO", b"/\xff"), (b"EMPTY", b"")]);
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(decode(&mut buffer), Ok(None), "cut at {cut}");
            assert_eq!(buffer.len(), cut, "nothing is taken");
            buffer.extend_from_slice(&whole[cut..]);
            buffer.extend_from_slice(b"body");
            assert_eq!(decode(&mut buffer).unwrap().unwrap().variables.len(), 3);
            assert_eq!(buffer[..], *b"body");
        }
    }

    #[test]
    fn decode_refuses_lengths_that_leave_the_block() {
        for block in
            [&b"\x01"[..], b"\x01\0", b"\x01\0A", b"\x01\0A\x02", b"\x01\0A\x02\0x", b"\xff\xffA\0\0"]
        {
            let mut packet = BytesMut::from(&[0, block.len() as u8, 0, 0][..]);
            packet.extend_from_slice(block);
            assert_eq!(decode(&mut packet), Err(MalformedPacket), "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(variables: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut room = Vec::new();
            let mut encoder = Encoder::new(&mut room);
            for (name, value) in &variables {
                encoder.variable(name, value).unwrap();
            }
            let mut packet = BytesMut::from(&encoder.finish(WIDE).unwrap()[..]);
            let decoded = decode(&mut packet).unwrap().unwrap();
            prop_assert_eq!((decoded.modifier1, decoded.modifier2), (0, 0));
            prop_assert!(packet.is_empty());
            let decoded: Vec<_> = decoded.variables.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(decoded, variables);
        }

        #[test]
        fn decode_never_panics(bytes: Vec<u8>) {
            let _ = decode(&mut BytesMut::from(&bytes[..]));
        }
    }
}
