//! May this reply be stored, for how long and for whom? A shared cache, and private unless sure.

mod collapse;

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::cache_control::{Delta, ReplyDirectives, Scope};
use crate::freshness::{GoverningField, Source};
use crate::holes::{Holes, nonce};
use crate::targeted::{self, WEIR_CACHE_CONTROL};
use crate::{Lifetime, Policy, Reason, age, csrf, revalidate, tags, vary};

/// The head of a reply to a GET that [`Policy::outgoing`] made.
#[derive(Clone, Copy, Debug)]
pub struct ReplyParts<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    /// The request carried Authorization.
    pub authorization: bool,
    /// The application saw a personal cookie.
    pub personal: bool,
    /// When the request was made.
    pub request_time: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What to keep is [`crate::fields::stored_headers`]; an HTML page that is not shared must first pass
    /// [`crate::csrf`].
    Store(Lifetime),
    DoNotStore(Reason),
}

/// Statuses that this cache understands: it knows of no rule about them that it does not keep.
///
/// Errors that an odd request can provoke (400, 403, 405, 413, 414, 431, 5xx …) are missing on purpose: one
/// visitor's odd request must not take a page away from all others. They are stored where the setting `ttl`
/// names them.
const UNDERSTOOD: &[u16] = &[200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410, 451];

impl Policy {
    /// The verdict on a reply. `now` is when its head was received (response_time).
    pub fn reply(&self, reply: &ReplyParts<'_>, now: SystemTime) -> Verdict {
        match self.judge(reply, now) {
            Ok(lifetime) => Verdict::Store(lifetime),
            Err(reason) => Verdict::DoNotStore(reason),
        }
    }

    /// Whether a reply to a visitor with cookies says, to Weir by name, that its page is for everyone.
    ///
    /// It may still be this visitor's own: with a token or a name in it, where the page that is asked for
    /// without cookies has holes. So it says nothing of this reply, and only that it is worth asking so: what
    /// comes then is judged by itself.
    pub fn is_worth_sharing(&self, headers: &HeaderMap) -> bool {
        !self.ignore_fields.contains(&WEIR_CACHE_CONTROL)
            && targeted::directives(headers, &WEIR_CACHE_CONTROL).is_some_and(|said| {
                let for_all = said.public || matches!(said.s_maxage, Delta::Valid(_));
                for_all && !said.no_store && said.private != Scope::All
            })
    }

    fn judge(&self, reply: &ReplyParts<'_>, now: SystemTime) -> Result<Lifetime, Reason> {
        if reply.headers.contains_key("x-accel-redirect") {
            return Err(Reason::AccelRedirect);
        }
        // It ends when its visitor leaves, perhaps, and nobody may wait for that. As in nginx what is not
        // buffered is not cached.
        if is_streamed(reply.headers) {
            return Err(Reason::Streamed);
        }
        let governing = GoverningField::of(self, reply.headers, now);
        let directives = governing.directives();
        self.check_directives(reply.status, &directives)?;
        self.check_set_cookie(reply.headers, &directives)?;
        let (vary, by_cookie) = self.vary(reply.headers)?;

        // Private unless sure: the reply itself must say that it may be shared. One that is selected by
        // Cookie does not, whatever else it says.
        let shared = (directives.public || matches!(directives.s_maxage, Delta::Valid(_))) && !by_cookie;
        // RFC 9111 section 3: "if the cache is shared: the Authorization header field is not present in the
        // request or a response directive is present that explicitly allows shared caching". Section 3.5: "In
        // this specification, the following response directives have such an effect: must-revalidate, public,
        // and s-maxage."
        if reply.authorization && !shared && (!directives.must_revalidate || by_cookie) {
            return Err(Reason::Authorization);
        }
        if reply.personal && !shared {
            return Err(Reason::PersonalCookie);
        }

        let (ttl, source, age) = self.lifetime(reply, &governing, now)?;
        // "in its unqualified form (without an argument), indicates that the response MUST NOT be used to
        // satisfy any other request without forwarding it for validation" (section 5.2.2.4). What is stale
        // from the start comes to the same. Neither is of use to a shield, but where there is a validator the
        // body need not be sent again.
        let unusable = match &directives.no_cache {
            Scope::All => Some(Reason::NoCache),
            _ => (!is_usable(ttl, age, &directives)).then_some(Reason::Expired),
        };
        let validate = unusable.is_some();
        if let Some(reason) = unusable.filter(|_| !revalidate::has_validator(reply.headers, now)) {
            return Err(reason);
        }
        let (stale_while_revalidate, stale_if_error) = self.stale_windows(&directives);
        let shared = shared || reply.authorization;
        // What a purge could miss is not stored. The origin in front of a group's name does not matter here.
        tags::tags(b"", reply.headers)?;
        check_holes(reply.headers, shared)?;
        self.check_body(reply.headers, shared)?;
        let never = Lifetime { vary, shared, validate, age, ..Lifetime::none(source) };
        Ok(if validate { never } else { Lifetime { ttl, stale_while_revalidate, stale_if_error, ..never } })
    }

