//! Where a line ends, and when it is judged: once it is whole, so that no verdict depends on how the bytes
//! were cut.

use super::Refusal;

/// Why reading a line stopped before its end.
pub(super) enum Stop {
    /// The bytes end first: no line feed is among them.
    More,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Checks that CR LF stands at `at` and gives the place after it. `otherwise` is said of any other byte
/// there.
///
/// RFC 9112 §2.2 lets a recipient take a bare LF for a line's end; whoever is behind us might not, so we
/// don't, unless `bare_line_feeds` asks for it.
#[inline]
pub(super) fn end(bytes: &[u8], at: usize, bare_line_feeds: bool, otherwise: Refusal) -> Result<usize, Stop> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(at + 2),
        (None, _) | (Some(b'\r'), None) => Err(Stop::More),
        (Some(b'\r'), Some(_)) => Err(Refusal::BareCarriageReturn.into()),
        (Some(b'\n'), _) if bare_line_feeds => Ok(at + 1),
        (Some(b'\n'), _) => Err(Refusal::BareLineFeed.into()),
        (Some(_), _) => Err(otherwise.into()),
    }
}

/// What was read of the line that begins at `at`; none if the line is not all there, whatever is wrong with
/// its beginning.
#[inline]
pub(super) fn judged<T>(read: Result<T, Stop>, bytes: &[u8], at: usize) -> Result<Option<T>, Refusal> {
    match read {
        Ok(line) => Ok(Some(line)),
        Err(Stop::More) => Ok(None),
        Err(Stop::Refused(refusal)) => {
            let line_is_whole = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).is_some();
            if line_is_whole { Err(refusal) } else { Ok(None) }
        }
    }
}
