//! Reads an HTTP/1 request head, strictly, in one pass, from bytes alone. What may be read in two ways is
//! refused here and reaches nothing behind: no cache key, no application, no other parser.
//!
//! Stricter than RFC 9112 and 3986 where a second reader may differ: lines end with CR LF only,
//! `Transfer-Encoding` is `chunked` or absent, a host is a plain name or address (see [`Authority`]),
//! single-valued fields are not repeated. Laxer in one thing: a target may hold characters that clients do
//! not always percent-encode (see [`Target::encoded`]).

mod authority;
mod control;
mod field;
mod fields;
mod known;
mod line;
mod refusal;
mod request_line;
mod target;

use http::HeaderMap;

pub use authority::Authority;
pub use field::FieldSpan;
pub use fields::Fields;
pub use known::{KnownField, KnownFields};
pub use refusal::Refusal;
pub use target::{Scheme, Target};

use control::Control;
use field::FieldLine;

/// Whatever the settings say, a head holds no more field lines: `http`'s map is full at 24,576.
const MAX_FIELDS: usize = 10_000;

/// Whatever the settings say, a head is no longer: places in it are kept as `u32`.
const MAX_HEAD: usize = u32::MAX as usize;

/// How much a client may ask us to look at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a whole head, from the first to the empty line that ends it. Beyond: 431, or 414 if the
    /// request line does not end before.
    pub head: usize,
    /// Bytes of the request target. Beyond: 414.
    pub target: usize,
    /// Field lines, dropped ones included. Beyond: 431.
    pub fields: usize,
    /// Targets that hold what RFC 3986 has percent-encoded are refused.
    pub strict_targets: bool,
    /// A line may end with LF alone, which RFC 9112 §2.2 allows.
    pub bare_line_feeds: bool,
    /// Fields whose names hold an underscore are taken, all but those that would forge another.
    pub underscores: bool,
}

impl Default for Limits {
    /// What nginx takes by default: four buffers of 8 KiB, the request line in one of them. uWSGI takes 128
    /// variables, of which fields are a part.
    fn default() -> Self {
        Self {
            head: 32 * 1024,
            target: 8 * 1024,
            fields: 100,
            strict_targets: false,
            bare_line_feeds: false,
            underscores: false,
        }
    }
}

/// A head that can be read in one way only.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Upper case; never CONNECT, TRACE or PRI.
    pub method: &'a str,
    pub target: Target<'a>,
    pub version: Version,
    /// The target's host if it names one, else that of `Host`. None in HTTP/1.0 only.
    pub host: Option<Authority<'a>>,
    pub framing: Framing,
    /// The client expects to send another request after this one.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// `Upgrade` as sent, if `Connection` lists it.
    pub upgrade: Option<&'a str>,
    /// Which known fields there are, so that nobody searches for one that is not.
    pub seen: KnownFields,
    pub fields: Fields<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

impl From<Version> for http::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}

/// How the length of the body is told. RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl Framing {
    pub fn has_body(self) -> bool {
        !matches!(self, Self::None | Self::Length(0))
    }
}

impl Head<'_> {
    pub fn has_body(&self) -> bool {
        self.framing.has_body()
    }

    /// The fields that are handed on. See [`Fields::to_headers`].
    pub fn to_headers(&self) -> HeaderMap {
        self.fields.to_headers()
    }
}

/// Reads the head at the front of `bytes` and says how many of them it took. None: it does not end in
/// `bytes`; read again, from the same place, when there are more (see [`Progress`]).
///
/// A line is judged once it is whole, so the answer does not depend on where the bytes were cut. `spans` is
/// room to work in, kept from head to head; nothing else is allocated.
pub fn read<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    spans: &'a mut Vec<FieldSpan>,
) -> Result<Option<(Head<'a>, usize)>, Refusal> {
    spans.clear();
    let longest = limits.head.min(MAX_HEAD);
    let bytes = bytes.get(..longest).unwrap_or(bytes);
    let unfinished = |refusal| if bytes.len() == longest { Err(refusal) } else { Ok(None) };

    let start = request_line::start(bytes, limits.bare_line_feeds)?;
    let request_line = request_line::read(bytes, start, limits);
    let Some(request_line) = line::judged(request_line, bytes, start)? else {
        return unfinished(Refusal::RequestLineTooLong);
    };

    let mut control = Control::default();
    let mut at = request_line.end;
    let mut lines = 0;
    loop {
        let Some((field, end)) = line::judged(field::read(bytes, at, limits), bytes, at)? else {
            return unfinished(Refusal::HeadTooLarge);
        };
        at = end;
        lines += 1;
        match field {
            FieldLine::Blank => break,
            _ if lines > limits.fields.min(MAX_FIELDS) => return Err(Refusal::TooManyFields),
            FieldLine::Dropped => {}
            FieldLine::Field(span) => {
                control.take(span.known, span.value(bytes), request_line.version)?;
                spans.push(span);
            }
        }
    }
    if control.lacks_host(request_line.version) {
        return Err(Refusal::NoHost);
    }
    if control.nominates {
        remove_nominated(bytes, spans);
    }
    let fields = Fields { head: bytes.get(..at).unwrap_or(bytes), spans };
    Ok(Some((control.head(&request_line, fields), at)))
}

/// What to remember of a head that has not come whole, so that one that comes byte by byte is not read from
/// its start for each byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Small, because each connection that waits for a head holds it; a head is much shorter than 4 GiB.
    searched: u32,
}

impl Progress {
    /// Whether [`read`] may say of `bytes`, all that came so far, anything but "need more", as it did of
    /// those of the call before. True at most once per line, so a head costs at most `limits.fields` times
    /// its length, however it comes.
    pub fn worth_reading(&mut self, bytes: &[u8], limits: &Limits) -> bool {
        /// An empty line and the first byte of the request line, which is judged alone.
        const BEGINNING: usize = 3;
        let come = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let searched = std::mem::replace(&mut self.searched, come) as usize;
        let new = bytes.get(searched..).unwrap_or(bytes);
        searched < BEGINNING || bytes.len() >= limits.head || memchr::memchr(b'\n', new).is_some()
    }
}

/// RFC 9110 §7.6.1: an intermediary must "remove any header or trailer field(s) from the message with the
/// same name as the connection-option". Nobody sees them, so that what selects a cached page is what the
/// application is asked with.
fn remove_nominated(head: &[u8], spans: &mut Vec<FieldSpan>) {
    for index in 0..spans.len() {
        let Some(connection) = spans.get(index).filter(|span| span.known == KnownField::Connection).copied()
        else {
            continue;
        };
        for option in control::options(connection.value(head)) {
            let named = |span: &FieldSpan| {
                span.known == KnownField::Other && span.name(head).eq_ignore_ascii_case(option)
            };
            spans.iter_mut().filter(|span| named(span)).for_each(|span| span.nominated = true);
        }
    }
    spans.retain(|span| !span.nominated);
}

#[cfg(test)]
mod tests;
