//! The protocol of Redis, RESP2: commands as they come, replies as they go.

use bytes::{Buf, Bytes, BytesMut};

/// More arguments or bytes than this are no command of ours.
const MOST: usize = 64 << 20;

/// A reply, and what scripts get and give.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Status(&'static str),
    Error(String),
    Number(i64),
    Bulk(Bytes),
    Nil,
    Array(Vec<Self>),
}

/// The bytes are no command.
#[derive(Debug)]
pub(super) struct BrokenCommand;

impl Reply {
    pub(super) fn bulk(text: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    pub(super) fn optional(value: Option<Bytes>) -> Self {
        value.map_or(Self::Nil, Self::Bulk)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Self::Error(text) => out.extend_from_slice(format!("-{text}\r\n").as_bytes()),
            Self::Number(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Self::Nil => out.extend_from_slice(b"$-1\r\n"),
            Self::Bulk(bytes) => {
                out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Array(all) => {
                out.extend_from_slice(format!("*{}\r\n", all.len()).as_bytes());
                all.iter().for_each(|each| each.write(out));
            }
        }
    }
}

/// Takes the next command, an array of strings. `None`: it is not all there yet.
pub(super) fn command(input: &mut BytesMut) -> Option<Result<Vec<Bytes>, BrokenCommand>> {
    let mut at = 0;
    let count = match number(input, &mut at, b'*')? {
        Ok(count) => count,
        Err(broken) => return Some(Err(broken)),
    };
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = match number(input, &mut at, b'$')? {
            Ok(length) => length,
            Err(broken) => return Some(Err(broken)),
        };
        let end = at + length;
        if input.len() < end + 2 {
            return None;
        }
        parts.push(Bytes::copy_from_slice(&input[at..end]));
        at = end + 2;
    }
    input.advance(at);
    Some(Ok(parts))
}

fn number(input: &[u8], at: &mut usize, kind: u8) -> Option<Result<usize, BrokenCommand>> {
    let rest = &input[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let text = rest[..end].strip_prefix(&[kind]).and_then(|digits| std::str::from_utf8(digits).ok());
    let number = text.and_then(|digits| digits.parse().ok()).filter(|number| *number <= MOST);
    *at += end + 2;
    Some(number.ok_or(BrokenCommand))
}
