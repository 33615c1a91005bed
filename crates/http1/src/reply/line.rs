//! The single lines of a reply's head.

use std::ops::Range;

use super::BadReply;
use crate::octets::{TOKEN, is_text, name_end, run};

/// `HTTP/1.1 200 OK`. uWSGI repeats the request's protocol here, which may be `HTTP/2.0`.
/// The status, and whether the version is HTTP/1.1 (or later: the reply is still framed as that).
pub(super) fn read_status_line(line: &[u8]) -> Result<(Option<u16>, bool), BadReply> {
    // As nearly all write it.
    if let Some(status) = line.strip_prefix(b"HTTP/1.1 ") {
        return Ok((Some(read_status(status)?), true));
    }
    let rest = line.strip_prefix(b"HTTP/").ok_or(BadReply::NotHttp)?;
    let space = memchr::memchr(b' ', rest).ok_or(BadReply::NotHttp)?;
    let (version, status) = rest.split_at(space);
    let number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_version = match memchr::memchr(b'.', version) {
        Some(dot) => number(&version[..dot]) && number(&version[dot + 1..]),
        None => number(version),
    };
    if !is_version {
        return Err(BadReply::NotHttp);
    }
    Ok((Some(read_status(&status[1..])?), !matches!(version, b"1.0" | b"0.9")))
}

/// `200 OK` or `200`. The reason is dropped: HTTP/2 has none.
pub(super) fn read_status(text: &[u8]) -> Result<u16, BadReply> {
    let (digits, reason) = text.split_at_checked(3).ok_or(BadReply::Status)?;
    let reason_follows = reason.is_empty() || reason.starts_with(b" ");
    if !reason_follows || !is_text(reason) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadReply::Status);
    }
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    if (100..=599).contains(&status) { Ok(status) } else { Err(BadReply::Status) }
}

/// Where a field line stands in its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineSpan {
    start: u32,
    colon: u32,
    value: u32,
    end: u32,
}

impl LineSpan {
    pub(super) fn name(self) -> Range<usize> {
        self.start as usize..self.colon as usize
    }

    /// Without the blanks around it, which are not part of a value.
    pub(super) fn value(self) -> Range<usize> {
        self.value as usize..self.end as usize
    }
}

/// The field line at `line` of a head. Its name is in lower case afterwards.
pub(super) fn read_field(head: &mut [u8], line: Range<usize>) -> Result<LineSpan, BadReply> {
    let text = &mut head[line.clone()];
    let plain = name_end(text, 0);
    let colon = if text.get(plain) == Some(&b'_') { run(text, plain, TOKEN) } else { plain };
    if colon == 0 || text.get(colon) != Some(&b':') {
        return Err(BadReply::FieldName);
    }
    let (name, value) = text.split_at_mut(colon);
    name.make_ascii_lowercase();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = &value[1..];
    let begin = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(begin, |last| last + 1);
    if !is_text(&value[begin..end]) {
        return Err(BadReply::FieldValue);
    }
    let place = |within: usize| u32::try_from(line.start + within).map_err(|_| BadReply::FieldValue);
    Ok(LineSpan {
        start: place(0)?,
        colon: place(colon)?,
        value: place(colon + 1 + begin)?,
        end: place(colon + 1 + end)?,
    })
}

pub(super) fn read_length(text: &[u8]) -> Result<u64, BadReply> {
    let with_digit = |length: u64, byte: &u8| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { length.checked_mul(10)?.checked_add(digit.into()) }
    };
    let length = text.iter().try_fold(0, with_digit);
    length.filter(|_| !text.is_empty()).ok_or(BadReply::ContentLength)
}
