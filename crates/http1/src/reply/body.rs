//! Where the body of an application's reply ends, and which of the received bytes belong to it.

use bytes::{Buf, Bytes, BytesMut};

use crate::chunked::{self, Decoder, MalformedChunk};
use crate::reply::ResponseHead;

/// The body ended too early, or its chunks are malformed: what arrived is not the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenBody {
    #[error("the reply's body ended {0} bytes before its length")]
    Short(u64),
    #[error("the reply's body ended within a chunk")]
    ShortChunk,
    #[error("the reply's chunks are malformed: {0}")]
    Chunk(#[from] MalformedChunk),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// All body bytes that the buffer held, taken off it. More may follow.
    Data(Bytes),
    /// Nothing can be said before more bytes arrive.
    NeedMore,
    /// The body is whole. What is left in the buffer does not belong to it.
    Done,
}

/// Tells body bytes from framing, and a body's end from a broken connection.
#[derive(Debug)]
pub struct BodyDecoder {
    framing: BodyFraming,
}

#[derive(Debug)]
enum BodyFraming {
    /// There is no body.
    Nothing,
    /// This many bytes are still to come.
    Length(u64),
    /// The body lasts until the server closes the connection.
    Close,
    Chunked(Decoder),
    /// The last chunk and the trailers have arrived.
    Done,
}

impl BodyDecoder {
    /// Reads the body after `head`; `head_only`: the request was HEAD. RFC 9112 section 6.3.
    pub fn new(head: &ResponseHead, head_only: bool) -> Self {
        let framing = if head.status == 101 {
            // The other protocol's bytes, to the end of the connection.
            BodyFraming::Close
        } else if head_only || is_bodiless(head.status) {
            BodyFraming::Nothing
        } else if head.chunked {
            BodyFraming::Chunked(Decoder::default())
        } else {
            head.content_length.map_or(BodyFraming::Close, BodyFraming::Length)
        };
        Self { framing }
    }

