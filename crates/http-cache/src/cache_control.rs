//! Cache-Control (RFC 9111 section 5.2): its lines as directives, and what the directives of a reply say
//! together.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use http1::octets::is_token;

/// One directive: its name in lower case, and its argument without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) argument: Option<String>,
    /// Not `token [ "=" ( token / quoted-string ) ]`: name and argument are what could be made of it.
    pub(crate) malformed: bool,
}

/// A number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delta {
    #[default]
    Absent,
    Valid(Duration),
    Invalid,
}

/// What `no-cache` and `private` are said of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    Nothing,
    Fields(Vec<HeaderName>),
    All,
}

/// The directives of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyDirectives {
    pub(crate) max_age: Delta,
    pub(crate) s_maxage: Delta,
    pub(crate) stale_while_revalidate: Delta,
    pub(crate) stale_if_error: Delta,
    pub(crate) no_store: bool,
    pub(crate) must_understand: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) no_cache: Scope,
    pub(crate) private: Scope,
    /// Something in it is not a directive: perhaps one that forbids.
    pub(crate) malformed: bool,
}

/// RFC 9111 section 1.2.2: "If a cache receives a delta-seconds value greater than the greatest integer it
/// can represent, or if any of its subsequent calculations overflows, the cache MUST consider the value to be
/// 2147483648 (2^31) or the greatest positive integer it can conveniently represent."
const GREATEST: u64 = 1 << 31;

/// The directives of all lines of a field, in order.
pub(crate) fn directives<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Directive> {
    lines.flat_map(|line| Elements { rest: line.as_bytes() }).map(parse)
}

/// RFC 9111 section 1.2.2: "delta-seconds = 1*DIGIT".
pub(crate) fn delta_seconds(text: &[u8]) -> Option<Duration> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |seconds: u64, digit: &u8| (seconds * 10 + u64::from(digit - b'0')).min(GREATEST);
    Some(Duration::from_secs(text.iter().fold(0, add)))
}

impl Directive {
    /// The argument as seconds. "recipients ought to accept both forms" (section 5.2): quoted or not.
    pub(crate) fn delta(&self) -> Delta {
        match self.argument.as_deref().and_then(|argument| delta_seconds(argument.as_bytes())) {
            Some(seconds) if !self.malformed => Delta::Valid(seconds),
            _ => Delta::Invalid,
        }
    }

    /// The argument as a list of field names; without one, or with one that is no such list, the whole reply
    /// is meant.
    fn scope(&self) -> Scope {
        let Some(argument) = &self.argument else { return Scope::All };
        let names = argument.split(',').map(str::trim).filter(|name| !name.is_empty());
        match names.map(HeaderName::try_from).collect::<Result<Vec<_>, _>>() {
            Ok(names) if !names.is_empty() && !self.malformed => Scope::Fields(names),
            _ => Scope::All,
        }
    }
}

impl Delta {
    pub(crate) fn valid(self) -> Option<Duration> {
        match self {
            Self::Valid(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// "When there is more than one value present for a given directive […], either the first occurrence
    /// should be used or the response should be considered stale." (section 4.2.1) The latter, unless they
    /// agree.
    fn join(&mut self, other: Self) {
        *self = if *self == Self::Absent || *self == other { other } else { Self::Invalid };
    }
}

impl Scope {
    /// "If directives conflict […], the most restrictive directive should be honored." (section 4.2.1)
    fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Fields(names), Self::Fields(more)) => names.extend(more),
            (Self::All, _) | (_, Self::Nothing) => {}
            (_, other) => *self = other,
        }
    }

    pub(crate) fn names(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Nothing | Self::All => &[],
        }
    }
}

impl ReplyDirectives {
    pub(crate) fn collect(directives: impl Iterator<Item = Directive>) -> Self {
        let mut all = Self::default();
        for directive in directives {
            all.malformed |= directive.malformed;
            match directive.name.as_str() {
                "max-age" => all.max_age.join(directive.delta()),
                "s-maxage" => all.s_maxage.join(directive.delta()),
                "stale-while-revalidate" => all.stale_while_revalidate.join(directive.delta()),
                "stale-if-error" => all.stale_if_error.join(directive.delta()),
                // "For the cache directives defined below, no argument is defined (nor allowed) unless stated
                // otherwise." (section 5.2) With one, a directive that forbids is obeyed all the same, and
                // one that permits is not.
                "no-store" => all.no_store = true,
                "must-understand" => all.must_understand |= directive.argument.is_none(),
                "must-revalidate" => all.must_revalidate = true,
                "proxy-revalidate" => all.proxy_revalidate = true,
                "public" => all.public |= directive.argument.is_none(),
                "no-cache" => all.no_cache.join(directive.scope()),
                "private" => all.private.join(directive.scope()),
                // "A cache MUST ignore unrecognized cache directives." (section 5.2.3)
                _ => {}
            }
        }
        all
    }
}

fn parse(element: &[u8]) -> Directive {
    let (name, argument) = match memchr::memchr(b'=', element) {
        Some(at) => (&element[..at], element.get(at + 1..)),
        None => (element, None),
    };
    let (argument, well_formed) = match argument {
        None => (None, true),
        Some([b'"', rest @ ..]) => {
            let (text, whole) = unquote(rest);
            (Some(text), whole)
        }
        Some(token) => (Some(String::from_utf8_lossy(token).into_owned()), is_token(token)),
    };
    let malformed = !well_formed || !is_token(name);
    Directive { name: String::from_utf8_lossy(name).to_ascii_lowercase(), argument, malformed }
}

/// The text of a quoted-string whose first quote is taken off, and whether the closing one is its last byte.
fn unquote(rest: &[u8]) -> (String, bool) {
    let mut text = Vec::new();
    let mut bytes = rest.iter();
    let whole = loop {
        match bytes.next() {
            Some(b'"') => break bytes.as_slice().is_empty(),
            Some(b'\\') => match bytes.next() {
                Some(escaped) => text.push(*escaped),
                None => break false,
            },
            Some(byte) => text.push(*byte),
            None => break false,
        }
    };
    (String::from_utf8_lossy(&text).into_owned(), whole)
}

/// The elements of one line, split at the commas outside quotes; empty ones are left out.
struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (mut quoted, mut escaped) = (false, false);
            let comma = self.rest.iter().position(|byte| {
                let ends = *byte == b',' && !quoted;
                quoted ^= *byte == b'"' && !escaped;
                escaped = quoted && *byte == b'\\' && !escaped;
                ends
            });
            let (element, rest) = self.rest.split_at(comma.unwrap_or(self.rest.len()));
            self.rest = rest.get(1..).unwrap_or_default();
            let element = element.trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