    fn check_directives(&self, status: StatusCode, directives: &ReplyDirectives) -> Result<(), Reason> {
        // "a cache MUST NOT store incomplete or partial-content responses if it does not support the Range
        // and Content-Range header fields" (section 3.3): of stored replies it answers ranges, parts it does
        // not store.
        if status == StatusCode::PARTIAL_CONTENT {
            return Err(Reason::Partial);
        }
        // "the response status code is final" and "if the response status code is 206 or 304, or the
        // must-understand cache directive is present: the cache understands the response status code"
        // (section 3).
        let understood = UNDERSTOOD.contains(&status.as_u16());
        let named = self.ttl.get(status).is_some() && !directives.must_understand;
        if status.is_informational() || status == StatusCode::NOT_MODIFIED || !(understood || named) {
            return Err(Reason::Status);
        }
        if directives.malformed {
            return Err(Reason::InvalidFreshness);
        }
        // "the no-store cache directive is not present in the response" (section 3). "When a cache that
        // implements the must-understand directive receives a response that includes it, the cache SHOULD
        // ignore the no-store directive if it understands and implements the status code's caching
        // requirements." (section 5.2.2.3)
        if directives.no_store && !(directives.must_understand && understood) {
            return Err(Reason::NoStore);
        }
        // "if the cache is shared: the private response directive is either not present or allows a shared
        // cache to store a modified response" (section 3)
        if directives.private == Scope::All {
            return Err(Reason::Private);
        }
        Ok(())
    }

    /// A reply that sets a cookie is one visitor's, unless the cookie is taken out of it by the reply's own
    /// word (private="Set-Cookie") or the owner's (ignore_fields). It is never stored with the cookie.
    fn check_set_cookie(&self, headers: &HeaderMap, directives: &ReplyDirectives) -> Result<(), Reason> {
        let mut taken_out =
            directives.private.names().iter().chain(directives.no_cache.names()).chain(&self.ignore_fields);
        if headers.contains_key(SET_COOKIE) && !taken_out.any(|name| *name == SET_COOKIE) {
            return Err(Reason::SetCookie);
        }
        Ok(())
    }

    /// The selecting fields without Cookie, and whether Cookie was among them.
    ///
    /// The cookies that the application saw are in the key (split) or forbid storing (personal), so nothing
    /// is left for
    /// `Vary: Cookie` to select on: anonymous visitors share one page.
    fn vary(&self, headers: &HeaderMap) -> Result<(Vec<HeaderName>, bool), Reason> {
        if self.ignore_fields.contains(&VARY) {
            return Ok((Vec::from_iter(vary::by_coding(headers)), false));
        }
        let mut names = vary::names(headers)?;
        let before = names.len();
        names.retain(|name| *name != http::header::COOKIE);
        let by_cookie = names.len() < before;
        Ok((names, by_cookie))
    }