    /// How many bytes are still to come, if that is known.
    pub fn left(&self) -> Option<u64> {
        match self.framing {
            BodyFraming::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Returns false if bytes that arrive are not body.
    pub fn has_body(&self) -> bool {
        !matches!(self.framing, BodyFraming::Nothing)
    }

    /// Looks at what was received, and takes off `buffer` what it understood.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<BodyStep, BrokenBody> {
        match &mut self.framing {
            BodyFraming::Nothing | BodyFraming::Done | BodyFraming::Length(0) => Ok(BodyStep::Done),
            _ if buffer.is_empty() => Ok(BodyStep::NeedMore),
            BodyFraming::Close => Ok(BodyStep::Data(buffer.split().freeze())),
            BodyFraming::Length(left) => {
                let take = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                *left -= take as u64;
                // The last piece leaves no room that another would use: its memory is not shared with any.
                let is_last = *left == 0 && take == buffer.len();
                let piece = if is_last { std::mem::take(buffer) } else { buffer.split_to(take) };
                Ok(BodyStep::Data(piece.freeze()))
            }
            BodyFraming::Chunked(decoder) => {
                let (data, ended) = take_chunks(decoder, buffer)?;
                if ended {
                    self.framing = BodyFraming::Done;
                }
                Ok(match (data.is_empty(), ended) {
                    (false, _) => BodyStep::Data(data),
                    (true, true) => BodyStep::Done,
                    (true, false) => BodyStep::NeedMore,
                })
            }
        }
    }

    /// Asks, when the server has closed and `step` needs more: was that the end?
    pub fn closed(&self) -> Result<(), BrokenBody> {
        match self.framing {
            BodyFraming::Nothing | BodyFraming::Done | BodyFraming::Close | BodyFraming::Length(0) => Ok(()),
            BodyFraming::Length(left) => Err(BrokenBody::Short(left)),
            BodyFraming::Chunked(_) => Err(BrokenBody::ShortChunk),
        }
    }
}

/// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: 204, 205 and 304 have no content, whatever their fields say.
pub fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

/// Takes the data of all chunks off `buffer` as one piece, however small they are. True: the body has ended.
fn take_chunks(decoder: &mut Decoder, buffer: &mut BytesMut) -> Result<(Bytes, bool), MalformedChunk> {
    let (mut read, mut start, mut end, mut ended) = (0, 0, 0, false);
    loop {
        match decoder.next(&buffer[read..])? {
            chunked::ChunkStep::Data(range) => {
                let (from, to) = (read + range.start, read + range.end);
                if start == end {
                    (start, end) = (from, to);
                } else {
                    // The data of the next chunk moves up to that of the one before.
                    buffer.copy_within(from..to, end);
                    end += to - from;
                }
                read = to;
            }
            chunked::ChunkStep::NeedMore => {
                read = buffer.len();
                break;
            }
            chunked::ChunkStep::End(taken) => {
                read += taken;
                ended = true;
                break;
            }
        }
    }
    let mut taken = buffer.split_to(read);
    taken.truncate(end);
    taken.advance(start);
    Ok((taken.freeze(), ended))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(status: u16, content_length: Option<u64>, chunked: bool) -> ResponseHead {
        ResponseHead { status, fields: Vec::new(), content_length, chunked, persistent: false, upgrade: None }
    }

    /// Feeds the pieces, then closes: the body, or why there is none.
    fn read(head: &ResponseHead, pieces: &[&[u8]]) -> Result<Vec<u8>, BrokenBody> {
        let mut decoder = BodyDecoder::new(head, false);
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let BodyStep::Data(data) = decoder.step(&mut buffer)? {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
        }
        decoder.closed().map(|()| body)
    }

    type Case = (Option<u64>, bool, &'static [u8], Result<&'static [u8], BrokenBody>);

    const CASES: &[Case] = &[
        (Some(5), false, b"hello", Ok(b"hello")),
        (Some(0), false, b"", Ok(b"")),
        (Some(5), false, b"hell", Err(BrokenBody::Short(1))),
        (Some(5), false, b"", Err(BrokenBody::Short(5))),
        (Some(5), false, b"hello!", Ok(b"hello")),
        (Some(0), false, b"!", Ok(b"")),
        (None, false, b"", Ok(b"")),
        (None, false, b"until the end", Ok(b"until the end")),
        (None, true, b"5\r\nhello\r\n0\r\n\r\n", Ok(b"hello")),
        (None, true, b"5\r\nhello\r\n1;a=\"b\"\r\n!\r\n00\r\nx-t: 1\r\n\r\n", Ok(b"hello!")),
        (None, true, b"A \r\n0123456789\r\n0\r\n\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"0\r\n\r\n", Ok(b"")),
        (None, true, b"", Err(BrokenBody::ShortChunk)),
        (None, true, b"5\r\nhell", Err(BrokenBody::ShortChunk)),
        (None, true, b"5\r\nhello", Err(BrokenBody::ShortChunk)),
        (None, true, b"5\r\nhello\r\n", Err(BrokenBody::ShortChunk)),
        (None, true, b"5\r\nhello\r\n0\r\n", Err(BrokenBody::ShortChunk)),
        (None, true, b"0\r\n\r\nmore", Ok(b"")),
        (None, true, b"5\r\nhelloXX", Err(BrokenBody::Chunk(MalformedChunk::DataEnd))),
        (None, true, b"5\nhello\n0\n\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"+5\r\nhello\r\n0\r\n\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"0x5\r\nhello\r\n0\r\n\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b" 5\r\nhello\r\n0\r\n\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"5g\r\nhello\r\n0\r\n\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
        (None, true, b"10000000000000000\r\n", Err(BrokenBody::Chunk(MalformedChunk::Size))),
    ];

    #[test]
    fn ends_where_the_head_says() {
        for (length, chunked, bytes, expected) in CASES {
            let got = read(&head(200, *length, *chunked), &[bytes]);
            assert_eq!(got.as_deref(), expected.as_ref().copied(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn says_the_same_however_it_is_cut() {
        for (length, chunked, bytes, _) in CASES {
            let head = head(200, *length, *chunked);
            let whole = read(&head, &[bytes]);
            for cut in 0..=bytes.len() {
                let (front, back) = bytes.split_at(cut);
                assert_eq!(read(&head, &[front, back]), whole, "{} cut at {cut}", bytes.escape_ascii());
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&head, &single), whole, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_follows_a_head_without_body_is_none() {
        for (status, head_only) in [(200, true), (204, false), (205, false), (304, false)] {
            let mut decoder = BodyDecoder::new(&head(status, Some(5), false), head_only);
            assert_eq!(decoder.step(&mut BytesMut::new()), Ok(BodyStep::Done));
            assert_eq!(decoder.closed(), Ok(()));
            let mut buffer = BytesMut::from("hello");
            assert_eq!(decoder.step(&mut buffer), Ok(BodyStep::Done));
            assert_eq!(buffer, "hello");
        }
    }

    #[test]
    fn the_chunks_of_one_read_are_one_piece() {
        let mut decoder = BodyDecoder::new(&head(200, None, true), false);
        let mut buffer = BytesMut::from(&b"1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n3\r\ne"[..]);
        assert_eq!(decoder.step(&mut buffer), Ok(BodyStep::Data("abcde".into())));
        buffer.extend_from_slice(b"fg\r\n0\r\n\r\nmore");
        assert_eq!(decoder.step(&mut buffer), Ok(BodyStep::Data("fg".into())));
        assert_eq!(decoder.step(&mut buffer), Ok(BodyStep::Done));
        assert_eq!(buffer, "more");
    }

    proptest! {
        #[test]
        fn chunks_give_the_body_back(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8), cut: usize) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let (front, back) = wire.split_at(cut % wire.len());
            prop_assert_eq!(read(&head(200, None, true), &[front, back]), Ok(chunks.concat()));
        }

        #[test]
        fn never_panics_and_always_ends(bytes: Vec<u8>, length: Option<u64>, chunked: bool) {
            let _ = read(&head(200, length, chunked && length.is_none()), &[&bytes]);
        }
    }
}
