//! The header of a frame, and the names of types and flags (RFC 9113 sections 4.1 and 6).

use crate::FRAME_HEADER;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY_FLAG: u8 = 0x20;

/// RFC 9113 section 4.2: every endpoint takes payloads of this size, and the edge takes and sends no larger
/// ones.
pub(crate) const MAX_PAYLOAD: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Without the reserved bit.
    pub(crate) stream: u32,
}

impl FrameHeader {
    /// The header at the front of `bytes`. `None`: they are too few.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, a, b, c, d] = *bytes.first_chunk::<FRAME_HEADER>()?;
        Some(Self {
            length: u32::from_be_bytes([0, high, middle, low]) as usize,
            kind,
            flags,
            // RFC 9113 section 4.1: the reserved bit "MUST be ignored when receiving".
            stream: u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff,
        })
    }

    pub(crate) fn write(self) -> [u8; FRAME_HEADER] {
        // A payload is never longer than `MAX_PAYLOAD`.
        let [_, high, middle, low] = (self.length as u32).to_be_bytes();
        let [a, b, c, d] = self.stream.to_be_bytes();
        [high, middle, low, self.kind, self.flags, a, b, c, d]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The payload without padding. RFC 9113 sections 6.1 and 6.2: padding that is as long as the payload or
/// longer MUST be treated as a connection error of type PROTOCOL_ERROR; that is `None`.
pub(crate) fn unpadded(header: FrameHeader, payload: &[u8]) -> Option<&[u8]> {
    if !header.has(PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let header = FrameHeader { length: 16_384, kind: DATA, flags: END_STREAM, stream: 0x7fff_ffff };
        assert_eq!(header.write(), [0, 0x40, 0, 0, 1, 0x7f, 255, 255, 255]);
        assert_eq!(FrameHeader::read(&header.write()), Some(header));
        assert_eq!(FrameHeader::read(&[0; 8]), None);
        let reserved = [0, 0, 0, 6, 0, 0x80, 0, 0, 1];
        assert_eq!(FrameHeader::read(&reserved).map(|header| header.stream), Some(1));
    }

    #[test]
    fn padding_is_shorter_than_its_frame() {
        type Case = (u8, &'static [u8], Option<&'static [u8]>);
        let cases: [Case; 6] = [
            (0, b"abc", Some(b"abc")),
            (PADDED, b"\x00abc", Some(b"abc")),
            (PADDED, b"\x02abc", Some(b"a")),
            (PADDED, b"\x03abc", Some(b"")),
            (PADDED, b"\x04abc", None),
            (PADDED, b"", None),
        ];
        for (flags, payload, expected) in cases {
            let header = FrameHeader { length: payload.len(), kind: DATA, flags, stream: 1 };
            assert_eq!(unpadded(header, payload), expected, "{payload:?}");
        }
    }
}
