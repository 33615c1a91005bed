//! FastCGI: the variables in one record, the body in others, and the reply in records again.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use cgi::environ::{self, Manner};
use fastcgi::Params;
use fastcgi::record::{Decoder, LARGEST, Record, RequestEnd};
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::{Error, ServerError};
use crate::request::{self, BodyLength, RequestLists};

/// The bytes of one record that are logged of what an application writes to its log through us.
const LOGGED: usize = 1000;

pub(super) fn opening(
    head: &RequestHead,
    body: BodyLength,
    manner: Manner,
    pool: &PoolConfig,
) -> Result<Bytes, Error> {
    let lists = RequestLists::of(head, pool);
    let mut params = Params::new();
    environ::variables(&request::described(head, &lists, body, manner, pool)?, &mut params)?;
    Ok(fastcgi::opening(&params.finish()))
}

pub(super) fn piece(mut piece: Bytes, out: &mut VecDeque<Bytes>) {
    while !piece.is_empty() {
        let content = piece.split_to(piece.len().min(LARGEST));
        out.push_back(fastcgi::stdin(u16::try_from(content.len()).unwrap_or(u16::MAX)));
        out.push_back(content);
    }
}

pub(super) fn end() -> Bytes {
    fastcgi::stdin(0)
}

/// The reply's records.
#[derive(Default)]
pub(crate) struct Records {
    decoder: Decoder,
    /// Received and not yet a whole record.
    raw: BytesMut,
    ended: bool,
}

impl Records {
    pub(super) fn raw(&mut self) -> &mut BytesMut {
        &mut self.raw
    }

    /// True: the request has ended as it should. A server that closes before it says so has broken off.
    pub(super) fn unpack(&mut self, received: &mut BytesMut, closed: bool) -> Result<bool, ServerError> {
        while let Some(record) = self.decoder.next(&mut self.raw)? {
            match record {
                Record::Stdout(content) => received.extend_from_slice(&content),
                Record::Stderr(text) => {
                    let text = text.get(..LOGGED).unwrap_or(&text);
                    tracing::warn!("the application says: {}", text.trim_ascii_end().escape_ascii());
                }
                Record::End(RequestEnd::Complete) => self.ended = true,
                Record::End(RequestEnd::Overloaded) => return Err(ServerError::Busy),
                Record::End(RequestEnd::Refused) => return Err(ServerError::Refused),
            }
        }
        if closed && !self.ended {
            return Err(ServerError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(self.ended)
    }
}
