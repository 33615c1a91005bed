//! Finds a CSRF token, or a nonce beside a policy of the page's own, in an HTML page while it streams by:
//! such a page is one visitor's, whatever its head says.
//!
//! Reads tags, not text: an article that mentions `name="csrf_token"` writes `&lt;`, and is not taken for a
//! form.

mod tags;

use std::fmt;
use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::Reason;
use crate::holes::{Holes, Mark};
use tags::Tags;

/// The most that a compressed page may grow to, in bytes: more is not searched, and the page not stored.
const MAX_UNPACKED: usize = 64 << 20;
/// The first bytes of a gzip file (RFC 1952 section 2.3.1). No HTML page begins so.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Whether a body of this type may hold a form. Without a type browsers guess, so it may. Of several types
/// they take the last one that they know.
pub fn applies(reply: &HeaderMap) -> bool {
    let may_be_html = |named: &[u8]| {
        let essence = named.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        [&b"text/html"[..], b"application/xhtml+xml", b""]
            .iter()
            .any(|html| essence.eq_ignore_ascii_case(html))
    };
    let mut types = reply.get_all(CONTENT_TYPE).iter().peekable();
    types.peek().is_none() || types.any(|line| line.as_bytes().split(|byte| *byte == b',').any(may_be_html))
}

/// Whether a [`Scanner`] can read a body in this coding.
pub(crate) fn readable(reply: &HeaderMap) -> bool {
    let mut codings = reply.get_all(CONTENT_ENCODING).iter().map(|coding| coding.as_bytes());
    let known = |coding: &[u8]| {
        [&b"identity"[..], b"gzip", b"x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known))
    };
    codings.next().is_none_or(known) && codings.next().is_none()
}

/// Reads a page in chunks, cut anywhere; plain, or packed with gzip, which it sees from the first bytes.
#[derive(Debug)]
pub struct Scanner {
    input: Input,
    marks: Vec<Mark>,
}

enum Input {
    /// The body so far is a part of [`GZIP_MAGIC`].
    Begin(Vec<u8>),
    Plain(Tags),
    Gzip(Box<MultiGzDecoder<DecodedTags>>),
    /// Broken, or without end.
    Unreadable,
}

/// What comes out of the decoder.
#[derive(Debug, Default)]
struct DecodedTags {
    tags: Tags,
    length: usize,
}

impl Scanner {
    pub fn new() -> Self {
        Self::beside(None)
    }

    /// A scanner that passes over what stands in these holes: each visitor gets another one.
    pub fn beside(holes: Option<&Holes>) -> Self {
        let marks = holes.into_iter().flat_map(Holes::iter).map(|hole| hole.mark).collect();
        Self { input: Input::Begin(Vec::new()), marks }
    }

    /// Whether the page must not be stored, by this chunk or one before. [`Scanner::reason`] says why.
    pub fn feed(&mut self, chunk: &[u8]) -> bool {
        if let Input::Begin(begun) = &mut self.input {
            begun.extend_from_slice(chunk.get(..GZIP_MAGIC.len()).unwrap_or(chunk));
            if begun.len() < GZIP_MAGIC.len() && GZIP_MAGIC.starts_with(begun) {
                return false;
            }
            let held = begun.len().saturating_sub(chunk.len().min(GZIP_MAGIC.len()));
            let begun = std::mem::take(begun);
            self.input = if begun.starts_with(GZIP_MAGIC) {
                Input::Gzip(Box::new(MultiGzDecoder::new(DecodedTags::default())))
            } else {
                Input::Plain(Tags::beside(&self.marks))
            };
            self.read(begun.get(..held).unwrap_or_default());
        }
        self.read(chunk);
        self.reason().is_some()
    }

    /// Why the page must not be stored.
    pub fn reason(&self) -> Option<Reason> {
        match &self.input {
            Input::Begin(_) => None,
            Input::Plain(tags) => tags.found(),
            Input::Gzip(decoder) => decoder.get_ref().tags.found(),
            Input::Unreadable => Some(Reason::EncodedBody),
        }
    }

    fn read(&mut self, chunk: &[u8]) {
        match &mut self.input {
            Input::Begin(_) | Input::Unreadable => {}
            Input::Plain(tags) => tags.feed(chunk),
            Input::Gzip(decoder) => {
                if decoder.write_all(chunk).and_then(|()| decoder.flush()).is_err() {
                    self.input = Input::Unreadable;
                }
            }
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for DecodedTags {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.length += chunk.len();
        if self.length > MAX_UNPACKED {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.tags.feed(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin(_) => "Begin",
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Unreadable => "Unreadable",
        })
    }
}

#[cfg(test)]
mod tests;
