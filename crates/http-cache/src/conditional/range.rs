//! Byte ranges (RFC 9110 section 14): which parts of a body a request wants.

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};

/// A part of a body, by its first and last byte; never empty, never past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub first: u64,
    pub last: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RangeSet {
    All,
    Part(ByteRange),
    /// Two or more.
    Parts(Vec<ByteRange>),
    Outside,
}

/// The most ranges that one request is answered with.
const MAX_RANGES: usize = 16;

impl ByteRange {
    /// How many bytes.
    #[expect(clippy::len_without_is_empty, reason = "a range holds at least one byte")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The Content-Range of a 206 for this part of a body of `length` bytes.
    pub fn content_range(&self, length: u64) -> HeaderValue {
        value(format!("bytes {}-{}/{length}", self.first, self.last))
    }
}

/// The Content-Range of a 416 for a body of `length` bytes.
pub fn unsatisfiable(length: u64) -> HeaderValue {
    value(format!("bytes */{length}"))
}

/// The parts that the Range field wants of a body of `length` bytes.
///
/// "A server MAY ignore the Range header field" (section 14.2): so is one of another unit, and one whose
/// ranges are many or, as in nginx, longer than the whole together: they overlap, "since these are
/// indications of either a broken client or a deliberate denial-of-service attack". One that is invalid is
/// rejected, as in nginx (section 15.5.17).
pub(super) fn wanted(request: &HeaderMap, length: u64) -> RangeSet {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return RangeSet::All };
    let Some((unit, set)) = line.to_str().ok().and_then(|line| line.split_once('=')) else {
        return RangeSet::All;
    };
    // "Range unit names are case-insensitive" (section 14.1). A unit alone is no Range, as in nginx.
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.is_empty() {
        return RangeSet::All;
    }
    let mut parts: Vec<ByteRange> = Vec::new();
    let mut bytes: u64 = 0;
    // "A recipient MUST parse and ignore a reasonable number of empty list elements" (section 5.6.1.2)
    for (n, spec) in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()).enumerate() {
        let Some(one) = one(spec, length) else { return RangeSet::Outside };
        match one {
            _ if n == MAX_RANGES => return RangeSet::All,
            RangeSet::Part(part) if bytes.saturating_add(part.len()) <= length => {
                bytes += part.len();
                parts.push(part);
            }
            // Several are satisfiable if one of them is (section 14.1.1).
            RangeSet::Outside => {}
            RangeSet::Part(_) | RangeSet::Parts(_) | RangeSet::All => return RangeSet::All,
        }
    }
    match parts.as_slice() {
        [] => RangeSet::Outside,
        // "A server MUST NOT generate a multipart response to a request for a single range" (section
        // 15.3.7.2).
        [part] => RangeSet::Part(*part),
        _ => RangeSet::Parts(parts),
    }
}

/// One range-spec; `None`: it is invalid.
fn one(spec: &str, length: u64) -> Option<RangeSet> {
    let (first, last) = spec.split_once('-')?;
    Some(match (number(first), number(last)) {
        // "a valid bytes range-spec is satisfiable if it is either: an int-range with a first-pos that is
        // less than the current length of the selected representation or a suffix-range with a non-zero
        // suffix-length." (section 14.1.2)
        (RangePosition::At(first), RangePosition::Open) => part(first, u64::MAX, length),
        // "An int-range is invalid if the last-pos value is present and less than first-pos." (section
        // 14.1.1)
        (RangePosition::At(first), RangePosition::At(last)) if first <= last => part(first, last, length),
        (RangePosition::Open, RangePosition::At(0)) => RangeSet::Outside,
        // "If the selected representation is shorter than the specified suffix-length, the entire
        // representation is used."
        (RangePosition::Open, RangePosition::At(suffix)) if length > 0 => {
            part(length.saturating_sub(suffix), u64::MAX, length)
        }
        (RangePosition::Open, RangePosition::At(_)) => RangeSet::All,
        _ => return None,
    })
}

fn part(first: u64, last: u64, length: u64) -> RangeSet {
    // An empty body has no part, and its beginning is all of it, as in nginx: players ask for `bytes=0-`.
    if length == 0 && first == 0 {
        return RangeSet::All;
    }
    if first >= length {
        return RangeSet::Outside;
    }
    // "if the value is greater than or equal to the current length of the representation data, the byte range
    // is interpreted as the remainder of the representation" (section 14.1.2)
    RangeSet::Part(ByteRange { first, last: last.min(length - 1) })
}

enum RangePosition {
    Open,
    At(u64),
    Invalid,
}

