//! One field line, and the names that something in the edge asks for.

use std::ops::Range;

use super::line::{self, Stop};
use super::{KnownField, Limits, Refusal};
use crate::octets::{self, TOKEN};

/// The `http` crate's own limit is 65,535; no field in use comes near this one.
const MAX_NAME: usize = 256;

/// Where in the head a field stands. Offsets and not slices, so that the vector of them is kept for the next
/// head.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpan {
    name: (u32, u32),
    value: (u32, u32),
    pub(super) known: KnownField,
    /// `Connection` lists the name, so the field is for us alone.
    pub(super) nominated: bool,
}

impl FieldSpan {
    pub(super) fn name<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(range(self.name)).unwrap_or_default()
    }

    pub(super) fn value<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(range(self.value)).unwrap_or_default()
    }
}

pub(super) enum FieldLine {
    Field(FieldSpan),
    /// A field that goes no further: `A-B` and `A_B` are one CGI variable, so the second spelling forges the
    /// first.
    Dropped,
    /// The empty line that ends the head.
    Blank,
}

/// Whether a name with underscores is none of those that the edge or the way of a request has a say in,
/// written otherwise.
#[cold]
fn is_its_own(name: Option<&[u8]>) -> bool {
    let mut plain = name.unwrap_or_default().to_ascii_lowercase();
    plain.iter_mut().filter(|byte| **byte == b'_').for_each(|byte| *byte = b'-');
    let is_of_way =
        [&b"x-forwarded"[..], b"x-real", b"x-accel", b"weir"].iter().any(|begin| plain.starts_with(begin));
    !is_of_way && KnownField::of(&plain) == KnownField::Other
}

/// The line that begins at `at`, and where the next one begins.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize, limits: &Limits) -> Result<(FieldLine, usize), Stop> {
    let bare_line_feeds = limits.bare_line_feeds;
    let plain_end = octets::name_end(bytes, at);
    let name_end =
        if bytes.get(plain_end) == Some(&b'_') { octets::run(bytes, plain_end, TOKEN) } else { plain_end };
    match bytes.get(name_end) {
        None => return Err(Stop::More),
        Some(b':') if name_end > at => {}
        Some(b'\r' | b'\n') if name_end == at => {
            return Ok((FieldLine::Blank, line::end(bytes, at, bare_line_feeds, Refusal::FieldName)?));
        }
        // RFC 9112 §5.2: a server that receives an obs-fold must reject the message or unfold it. The same
        // goes for §2.2's whitespace before the first field line.
        Some(b' ' | b'\t') if name_end == at => return Err(Refusal::Folded.into()),
        // RFC 9112 §5.1: "A server MUST reject, with a response status code of 400 (Bad Request), any
        // received request message that contains whitespace between a header field name and colon."
        Some(b' ' | b'\t') => return Err(Refusal::SpaceBeforeColon.into()),
        Some(_) => return Err(Refusal::FieldName.into()),
    }
    if name_end - at > MAX_NAME {
        return Err(Refusal::FieldNameTooLong.into());
    }
    let line_end = octets::value_end(bytes, name_end + 1);
    let end = line::end(bytes, line_end, bare_line_feeds, Refusal::FieldValue)?;
    if name_end != plain_end && !(limits.underscores && is_its_own(bytes.get(at..name_end))) {
        return Ok((FieldLine::Dropped, end));
    }
    // No head is longer than a `u32` can say: see `MAX_HEAD`.
    let name = (at as u32, name_end as u32);
    let value = trimmed(bytes, name_end + 1, line_end);
    let known = KnownField::of(bytes.get(at..name_end).unwrap_or_default());
    Ok((FieldLine::Field(FieldSpan { name, value, known, nominated: false }), end))
}

/// RFC 9110 §5.5: "A field value does not include leading or trailing whitespace."
#[inline]
fn trimmed(bytes: &[u8], mut from: usize, mut to: usize) -> (u32, u32) {
    while from < to && matches!(bytes.get(from), Some(b' ' | b'\t')) {
        from += 1;
    }
    while from < to && matches!(bytes.get(to - 1), Some(b' ' | b'\t')) {
        to -= 1;
    }
    (from as u32, to as u32)
}

fn range((from, to): (u32, u32)) -> Range<usize> {
    from as usize..to as usize
}
