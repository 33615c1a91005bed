//! Conditional and range requests (RFC 9110 sections 13 and 14) answered from a whole reply: a stored page or
//! a file.

pub(crate) mod etag;
pub mod multipart;
mod range;

use std::time::{Duration, SystemTime};

use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::date::Date;
pub use range::ByteRange;
use range::RangeSet;

/// The reply that would be sent to the same request without conditions.
#[derive(Clone, Copy, Debug)]
pub struct SelectedRepresentation<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    /// The length of the body, in bytes.
    pub length: u64,
    /// When it was received or, for a file, now: stands in for a missing Date.
    pub received: SystemTime,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A stored reply: "The If-Match and If-Unmodified-Since conditional header fields are not applicable to
    /// a cache." (RFC 9111 section 4.3.2)
    Cache,
    /// A file of our own.
    Origin,
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The whole reply, as it is.
    Full,
    /// 304 with [`headers_for_304`].
    NotModified,
    /// 206 with this part of the body and [`ByteRange::content_range`].
    Partial(ByteRange),
    /// 206 with these parts of the body, two or more, in a [`multipart`] body; or the whole reply.
    Parts(Vec<ByteRange>),
    /// 416 with [`unsatisfiable_range`].
    Unsatisfiable,
    /// 412.
    PreconditionFailed,
}

pub use range::unsatisfiable as unsatisfiable_range;

/// In the order of RFC 9110 section 13.2.2.
pub fn evaluate(method: &Method, request: &HeaderMap, selected: &SelectedRepresentation<'_>) -> Answer {
    let retrieves = *method == Method::GET || *method == Method::HEAD;
    // "A server MUST ignore all received preconditions if its response to the same request without those
    // conditions, prior to processing the request content, would have been a status code other than a 2xx
    // (Successful) or 412" (section
    // 13.2.1). A cache evaluates them for "stored 200 (OK) or 206 (Partial Content) responses" (RFC 9111
    // section 4.3.2).
    if selected.status != StatusCode::OK || !retrieves {
        return Answer::Full;
    }
    if selected.role == Role::Origin && !precondition_holds(request, selected) {
        return Answer::PreconditionFailed;
    }
    if is_unmodified(request, selected) {
        return Answer::NotModified;
    }
    // "A server MUST ignore a Range header field received with a request method that is unrecognized or for
    // which range handling is not defined. For this specification, GET is the only method for which range
    // handling is defined." (section 14.2)
    if *method != Method::GET || !request.contains_key(RANGE) || !if_range_holds(request, selected) {
        return Answer::Full;
    }
    match range::wanted(request, selected.length) {
        RangeSet::All => Answer::Full,
        RangeSet::Part(range) => Answer::Partial(range),
        RangeSet::Parts(ranges) => Answer::Parts(ranges),
        RangeSet::Outside => Answer::Unsatisfiable,
    }
}

