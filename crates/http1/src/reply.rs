//! Reads the head of an application's reply: `HTTP/1.1 200 OK` and fields, or CGI's fields with an optional
//! `Status: 200 OK`. [`body`] finds the end of the body that follows it.
//!
//! Strict where a mistake could end as another reply's bytes: names are tokens, values hold no control
//! character, lengths agree, all lines of a head end alike. Lenient where applications differ harmlessly: the
//! reason may be missing, CGI's lines may end with LF (RFC 3875 section 6.2), and so may all lines of an HTTP
//! reply, after which its connection is not used again. LF among lines with CRLF is what an application
//! writes that was made to write somebody else's field.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::hop_by_hop::{is_for_all, is_hop_by_hop};
use line::{LineSpan, read_field, read_length, read_status, read_status_line};

pub mod body;
mod line;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimits {
    /// Bytes, interim (1xx) heads before it included.
    pub head: usize,
    /// ResponseField lines.
    pub fields: usize,
}

/// One field line of the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseField {
    /// In lower case.
    pub name: Bytes,
    pub value: Bytes,
}

/// Which forms of a reply the server may use, and what was asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseForm<'a> {
    /// A status line is needed, as in HTTP.
    pub status_line: bool,
    /// The server frames bodies itself. If not, `Transfer-Encoding` comes from an application that only
    /// describes its body: the field is dropped, and the bytes are the body.
    pub chunks: bool,
    /// The protocols that the request asked to switch to; empty: none, so 101 is no reply.
    pub upgrade: &'a str,
}

/// A reply's head, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 200 to 599; 101 where the request asked for it.
    pub status: u16,
    /// End-to-end fields in order, but for Content-Length and CGI's Status.
    pub fields: Vec<ResponseField>,
    pub content_length: Option<u64>,
    /// The body comes in chunks.
    pub chunked: bool,
    /// The server keeps the connection open for another request (RFC 9112 section 9.3).
    pub persistent: bool,
    /// The protocol that 101 switches to.
    pub upgrade: Option<Bytes>,
}

/// What is wrong with the reply: the application, or whatever answered in its place, is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    #[error("the reply's head has more than {0} bytes")]
    TooLong(usize),
    #[error("the reply's head has more than {0} fields")]
    TooManyFields(usize),
    #[error("the reply begins with neither a status line nor a field")]
    NotHttp,
    #[error("the reply's status is not a number from 100 to 599")]
    Status,
    #[error("the reply switches to a protocol that the request did not ask for")]
    Switched,
    #[error("a line of the reply's head ends with LF alone, others with CRLF")]
    LineEnd,
    #[error("a field of the reply has an invalid name")]
    FieldName,
    #[error("a field of the reply has a control character in its value")]
    FieldValue,
    #[error("the reply's Content-Length is not a number, or there are two that differ")]
    ContentLength,
    #[error("the reply has a Transfer-Encoding other than chunked, or with it a Content-Length")]
    TransferEncoding,
}

/// Fields that say one thing. As in nginx the first line counts and others are dropped, so that no two
/// readers of the reply take it for two different ones.
const SINGLE: &[&[u8]] = &[b"content-type", b"date", b"etag", b"expires", b"last-modified", b"location"];

const EARLY_HINTS: u16 = 103;

/// Finds and reads the head at the front of what has been received.
#[derive(Debug)]
pub struct ResponseParser<'a> {
    limits: ResponseLimits,
    form: ResponseForm<'a>,
    /// Bytes at the front known to hold no end of the head.
    searched: usize,
    /// Bytes of interim heads taken.
    interim: usize,
    /// Those with status 103 that nobody has taken yet.
    hints: Vec<ResponseHead>,
}

impl<'a> ResponseParser<'a> {
    pub fn new(limits: ResponseLimits, form: ResponseForm<'a>) -> Self {
        Self { limits, form, searched: 0, interim: 0, hints: Vec::new() }
    }

