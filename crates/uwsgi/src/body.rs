//! Where an application's reply body ends, and what of the received bytes is body.

use bytes::{Buf, Bytes, BytesMut};

use crate::reply::Head;

/// The body ended too early, went on too long, or its chunks are broken: what came of it is not the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the reply's body ended {0} bytes before its length")]
    Short(u64),
    #[error("the reply's body ended within a chunk")]
    ShortChunk,
    #[error("the reply goes on after its body")]
    Long,
    #[error("the reply's chunks are malformed")]
    Chunk,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Body bytes, taken off the buffer. More may follow.
    Data(Bytes),
    /// Nothing can be said before more is received.
    NeedMore,
    /// The body is whole. More bytes would be too many.
    Done,
}

/// Tells body bytes from framing, and whether the end is the end.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no body. What comes in its place is dropped.
    Nothing,
    /// This many bytes are still to come.
    Length(u64),
    /// Until the server closes.
    Close,
    /// At the start of a chunk's size line.
    Size,
    /// This many bytes of a chunk are still to come, and its CRLF.
    Chunk(u64),
    /// After the last chunk: trailer lines, dropped, this many bytes of them so far.
    Trailers(usize),
    Done,
}

/// A chunk's size line, its extensions included, or the trailers.
const MAX_LINE: usize = 4096;

impl Decoder {
    /// For the reply to a HEAD request (`head_only`) or another. RFC 9112 section 6.3.
    pub fn new(head: &Head, head_only: bool) -> Self {
        let state = if head.status == 101 {
            // The other protocol's bytes, to the end of the connection.
            State::Close
        } else if head_only || bodiless(head.status) {
            State::Nothing
        } else if head.chunked {
            State::Size
        } else {
            head.content_length.map_or(State::Close, State::Length)
        };
        Self { state }
    }

    /// False: what comes is not body, and is dropped.
    pub fn has_body(&self) -> bool {
        self.state != State::Nothing
    }

    /// Looks at what was received, taking off `buffer` what it understood.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Broken> {
        loop {
            match self.state {
                State::Nothing => {
                    buffer.clear();
                    return Ok(Step::Done);
                }
                State::Done | State::Length(0) => {
                    self.state = State::Done;
                    return if buffer.is_empty() { Ok(Step::Done) } else { Err(Broken::Long) };
                }
                State::Chunk(0) => match buffer.first_chunk::<2>() {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.state = State::Size;
                    }
                    Some(_) => return Err(Broken::Chunk),
                    None => return Ok(Step::NeedMore),
                },
                State::Size => {
                    let Some(line) = take_line(buffer)? else {
                        return Ok(Step::NeedMore);
                    };
                    self.state = match read_size(&line)? {
                        0 => State::Trailers(0),
                        size => State::Chunk(size),
                    };
                }
                State::Trailers(seen) => {
                    let Some(line) = take_line(buffer)? else {
                        return Ok(Step::NeedMore);
                    };
                    let seen = seen + line.len();
                    if seen > MAX_LINE {
                        return Err(Broken::Chunk);
                    }
                    self.state = if line.is_empty() { State::Done } else { State::Trailers(seen) };
                }
                _ if buffer.is_empty() => return Ok(Step::NeedMore),
                State::Close => return Ok(Step::Data(buffer.split().freeze())),
                State::Length(left) => {
                    let (data, left) = take_data(buffer, left);
                    self.state = State::Length(left);
                    return Ok(Step::Data(data));
                }
                State::Chunk(left) => {
                    let (data, left) = take_data(buffer, left);
                    self.state = State::Chunk(left);
                    return Ok(Step::Data(data));
                }
            }
        }
    }

    /// The server has closed, with `buffer` not understood yet: was that the end?
    pub fn closed(&self) -> Result<(), Broken> {
        match self.state {
            State::Nothing | State::Done | State::Close | State::Length(0) => Ok(()),
            State::Length(left) => Err(Broken::Short(left)),
            State::Size | State::Chunk(_) | State::Trailers(_) => Err(Broken::ShortChunk),
        }
    }
}

/// RFC 9110 sections 15.3.5 and 15.4.5: 204 and 304 have no body, whatever their fields say.
pub fn bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

fn take_data(buffer: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let take = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    (buffer.split_to(take).freeze(), left - take as u64)
}

