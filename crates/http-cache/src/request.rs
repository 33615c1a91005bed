//! May this request be answered from the cache, under which key, and what may the application see of it?

mod hidden;

use std::io::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_LENGTH, COOKIE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use http1::uri::{normal_path, normal_query};

use crate::fields::nominated;
use crate::key::{Cookies, push_origin};
use crate::parts::{RequestParts, cookie_lines};
use crate::policy::ClientAddress;
use crate::policy::fields::{FieldClass, is_apart};
use crate::{Key, Lifetime, Policy, Reason, Wants, vary};
use hidden::HiddenKind;
pub use hidden::ReplyManner;

/// What the hot path needs to know of a request besides its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestSummary {
    /// Carries a personal cookie.
    pub personal: bool,
    /// Carries Authorization.
    pub authorization: bool,
    /// The application does not see cookies, query parameters or fields of the visitor's that were sent.
    pub trimmed: bool,
    /// The application does not see fields that were sent and tell by which way the request came.
    pub way: bool,
    /// Answer from the cache if possible, but do not store a reply to this request.
    pub no_store: Option<Reason>,
    /// What the request asks of the cache, where the location honours it.
    pub wants: Wants,
}

/// What goes to the application, as a GET, for a page to be shared.
#[derive(Clone, Debug)]
pub struct OriginRequest {
    /// Path and query: in the normal form, without the ignored parameters.
    pub target: Bytes,
    /// What the client asked for, likewise, if rules have made another target of it.
    pub request_uri: Option<Bytes>,
    /// The host as it stands in the key.
    pub authority: String,
    pub headers: HeaderMap,
    /// The client's address where it is in the key; none: the application sees nobody's.
    pub client: Option<IpAddr>,
    /// Accept-Language as it was sent, where `headers` has a language of the page in its place.
    pub sent_languages: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
pub struct SharedRequest {
    pub key: Key,
    pub look: RequestSummary,
    pub outgoing: OriginRequest,
}

impl OriginRequest {
    /// Asks for the page in this language.
    pub fn in_language(&mut self, language: HeaderValue) {
        self.sent_languages = self.headers.insert(ACCEPT_LANGUAGE, language);
    }

    /// The fields as they were sent, if they are others.
    pub fn as_sent(&self) -> Option<HeaderMap> {
        let sent = self.sent_languages.as_ref()?;
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT_LANGUAGE, sent.clone());
        Some(headers)
    }
}

impl Policy {
    /// The request as the cache takes it. An error is the reason to send it straight to the application.
    pub fn request(&self, request: &RequestParts<'_>) -> Result<SharedRequest, Reason> {
        let mut key = Vec::with_capacity(128);
        let look = self.look(request, &mut key)?;
        Ok(SharedRequest { key: Key::new(key), look, outgoing: self.outgoing(request) })
    }

    /// Appends the key to `key`, and says how a stored page may be used. An error is the reason to bypass the
    /// cache.
    pub fn look(&self, request: &RequestParts<'_>, key: &mut Vec<u8>) -> Result<RequestSummary, Reason> {
        // RFC 9111 section 3: "the request method is understood by the cache"
        if !self.methods.contains(request.method) {
            return Err(Reason::Method);
        }
        // RFC 9110 section 9.3.1: "content received in a GET request has no generally defined semantics,
        // cannot alter the meaning or target of the request": but some applications let it.
        let length = request.headers.get(CONTENT_LENGTH);
        if length.is_some_and(|length| length != "0") || request.headers.contains_key(TRANSFER_ENCODING) {
            return Err(Reason::RequestBody);
        }
        if self.bypass.fire(request) {
            return Err(Reason::Bypass);
        }
        let hidden = self.hidden(request)?;
        let cookies = cookie_lines(request.headers);
        let keyed = self.key(request.target(), cookies, key)?;
        self.fields.push(request.headers, key)?;
        if self.client == ClientAddress::Split {
            // Behind a byte that neither a cookie nor a field begins with. Writing to a Vec cannot fail.
            let _ = write!(key, "\0\x02{}", request.client);
        }
        let wants = if self.honour_request { Wants::of(request.headers) } else { Wants::default() };
        let no_store = if wants.no_store {
            Some(Reason::RequestNoStore)
        } else {
            self.no_store.fire(request).then_some(Reason::NoStoreRule)
        };
        let authorization = request.headers.contains_key(AUTHORIZATION);
        let trimmed = keyed.trimmed || hidden.visitor;
        Ok(RequestSummary {
            personal: keyed.personal,
            authorization,
            trimmed,
            way: hidden.way,
            no_store,
            wants,
        })
    }