    /// Freshness lifetime, its source, and the age at receipt.
    fn lifetime(
        &self,
        reply: &ReplyParts<'_>,
        governing: &GoverningField,
        now: SystemTime,
    ) -> Result<(Duration, Source, Duration), Reason> {
        let age = age::initial_age(reply.headers, reply.request_time, now);
        let own = governing.lifetime(self, reply.headers, age, now)?;
        let (ttl, source) = match own {
            Some(own) => own,
            // "a cache MAY assign a heuristic expiration time when an explicit time is not specified"
            // (section 4.2.2): only what the settings say; `ttl` counts from when the reply was received.
            None => {
                let public = governing.directives().public;
                let guessed = self.heuristic.lifetime(reply.status, public, reply.headers, now);
                let guessed = guessed.map(|ttl| (ttl, Source::Heuristic));
                let set = || Some((age.saturating_add(self.ttl.get(reply.status)?), Source::Setting));
                guessed.or_else(set).ok_or(Reason::NoFreshness)?
            }
        };
        Ok((ttl, source, age))
    }

    /// How long past its lifetime the reply may be served while it is refreshed, and when the application
    /// fails.
    fn stale_windows(&self, directives: &ReplyDirectives) -> (Duration, Duration) {
        // "A cache MUST NOT generate a stale response if it is prohibited by an explicit in-protocol
        // directive (e.g., by a no-cache response directive, a must-revalidate response directive, or an
        // applicable s-maxage or proxy-revalidate response directive)." (section 4.2.4)
        if directives.must_revalidate || directives.proxy_revalidate {
            return (Duration::ZERO, Duration::ZERO);
        }
        // s-maxage forbids what the settings would allow, but not what the same reply allows (RFC 5861): "a
        // cache directive extension can override any of the requirements listed" (section 4).
        let by_setting = matches!(directives.s_maxage, Delta::Absent);
        let window = |own: Delta, setting| match own {
            Delta::Valid(own) => own,
            Delta::Absent if by_setting => setting,
            Delta::Absent | Delta::Invalid => Duration::ZERO,
        };
        (
            window(directives.stale_while_revalidate, self.stale_while_revalidate),
            window(directives.stale_if_error, self.stale_if_error),
        )
    }

    fn check_body(&self, headers: &HeaderMap, shared: bool) -> Result<(), Reason> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.max_object) {
            return Err(Reason::TooLarge);
        }
        if !shared && csrf::applies(headers) && !csrf::readable(headers) {
            return Err(Reason::EncodedBody);
        }
        Ok(())
    }
}

/// A page whose holes nobody could find or fill is not shared, nor one with a nonce that stands in none,
/// unless it says itself that it may be.
fn check_holes(headers: &HeaderMap, shared: bool) -> Result<(), Reason> {
    let coded = || {
        headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    };
    let holes = Holes::of(headers)?;
    if holes.is_some() && coded() {
        return Err(Reason::EncodedBody);
    }
    if !shared && csrf::applies(headers) && nonce::is_given_away(headers, holes.as_ref()) {
        return Err(Reason::Nonce);
    }
    Ok(())
}

/// A reply that is stale already is of use only if it says itself that it may be served so.
fn is_usable(ttl: Duration, age: Duration, directives: &ReplyDirectives) -> bool {
    let usable = ttl.saturating_add(directives.stale_while_revalidate.valid().unwrap_or_default());
    let forbidden = directives.must_revalidate || directives.proxy_revalidate;
    ttl > age || (usable > age && !forbidden)
}

fn is_streamed(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| {
        let value = headers.get(name).and_then(|value| value.as_bytes().split(|&byte| byte == b';').next());
        value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    says("content-type", "text/event-stream") || says("x-accel-buffering", "no")
}

#[cfg(test)]
mod tests;