/// A line that ends in CRLF, without it.
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Broken> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > MAX_LINE { Err(Broken::Chunk) } else { Ok(None) };
    };
    let mut line = buffer.split_to(end + 1);
    let content = line.strip_suffix(b"\r\n").ok_or(Broken::Chunk)?.len();
    if content > MAX_LINE {
        return Err(Broken::Chunk);
    }
    line.truncate(content);
    Ok(Some(line))
}

/// Hexadecimal digits, then nothing or an extension, which is ignored (RFC 9112 section 7.1.1).
fn read_size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at(digits);
    let plain = matches!(extension.trim_ascii_start(), [] | [b';', ..]);
    let size = str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.filter(|_| plain).ok_or(Broken::Chunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(status: u16, content_length: Option<u64>, chunked: bool) -> Head {
        Head { status, fields: Vec::new(), content_length, chunked, persistent: false, upgrade: None }
    }

    /// Feeds the pieces, then closes: the body, or why there is none.
    fn read(head: &Head, pieces: &[&[u8]]) -> Result<Vec<u8>, Broken> {
        let mut decoder = Decoder::new(head, false);
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Step::Data(data) = decoder.step(&mut buffer)? {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
        }
        decoder.closed().map(|()| body)
    }

    type Case = (Option<u64>, bool, &'static [u8], Result<&'static [u8], Broken>);

    const CASES: &[Case] = &[
        (Some(5), false, b"hello", Ok(b"hello")),
        (Some(0), false, b"", Ok(b"")),
        (Some(5), false, b"hell", Err(Broken::Short(1))),
        (Some(5), false, b"", Err(Broken::Short(5))),
        (Some(5), false, b"hello!", Err(Broken::Long)),
        (Some(0), false, b"!", Err(Broken::Long)),
        (None, false, b"", Ok(b"")),
        (None, false, b"until the end", Ok(b"until the end")),
        (None, true, b"5\r\nhello\r\n0\r\n\r\n", Ok(b"hello")),
        (None, true, b"5\r\nhello\r\n1;a=\"b\"\r\n!\r\n00\r\nx-t: 1\r\n\r\n", Ok(b"hello!")),
        (None, true, b"A \r\n0123456789\r\n0\r\n\r\n", Ok(b"0123456789")),
        (None, true, b"0\r\n\r\n", Ok(b"")),
        (None, true, b"", Err(Broken::ShortChunk)),
        (None, true, b"5\r\nhell", Err(Broken::ShortChunk)),
        (None, true, b"5\r\nhello", Err(Broken::ShortChunk)),
        (None, true, b"5\r\nhello\r\n", Err(Broken::ShortChunk)),
        (None, true, b"5\r\nhello\r\n0\r\n", Err(Broken::ShortChunk)),
        (None, true, b"0\r\n\r\nmore", Err(Broken::Long)),
        (None, true, b"5\r\nhelloXX", Err(Broken::Chunk)),
        (None, true, b"5\nhello\n0\n\n", Err(Broken::Chunk)),
        (None, true, b"\r\n", Err(Broken::Chunk)),
        (None, true, b"+5\r\nhello\r\n0\r\n\r\n", Err(Broken::Chunk)),
        (None, true, b"0x5\r\nhello\r\n0\r\n\r\n", Err(Broken::Chunk)),
        (None, true, b" 5\r\nhello\r\n0\r\n\r\n", Err(Broken::Chunk)),
        (None, true, b"5g\r\nhello\r\n0\r\n\r\n", Err(Broken::Chunk)),
        (None, true, b"10000000000000000\r\n", Err(Broken::Chunk)),
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
    fn what_follows_a_head_without_body_is_dropped() {
        for (status, head_only) in [(200, true), (204, false), (304, false)] {
            let mut decoder = Decoder::new(&head(status, Some(5), false), head_only);
            assert_eq!(decoder.step(&mut BytesMut::new()), Ok(Step::Done));
            assert_eq!(decoder.closed(), Ok(()));
            let mut buffer = BytesMut::from("hello");
            assert_eq!(decoder.step(&mut buffer), Ok(Step::Done));
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn framing_lines_are_bounded() {
        let size_line = vec![b'1'; MAX_LINE + 1];
        assert_eq!(read(&head(200, None, true), &[&size_line]), Err(Broken::Chunk));
        let trailers = [&b"0\r\n"[..], &b"x: y\r\n".repeat(MAX_LINE / 4 + 1)].concat();
        assert_eq!(read(&head(200, None, true), &[&trailers]), Err(Broken::Chunk));
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