    /// Which of the fields the application does not see. The error: one of them tells who asks, or may.
    fn hidden(&self, request: &RequestParts<'_>) -> Result<HiddenFields, Reason> {
        let mut hidden = HiddenFields::default();
        for name in request.headers.keys().filter(|name| !is_apart(name)) {
            match self.fields.class(name.as_str().as_bytes()) {
                FieldClass::Personal => return Err(Reason::PersonalField),
                FieldClass::Ignore => match HiddenKind::of(name) {
                    HiddenKind::Nothing => {}
                    HiddenKind::Visitor => hidden.visitor = true,
                    HiddenKind::Way => hidden.way = true,
                },
                FieldClass::Split | FieldClass::Vary => {}
            }
        }
        Ok(hidden)
    }

    /// What the application may see of the request while it makes a page to be shared: what the key holds,
    /// and fields that it can name in Vary. Of the cookies only those that split the page: whatever the reply
    /// says of itself, no visitor's session can have gone into it. Only for requests that [`Policy::look`]
    /// did not pass.
    pub fn outgoing(&self, request: &RequestParts<'_>) -> OriginRequest {
        // A target that cannot be in a key was passed before.
        let mut target = normal_path(request.path).unwrap_or_default().into_owned();
        if let Some(query) = request.query {
            self.query.push(&normal_query(query).unwrap_or_default(), false, &mut target);
        }
        let mut origin = Vec::new();
        // An authority that cannot be in a key was passed before.
        let known = push_origin(request.scheme, request.authority, &mut origin).is_ok();
        let authority =
            origin.get(request.scheme.len() + "://".len()..).filter(|_| known).unwrap_or_default();
        let authority = String::from_utf8_lossy(authority).into_owned();
        let client = (self.client == ClientAddress::Split).then_some(request.client);
        OriginRequest {
            target: target.into(),
            request_uri: None,
            authority,
            headers: self.outgoing_headers(request),
            client,
            sent_languages: None,
        }
    }

    fn outgoing_headers(&self, request: &RequestParts<'_>) -> HeaderMap {
        let nominated = nominated(request.headers);
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in request.headers {
            let apart = is_apart(name) && *name != AUTHORIZATION;
            if apart || *name == ACCEPT_ENCODING || nominated.contains(name) {
                continue;
            }
            if self.seen(name) {
                headers.append(name, value.clone());
            }
        }
        self.languages.reduce(&mut headers);
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

    /// Whether the application sees this field while it makes a page to be shared.
    fn seen(&self, name: &HeaderName) -> bool {
        *name == AUTHORIZATION
            || matches!(self.fields.class(name.as_str().as_bytes()), FieldClass::Split | FieldClass::Vary)
    }

    /// The fields of a request that Vary names, as the application has seen them: what [`vary::selected`]
    /// compares, where [`Policy::outgoing`] has not been made.
    pub fn selecting<'a>(
        &self,
        names: &[HeaderName],
        request: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in request {
            let wanted = names.iter().find(|wanted| wanted.as_str().eq_ignore_ascii_case(name));
            if let Some(name) = wanted.filter(|name| self.seen(name))
                && let Ok(value) = HeaderValue::from_bytes(value)
            {
                fields.append(name, value);
            }
        }
        self.languages.reduce(&mut fields);
        fields
    }
}

/// Whether some of the fields that were sent are not seen by the application.
#[derive(Clone, Copy, Debug, Default)]
struct HiddenFields {
    visitor: bool,
    way: bool,
}

impl RequestSummary {
    /// Whether this visitor may be given a page of this lifetime at all: one with a personal cookie or
    /// Authorization only if the reply said that it may be shared.
    pub fn may_use(&self, lifetime: &Lifetime) -> bool {
        lifetime.shared || !(self.personal || self.authorization)
    }
}

#[cfg(test)]
mod tests;
