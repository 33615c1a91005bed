//! Records: a header of eight bytes (version, type, request id, content length, padding length), content,
//! padding.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before a record's content.
pub const HEADER: usize = 8;
/// The largest content of a record: its length has two bytes.
pub const LARGEST: usize = u16::MAX as usize;

const VERSION: u8 = 1;
/// The only request of its connection. Id 0 is for management records.
const REQUEST: u16 = 1;
const RESPONDER: u16 = 1;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// Writes the header of a record with this much content.
fn header(out: &mut BytesMut, kind: u8, length: u16) {
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16(REQUEST);
    out.put_u16(length);
    out.put_u16(0); // no padding
}

/// Everything before the body: the request in the responder's role, and its variables, as
/// [`crate::Params::finish`] returns them, in one record. The server closes the connection after it.
pub fn opening(params: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 * HEADER + params.len());
    header(&mut out, BEGIN_REQUEST, 8);
    out.put_u16(RESPONDER);
    out.put_bytes(0, 6); // no flag: close afterwards
    // Longer ones cannot exist: `Params` is bounded by `LARGEST`.
    let length = u16::try_from(params.len()).unwrap_or(u16::MAX);
    if length > 0 {
        header(&mut out, PARAMS, length);
        out.put_slice(&params[..usize::from(length)]);
    }
    header(&mut out, PARAMS, 0);
    out.freeze()
}

/// The header before a chunk of the body of at most `LARGEST` bytes. Length 0 means the body's end.
pub fn stdin(length: u16) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER);
    header(&mut out, STDIN, length);
    out.freeze()
}

/// One record from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A chunk of the reply, not empty.
    Stdout(Bytes),
    /// Text for the log, not empty.
    Stderr(Bytes),
    /// The end of the reply.
    End(RequestEnd),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    Complete,
    /// The server has no capacity for it now.
    Overloaded,
    /// The server does not support this role, or a second request.
    Refused,
}

/// These bytes are not from a FastCGI server, or not about this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRecord {
    #[error("unknown FastCGI version {0}")]
    Version(u8),
    #[error("a record for the unknown request {0}")]
    Request(u16),
    #[error("a record of the unknown type {0}")]
    Kind(u8),
    #[error("the end of the request is too short or has an unknown status")]
    End,
    #[error("something follows the end of the request")]
    AfterEnd,
}

/// Takes records off what was received.
#[derive(Debug, Default)]
pub struct Decoder {
    ended: bool,
}

impl Decoder {
    /// The next record at the front of `buffer`. `None`: more bytes are needed, and nothing was removed.
    /// Skips records without content. `buffer` never needs to hold more than one record.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Record>, MalformedRecord> {
        loop {
            let Some(&[version, kind, id_high, id_low, high, low, padding, _]) =
                buffer.first_chunk::<HEADER>()
            else {
                return Ok(None);
            };
            if version != VERSION {
                return Err(MalformedRecord::Version(version));
            }
            let request = u16::from_be_bytes([id_high, id_low]);
            if request != REQUEST {
                return Err(MalformedRecord::Request(request));
            }
            if !matches!(kind, END_REQUEST | STDOUT | STDERR) {
                return Err(MalformedRecord::Kind(kind));
            }
            if self.ended {
                return Err(MalformedRecord::AfterEnd);
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            let whole = HEADER + length + usize::from(padding);
            if buffer.len() < whole {
                return Ok(None);
            }
            buffer.advance(HEADER);
            let content = buffer.split_to(length).freeze();
            buffer.advance(usize::from(padding));
            match kind {
                END_REQUEST => {
                    self.ended = true;
                    return Ok(Some(Record::End(ended(&content)?)));
                }
                _ if content.is_empty() => {}
                STDERR => return Ok(Some(Record::Stderr(content))),
                _ => return Ok(Some(Record::Stdout(content))),
            }
        }
    }
}

/// The application's own exit status (four bytes) says nothing about the reply; the protocol status does.
fn ended(content: &[u8]) -> Result<RequestEnd, MalformedRecord> {
    match content {
        [_, _, _, _, 0, ..] => Ok(RequestEnd::Complete),
        [_, _, _, _, 2, ..] => Ok(RequestEnd::Overloaded),
        [_, _, _, _, 1 | 3, ..] => Ok(RequestEnd::Refused),
        _ => Err(MalformedRecord::End),
    }
}

#[cfg(test)]
mod tests;