/// 1*DIGIT or nothing. Too many digits are a number past every end.
fn number(text: &str) -> RangePosition {
    if text.is_empty() {
        return RangePosition::Open;
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return RangePosition::Invalid;
    }
    RangePosition::At(text.parse().unwrap_or(u64::MAX))
}

fn value(text: String) -> HeaderValue {
    // Digits and a few signs: always a valid value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |first, last| RangeSet::Part(ByteRange { first, last });
        let parts = |parts: &[(u64, u64)]| {
            RangeSet::Parts(
                parts.iter().map(|(first, last)| ByteRange { first: *first, last: *last }).collect(),
            )
        };
        let many: Vec<_> = (0..=MAX_RANGES).map(|n| format!("{0}-{0}", 2 * n)).collect();
        let many = format!("bytes={}", many.join(","));
        let cases: &[(&[&str], u64, RangeSet)] = &[
            (&["bytes=0-0"], 10, part(0, 0)),
            (&["bytes=2-5"], 10, part(2, 5)),
            (&["BYTES=2-5"], 10, part(2, 5)),
            (&["bytes= 2-5 "], 10, part(2, 5)),
            (&["bytes=2-"], 10, part(2, 9)),
            (&["bytes=2-99"], 10, part(2, 9)),
            (&["bytes=9-9"], 10, part(9, 9)),
            (&["bytes=-3"], 10, part(7, 9)),
            (&["bytes=-99"], 10, part(0, 9)),
            (&["bytes=0-99999999999999999999999"], 10, part(0, 9)),
            (&["bytes=10-"], 10, RangeSet::Outside),
            (&["bytes=10-20"], 10, RangeSet::Outside),
            (&["bytes=99999999999999999999999-"], 10, RangeSet::Outside),
            (&["bytes=-0"], 10, RangeSet::Outside),
            (&["bytes=0-"], 0, RangeSet::All),
            (&["bytes=0-9"], 0, RangeSet::All),
            (&["bytes=1-"], 0, RangeSet::Outside),
            (&["bytes=-1"], 0, RangeSet::All),
            (&["bytes=5-2"], 10, RangeSet::Outside),
            (&["bytes=-"], 10, RangeSet::Outside),
            (&["bytes="], 10, RangeSet::All),
            (&["bytes"], 10, RangeSet::All),
            (&["bytes=a-b"], 10, RangeSet::Outside),
            (&["bytes=+1-2"], 10, RangeSet::Outside),
            (&["bytes=--1"], 10, RangeSet::Outside),
            (&["bytes=0-1,3-4"], 10, parts(&[(0, 1), (3, 4)])),
            (&["bytes=0-1, ,3-"], 10, parts(&[(0, 1), (3, 9)])),
            (&["bytes=0-0,-1"], 10, parts(&[(0, 0), (9, 9)])),
            (&["bytes=0-0,1-1"], 10, parts(&[(0, 0), (1, 1)])),
            // Only one is left of them, or none.
            (&["bytes=2-5,20-30"], 10, part(2, 5)),
            (&["bytes=20-30,40-"], 10, RangeSet::Outside),
            (&["bytes=,"], 10, RangeSet::Outside),
            // In any order; more than the whole, one of them not understood, or too many.
            (&["bytes=3-4,0-1"], 10, parts(&[(3, 4), (0, 1)])),
            (&["bytes=0-1,-2,3-4"], 10, parts(&[(0, 1), (8, 9), (3, 4)])),
            (&["bytes=0-4,4-5"], 10, parts(&[(0, 4), (4, 5)])),
            (&["bytes=0-5,4-9"], 10, RangeSet::All),
            (&["bytes=0-,0-"], 10, RangeSet::All),
            (&["bytes=0-1,x"], 10, RangeSet::Outside),
            (&["bytes=0-1,5-4"], 10, RangeSet::Outside),
            (&[&many], 1000, RangeSet::All),
            (&["seconds=0-1"], 10, RangeSet::All),
            (&["bytes=0-1", "bytes=2-3"], 10, RangeSet::All),
        ];
        for (lines, length, expected) in cases {
            let mut request = HeaderMap::new();
            for line in *lines {
                request.append(RANGE, line.parse().unwrap());
            }
            assert_eq!(wanted(&request, *length), *expected, "{lines:?} of {length}");
        }
    }

    #[test]
    fn fields() {
        let range = ByteRange { first: 2, last: 5 };
        assert_eq!((range.len(), range.content_range(10)), (4, HeaderValue::from_static("bytes 2-5/10")));
        assert_eq!(unsatisfiable(10), "bytes */10");
    }
}
