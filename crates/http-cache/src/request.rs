//! May this request be answered from the cache, under which key, and what may the application see of it?

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::fields::{is_hop_by_hop, is_unkeyed, nominated};
use crate::key::{Cookies, push_origin};
use crate::{Key, Lifetime, Policy, Reason, Wants, vary};

/// A request's head, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    pub method: &'a Method,
    /// "http" or "https".
    pub scheme: &'a str,
    /// Host, with the port if it was sent.
    pub authority: &'a str,
    pub path: &'a [u8],
    /// Without the `?`; `Some("")` for a lone `?`.
    pub query: Option<&'a [u8]>,
    pub headers: &'a HeaderMap,
}

/// What the hot path needs to know of a request besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Carries a personal cookie.
    pub personal: bool,
    /// Carries Authorization.
    pub authorization: bool,
    /// The application does not see cookies or query parameters that were sent. If its reply cannot be shared, it must be
    /// asked again with everything.
    pub trimmed: bool,
    /// Answer from the cache if possible, but do not store a reply to this request.
    pub no_store: Option<Reason>,
    /// What the request asks of the cache, where the location honours it.
    pub wants: Wants,
}

/// What goes to the application, as a GET, for a page to be shared.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Path and query: as sent, without the ignored parameters.
    pub target: Bytes,
    /// The host as it stands in the key.
    pub authority: String,
    pub headers: HeaderMap,
}

#[derive(Clone, Debug)]
pub struct SharedRequest {
    pub key: Key,
    pub look: Look,
    pub outgoing: Outgoing,
}

#[derive(Clone, Debug)]
pub enum Asked {
    /// Straight to the application, with everything.
    Pass(Reason),
    Shared(Box<SharedRequest>),
}

impl Policy {
    /// The whole answer at once, for `explain` and for a request that is known to miss.
    pub fn request(&self, request: &RequestParts<'_>) -> Asked {
        let mut key = Vec::with_capacity(128);
        match self.look(request, &mut key) {
            Err(reason) => Asked::Pass(reason),
            Ok(look) => {
                let outgoing = self.outgoing(request);
                Asked::Shared(Box::new(SharedRequest { key: Key::new(key), look, outgoing }))
            }
        }
    }

    /// The hot path: appends the key to `key`, and says how a stored page may be used. An error is the reason to pass.
    pub fn look(&self, request: &RequestParts<'_>, key: &mut Vec<u8>) -> Result<Look, Reason> {
        // RFC 9111 section 3: "the request method is understood by the cache"
        if !self.methods.contains(request.method) {
            return Err(Reason::Method);
        }
        // RFC 9110 section 9.3.1: "content received in a GET request has no generally defined semantics, cannot alter the
        // meaning or target of the request": but some applications let it.
        let length = request.headers.get(CONTENT_LENGTH);
        if length.is_some_and(|length| length != "0") || request.headers.contains_key(TRANSFER_ENCODING) {
            return Err(Reason::RequestBody);
        }
        if self.bypass.fire(request) {
            return Err(Reason::Bypass);
        }
        let cookies = cookie_lines(request.headers);
        let keyed = self.key(request.scheme, request.authority, request.path, request.query, cookies, key)?;
        self.key_fields.push(request.headers, key)?;
        let wants = if self.honour_request { Wants::of(request.headers) } else { Wants::default() };
        let no_store = if wants.no_store {
            Some(Reason::RequestNoStore)
        } else {
            self.no_store.fire(request).then_some(Reason::NoStoreRule)
        };
        let authorization = request.headers.contains_key(AUTHORIZATION);
        Ok(Look { personal: keyed.personal, authorization, trimmed: keyed.trimmed, no_store, wants })
    }

    /// What the application may see of the request while it makes a page to be shared: what the key holds, and fields
    /// that it can name in Vary. Of the cookies only those that split the page: whatever the reply says of itself, no
    /// visitor's session can have gone into it. Only for requests that [`Policy::look`] did not pass.
    pub fn outgoing(&self, request: &RequestParts<'_>) -> Outgoing {
        let mut target = request.path.to_vec();
        if let Some(query) = request.query {
            self.query.push(query, false, &mut target);
        }
        let mut origin = Vec::new();
        // An authority that cannot be in a key was passed before.
        let known = push_origin(request.scheme, request.authority, &mut origin).is_ok();
        let authority =
            origin.get(request.scheme.len() + "://".len()..).filter(|_| known).unwrap_or_default();
        let authority = String::from_utf8_lossy(authority).into_owned();
        Outgoing { target: target.into(), authority, headers: self.outgoing_headers(request) }
    }

    fn outgoing_headers(&self, request: &RequestParts<'_>) -> HeaderMap {
        let nominated = nominated(request.headers);
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in request.headers {
            let rewritten = *name == COOKIE || *name == ACCEPT_ENCODING;
            let keyed = self.key_fields.contains(name);
            let seen = (keyed || !is_unkeyed(name)) && !is_hop_by_hop(name) && !nominated.contains(name);
            if !rewritten && (seen || says_what_the_key_says(name, value, request)) {
                headers.append(name, value.clone());
            }
        }
        let codings = vary::accept_encoding(request.headers);
        if !codings.is_empty() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
        let cookies = Cookies::sort(&self.cookies, cookie_lines(request.headers));
        let mut line = Vec::new();
        for cookie in cookies.split() {
            if !line.is_empty() {
                line.extend_from_slice(b"; ");
            }
            line.extend_from_slice(cookie.name);
            line.push(b'=');
            line.extend_from_slice(cookie.value);
        }
        if !line.is_empty()
            && let Ok(line) = HeaderValue::from_maybe_shared(Bytes::from(line))
        {
            headers.insert(COOKIE, line);
        }
        headers
    }
}

impl Look {
    /// Whether this visitor may be given a page of this lifetime at all: one with a personal cookie or Authorization only
    /// if the reply said that it may be shared.
    pub fn may_use(&self, lifetime: &Lifetime) -> bool {
        lifetime.shared || !(self.personal || self.authorization)
    }
}

/// Scheme and host are in the key: fields that only repeat them cannot tell visitors apart, and applications behind a
/// proxy need them (Django's SECURE_PROXY_SSL_HEADER).
fn says_what_the_key_says(name: &HeaderName, value: &HeaderValue, request: &RequestParts<'_>) -> bool {
    match name.as_str() {
        "x-forwarded-proto" => value == request.scheme,
        "x-forwarded-host" => value == request.authority,
        _ => false,
    }
}

pub(crate) fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests;
