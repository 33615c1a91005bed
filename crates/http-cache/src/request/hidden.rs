//! What it means that the application does not see a field while it makes a page to be shared.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, StatusCode};

use super::RequestSummary;
use crate::Policy;
use crate::parts::cookie_lines;
use crate::policy::cookies::{CookieClass, pairs};

/// In a reply: the application has changed something to make it, so it would not make the same again.
pub(crate) const WEIR_ACTED: HeaderName = HeaderName::from_static("weir-acted");

/// What an ignored field is to a reply that turns out to be for one visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HiddenKind {
    /// The cache itself answers it.
    Nothing,
    /// It tells of the visitor.
    Visitor,
    /// It tells by which way the request came.
    Way,
}

impl HiddenKind {
    pub(super) fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "if-unmodified-since"
            | "if-range"
            | "range"
            | "cache-control"
            | "pragma"
            | "expect"
            | "content-length"
            | "max-forwards"
            | "date" => Self::Nothing,
            "referer" | "from" | "content-type" => Self::Visitor,
            _ => Self::Way,
        }
    }
}

/// What decides, of a reply that turned out to be for one visitor, whether it is asked for again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyManner {
    /// It refuses its visitor.
    refused: bool,
    /// It sets a cookie or sends elsewhere.
    acted: bool,
    /// It says itself that it was made once.
    once: bool,
}

impl ReplyManner {
    pub fn of(status: StatusCode, reply: &HeaderMap) -> Self {
        Self {
            refused: matches!(status.as_u16(), 401 | 403 | 429),
            acted: status.is_redirection() || reply.contains_key(SET_COOKIE),
            once: reply.contains_key(WEIR_ACTED),
        }
    }

    /// What it lets expect of the next one: that is yet to be made.
    #[must_use]
    pub fn of_the_next(self) -> Self {
        Self { once: false, ..self }
    }
}

impl Policy {
    /// Whether the application does not see a cookie of this request by which it would make or know a CSRF
    /// token.
    pub fn hides_token(&self, headers: &HeaderMap) -> bool {
        let is_of_tokens = |name: &[u8]| {
            let name = name.to_ascii_lowercase();
            [&b"csrf"[..], b"xsrf"].iter().any(|word| memchr::memmem::find(&name, word).is_some())
        };
        cookie_lines(headers)
            .flat_map(pairs)
            .any(|cookie| is_of_tokens(cookie.name) && self.cookies.class(cookie.name) != CookieClass::Split)
    }
}

impl RequestSummary {
    /// Whether a reply that turned out to be for this visitor alone must be asked for again with everything:
    /// it was made without cookies, parameters or fields that were sent.
    ///
    /// A reply that sets a cookie or sends elsewhere may have used up what the URL holds, such as a login
    /// link that works once. It is asked for again only if it was made without something of the visitor's
    /// own, and not for fields that tell of the way. A refusal is always asked for again: it may be about an
    /// address that was nobody's. One that says that something was changed for it is asked for once: its
    /// visitor would be told that the link has been used.
    pub fn asks_again(&self, reply: ReplyManner) -> bool {
        reply.refused || (!reply.once && (self.trimmed || (self.way && !reply.acted)))
    }
}