    /// Takes the head off the front of `buffer`, and interim heads before it; what follows there is the body.
    /// `None`: more bytes are needed. Call again with the same buffer, only appended to.
    pub fn parse(&mut self, buffer: &mut BytesMut) -> Result<Option<ResponseHead>, BadReply> {
        loop {
            let end = self.find_end(buffer);
            if self.interim + end.unwrap_or(buffer.len()) > self.limits.head {
                return Err(BadReply::TooLong(self.limits.head));
            }
            let Some(end) = end else {
                return Ok(None);
            };
            self.searched = 0;
            let head = read_head(take_front(buffer, end), self.limits, self.form)?;
            match head.status {
                101 if self.is_asked_for(head.upgrade.as_deref()) => return Ok(Some(head)),
                101 => return Err(BadReply::Switched),
                // The edge has answered any 100-continue itself.
                100..=199 => {
                    self.interim += end;
                    if head.status == EARLY_HINTS {
                        self.hints.push(head);
                    }
                }
                _ => return Ok(Some(head)),
            }
        }
    }

    /// The interim heads 103 since the last call (RFC 8297). Their bytes count in the limit of the head.
    pub fn take_hints(&mut self) -> Vec<ResponseHead> {
        std::mem::take(&mut self.hints)
    }

    /// RFC 9110 section 7.8: "A server MUST NOT switch to a protocol that was not indicated by the client in
    /// the corresponding request's Upgrade header field."
    fn is_asked_for(&self, protocol: Option<&[u8]>) -> bool {
        let mut asked = self.form.upgrade.split(',').map(str::trim).filter(|asked| !asked.is_empty());
        protocol.is_some_and(|protocol| asked.any(|asked| protocol.eq_ignore_ascii_case(asked.as_bytes())))
    }

    /// Where the empty line that ends the head ends.
    fn find_end(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(at) = memchr::memchr(b'\n', buffer.get(self.searched..)?) {
            let line = self.searched + at;
            match buffer.get(line + 1..)? {
                [b'\n', ..] => return Some(line + 2),
                [b'\r', b'\n', ..] => return Some(line + 3),
                // Too short to tell: this line feed is looked at again.
                [] | [b'\r'] => {
                    self.searched = line;
                    return None;
                }
                _ => self.searched = line + 1,
            }
        }
        self.searched = buffer.len();
        None
    }
}

/// A copy of the head, taken off the front: as a part of the same memory, a field that is kept would keep the
/// page behind it, too.
fn take_front(buffer: &mut BytesMut, end: usize) -> Vec<u8> {
    let head = buffer[..end].to_vec();
    buffer.advance(end);
    head
}

/// The lines of a head, judged one by one.
struct HeadLines {
    /// It begins with a status line.
    first: bool,
    status: Option<u16>,
    /// HTTP/1.1 or later.
    modern: bool,
    spans: Vec<LineSpan>,
    /// A line ended with LF alone.
    bare: bool,
}

/// Reads the lines of a whole head, its empty line included. Names are in lower case afterwards.
fn read_lines(
    bytes: &mut [u8],
    limits: ResponseLimits,
    form: ResponseForm<'_>,
) -> Result<HeadLines, BadReply> {
    let mut lines = Lines { text: bytes, at: 0, bare: false, whole: false };
    let first = lines.text.first_chunk::<5>().is_some_and(|start| start == b"HTTP/");
    let (status, modern) = match first {
        true => {
            let line = lines.next().ok_or(BadReply::NotHttp)?;
            read_status_line(&lines.text[line])?
        }
        false if form.status_line => return Err(BadReply::NotHttp),
        false => (None, false),
    };
    let mut spans = Vec::with_capacity(16);
    while let Some(line) = lines.next() {
        if spans.len() == limits.fields {
            return Err(BadReply::TooManyFields(limits.fields));
        }
        spans.push(read_field(lines.text, line)?);
    }
    if first && lines.bare && lines.whole {
        return Err(BadReply::LineEnd);
    }
    Ok(HeadLines { first, status, modern, spans, bare: lines.bare })
}