/// The fields of a 304 that stands for a reply with these fields.
///
/// RFC 9110 section 15.4.5: "The server generating a 304 response MUST generate any of the following header
/// fields that would have been sent in a 200 (OK) response to the same request: Content-Location, Date, ETag,
/// and Vary; Cache-Control and Expires". "a sender SHOULD NOT generate representation metadata other than the
/// above listed fields unless said metadata exists for the purpose of guiding cache updates (e.g.,
/// Last-Modified might be useful if the response does not have an ETag field)".
pub fn headers_for_304(reply: &HeaderMap) -> HeaderMap {
    const KEPT: &[HeaderName] = &[CONTENT_LOCATION, DATE, ETAG, VARY, CACHE_CONTROL, EXPIRES];
    let mut headers = HeaderMap::with_capacity(KEPT.len() + 2);
    let last_modified = (!reply.contains_key(ETAG)).then_some(LAST_MODIFIED);
    for name in KEPT.iter().chain(&last_modified) {
        for value in reply.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// Steps 1 and 2: If-Match, else If-Unmodified-Since.
fn precondition_holds(request: &HeaderMap, selected: &SelectedRepresentation<'_>) -> bool {
    if request.contains_key(IF_MATCH) {
        return etag::any_matches(request, &IF_MATCH, selected.headers, etag::Comparison::Strong);
    }
    // "A recipient MUST ignore the If-Unmodified-Since header field if the received field value is not a
    // valid HTTP-date" or "if the resource does not have a modification date available" (section 13.1.4).
    let date = |headers, name| Date::of(headers, name, selected.received);
    match (date(request, &IF_UNMODIFIED_SINCE), date(selected.headers, &LAST_MODIFIED)) {
        (Date::Valid(since), Date::Valid(modified)) => modified <= since,
        _ => true,
    }
}

/// Steps 3 and 4: If-None-Match, else If-Modified-Since.
fn is_unmodified(request: &HeaderMap, selected: &SelectedRepresentation<'_>) -> bool {
    // "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match"
    // (section 13.1.2).
    if request.contains_key(IF_NONE_MATCH) {
        return etag::any_matches(request, &IF_NONE_MATCH, selected.headers, etag::Comparison::Weak);
    }
    // "A recipient MUST ignore the If-Modified-Since header field if the received field value is not a valid
    // HTTP-date, the field value has more than one member" (section 13.1.3).
    let date = |headers, name| Date::of(headers, name, selected.received);
    let Date::Valid(since) = date(request, &IF_MODIFIED_SINCE) else { return false };
    match date(selected.headers, &LAST_MODIFIED) {
        // The client may hold what was there earlier in the same second.
        Date::Valid(modified) if modified == since => {
            strong_date(selected.headers, selected.received).is_some()
        }
        Date::Valid(modified) => modified < since,
        Date::Invalid => false,
        // "no Last-Modified header field is present in the selected stored response, but it has a Date field
        // value that is earlier than or equal to the conditional timestamp; or, neither […] but the cache
        // recorded it as having been received at a time earlier than or equal to the conditional timestamp"
        // (RFC 9111 section 4.3.2)
        Date::Absent if selected.role == Role::Cache => {
            date(selected.headers, &DATE).valid().unwrap_or(selected.received) <= since
        }
        Date::Absent => false,
    }
}

/// Step 5: "A recipient of an If-Range header field MUST ignore the Range header field if the If-Range
/// condition evaluates as false. Otherwise, the recipient SHOULD process the Range header field as
/// requested." (section 13.1.5)
fn if_range_holds(request: &HeaderMap, selected: &SelectedRepresentation<'_>) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(validator) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    // "If the entity-tag validator provided exactly matches the ETag field value for the selected
    // representation using the strong comparison function […], the condition is true."
    if let Some(tag) = etag::parse(validator.as_bytes()) {
        return etag::of(selected.headers)
            .is_some_and(|current| etag::Comparison::Strong.holds(&tag, &current));
    }
    // "If the HTTP-date validator provided is not a strong validator in the sense defined by Section 8.8.2.2,
    // the condition is false." "If the HTTP-date validator provided exactly matches the Last-Modified field
    // value […], the condition is true." Strong: the page did not change in the second before it was sent.
    let modified = strong_date(selected.headers, selected.received);
    modified.is_some() && crate::date::parse(validator.as_bytes(), selected.received) == modified
}

/// Last-Modified, where it tells two versions apart: one that is as old as the reply may have been followed
/// by another in the same second.
///
/// RFC 9110 section 8.8.2.2: "The validator is about to be used by an intermediate cache to compare with the
/// validator stored in its cache entry for the representation, and that cache entry includes a Date value
/// which is at least one second after the Last-Modified value".
pub(crate) fn strong_date(reply: &HeaderMap, received: SystemTime) -> Option<SystemTime> {
    let modified = Date::of(reply, &LAST_MODIFIED, received).valid()?;
    let sent = Date::of(reply, &DATE, received).valid().unwrap_or(received);
    sent.duration_since(modified).ok().filter(|between| *between >= Duration::from_secs(1)).map(|_| modified)
}

#[cfg(test)]
mod tests;