/// Reads a whole head, its empty line included.
fn read_head(
    mut bytes: Vec<u8>,
    limits: ResponseLimits,
    form: ResponseForm<'_>,
) -> Result<ResponseHead, BadReply> {
    let HeadLines { first, mut status, modern, spans, bare } = read_lines(&mut bytes, limits, form)?;
    // A CGI reply has at least one field (RFC 3875 section 6.2).
    if status.is_none() && spans.is_empty() {
        return Err(BadReply::NotHttp);
    }

    let bytes = Bytes::from(bytes);
    let connection = ConnectionLines { text: &bytes, spans: &spans };
    let mut head = ResponseHead {
        status: 0,
        fields: Vec::with_capacity(spans.len()),
        content_length: None,
        chunked: false,
        // What follows a head with LF alone, which RFC 9112 section 2.2 allows to take, is no further reply.
        persistent: connection.persists(modern) && !(first && bare),
        upgrade: None,
    };
    let is_any_nominated = connection.is_any();
    for span in &spans {
        let (name, value) = (&bytes[span.name()], &bytes[span.value()]);
        match name {
            b"status" if !first => {
                if status.replace(read_status(value)?).is_some() {
                    return Err(BadReply::Status);
                }
            }
            b"status" => {}
            b"content-length" => {
                let length = read_length(value)?;
                if head.content_length.replace(length).is_some_and(|other| other != length) {
                    return Err(BadReply::ContentLength);
                }
            }
            b"transfer-encoding" if form.chunks => {
                if head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(BadReply::TransferEncoding);
                }
                head.chunked = true;
            }
            b"upgrade" => head.upgrade = Some(bytes.slice(span.value())),
            name if is_hop_by_hop(name) || (is_any_nominated && connection.takes_out(name)) => {}
            name if SINGLE.contains(&name) && head.fields.iter().any(|other| other.name == name) => {}
            _ => {
                let (name, value) = (bytes.slice(span.name()), bytes.slice(span.value()));
                head.fields.push(ResponseField { name, value });
            }
        }
    }
    // RFC 9112 section 6.1: a server "MUST NOT" send both; whoever does may be split into two replies.
    if head.chunked && head.content_length.is_some() {
        return Err(BadReply::TransferEncoding);
    }
    // RFC 9112 section 6.1: a client "MUST treat the message as if the framing is faulty [...] and close the
    // connection after processing the message", if an HTTP/1.0 reply holds Transfer-Encoding.
    head.persistent &= modern || !head.chunked;
    // RFC 3875 section 6.2.3: a Location without a Status is a redirect.
    let redirect = head.fields.iter().any(|field| field.name == "location");
    head.status = status.unwrap_or(if redirect { 302 } else { 200 });
    // RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response to indicate
    // the required protocol(s)".
    if head.status == 426
        && let Some(value) = head.upgrade.clone()
    {
        head.fields.push(ResponseField { name: Bytes::from_static(b"upgrade"), value });
    }
    Ok(head)
}

/// The lines up to the empty one, without their ends.
struct Lines<'a> {
    text: &'a mut [u8],
    /// Where the next one begins.
    at: usize,
    /// One of them ended with LF alone.
    bare: bool,
    /// One of them ended with CRLF.
    whole: bool,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..)?;
        let end = memchr::memchr(b'\n', rest)?;
        let modern = rest[..end].ends_with(b"\r");
        self.bare |= !modern;
        self.whole |= modern;
        let line = self.at..self.at + end - usize::from(modern);
        self.at += end + 1;
        (!line.is_empty()).then_some(line)
    }
}

/// The field lines of a head, and what they say about its connection.
struct ConnectionLines<'a> {
    text: &'a [u8],
    spans: &'a [LineSpan],
}

impl ConnectionLines<'_> {
    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let is_connection = |span: &&LineSpan| self.text[span.name()] == *b"connection";
        self.spans.iter().filter(is_connection).map(|span| &self.text[span.value()])
    }

    fn is_any(&self) -> bool {
        self.values().next().is_some()
    }

    /// RFC 9112 section 9.3: HTTP/1.1 persists unless it says close, HTTP/1.0 only if it says keep-alive.
    fn persists(&self, modern: bool) -> bool {
        if modern { !self.names(b"close") } else { self.names(b"keep-alive") && !self.names(b"close") }
    }

    /// A field that Connection names is of this connection only (RFC 9110 section 7.6.1).
    fn takes_out(&self, name: &[u8]) -> bool {
        self.names(name) && !is_for_all(name)
    }

    fn names(&self, name: &[u8]) -> bool {
        let options = self.values().flat_map(|value| value.split(|&byte| byte == b','));
        options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests;
