//! Revalidation (RFC 9111 section 4.3): asking whether a stored reply still holds, and what a 304 changes in
//! it.

use std::time::SystemTime;

use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::conditional::etag::{self, Comparison};
use crate::conditional::strong_date;
use crate::fields::{is_hop_by_hop, nominated};
use crate::holes::{WEIR_HOLES, nonce};
use crate::tags;

/// The most stored replies that one request names.
const MAX_VARIANTS: usize = 16;

/// Whether a reply, received at `received`, carries something to ask by whether it still holds.
pub fn has_validator(reply: &HeaderMap, received: SystemTime) -> bool {
    etag::of(reply).is_some() || strong_date(reply, received).is_some()
}

/// Makes `request` conditional on stored replies that it could have been given. False if they carry no
/// validator: the request is then as it was.
pub fn make_conditional(request: &mut HeaderMap, stored: &[&HeaderMap], now: SystemTime) -> bool {
    // "MUST send the relevant entity tags (using If-Match, If-None-Match, or If-Range) if the entity tags
    // were provided in the stored response(s) being validated." (section 4.3.1)
    let tags = stored.iter().filter(|reply| etag::of(reply).is_some()).filter_map(|reply| reply.get(ETAG));
    let tags: Vec<&[u8]> = tags.take(MAX_VARIANTS).map(HeaderValue::as_bytes).collect();
    if let Ok(list) = HeaderValue::from_bytes(&tags.join(&b", "[..]))
        && !tags.is_empty()
    {
        request.insert(IF_NONE_MATCH, list);
    }
    // "SHOULD send the Last-Modified value (using If-Modified-Since) if the request is not for a subrange, a
    // single stored response is being validated, and that response contains a Last-Modified value." (section
    // 4.3.1)
    if let [reply] = stored
        && reply.contains_key(DATE)
        && strong_date(reply, now).is_some()
        && let Some(modified) = reply.get(LAST_MODIFIED)
    {
        request.insert(IF_MODIFIED_SINCE, modified.clone());
    }
    request.contains_key(IF_NONE_MATCH) || request.contains_key(IF_MODIFIED_SINCE)
}

/// The fields of a stored reply after a 304, as if the application had sent the whole reply anew: to be
/// judged with [`crate::Policy::reply`] (status 200) and kept with [`crate::fields::stored_headers`].
///
/// None if the 304 is not about this reply, which must then not be used: ask again without conditions. `only`
/// says that no other stored reply was named in the request.
pub fn freshen(
    stored: &HeaderMap,
    not_modified: &HeaderMap,
    only: bool,
    now: SystemTime,
) -> Option<HeaderMap> {
    is_about(stored, not_modified, only).then(|| update(stored, not_modified, now))
}

/// Freshens a stored reply after a HEAD with status 200 (section 4.3.5). None: the stored reply is no longer
/// the current one.
pub fn freshen_by_head(
    stored: &HeaderMap,
    length: u64,
    head: &HeaderMap,
    now: SystemTime,
) -> Option<HeaderMap> {
    // "if the stored response and HEAD response have matching values for any received validator fields (ETag
    // and Last-Modified) and, if the HEAD response has a Content-Length header field, the value of
    // Content-Length matches that of the stored response, the cache SHOULD update the stored response as
    // described below; otherwise, the cache SHOULD consider the stored response to be stale."
    let agrees = |name: &HeaderName| !head.contains_key(name) || head.get(name) == stored.get(name);
    let same_length =
        head.get(CONTENT_LENGTH).is_none_or(|said| said.as_bytes() == length.to_string().as_bytes());
    (agrees(&ETAG) && agrees(&LAST_MODIFIED) && same_length).then(|| update(stored, head, now))
}

/// Which stored reply a 304 is about (section 4.3.4).
fn is_about(stored: &HeaderMap, not_modified: &HeaderMap, only: bool) -> bool {
    if let Some(validated) = etag::of(not_modified) {
        // "If the new response contains one or more strong validators, then each of those strong validators
        // identifies a selected representation for update. […] If none of the initial set contains at least
        // one of the same strong validators, then the cache MUST NOT use the new response to update any
        // stored responses." "If the new response contains no strong validators but does contain one or more
        // weak validators, and those validators correspond to one of the initial set's stored responses, then
        // the most recent of those matching stored responses is identified for update."
        let by = if validated.is_weak() { Comparison::Weak } else { Comparison::Strong };
        return etag::of(stored).is_some_and(|current| by.holds(&validated, &current));
    }
    if let Some(modified) = not_modified.get(LAST_MODIFIED) {
        return stored.get(LAST_MODIFIED) == Some(modified);
    }
    // "If the new response does not include any form of validator […], and there is only one stored response
    // in the initial set, and that stored response also lacks a validator, then that stored response is
    // identified for update." Some servers leave the ETag out of their 304: where the request named one
    // stored reply, it can be about no other.
    only
}

/// "the cache MUST add each header field in the provided response to the stored response, replacing field
/// values that are already present, with the following exceptions: Header fields excepted from storage in
/// Section 3.1, Header fields that the cache's stored response depends upon, […] and The Content-Length
/// header field." (section 3.2)
fn update(stored: &HeaderMap, newer: &HeaderMap, now: SystemTime) -> HeaderMap {
    // The body is kept as it came, so what describes it is too. The search for a CSRF token depended on
    // Content-Type.
    const KEPT: &[HeaderName] = &[CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG];
    let nominated = nominated(newer);
    let mut updated = stored.clone();
    // Both tell of the time of validation: a stored value must not outlive it.
    updated.remove(DATE);
    updated.remove(AGE);
    let has_holes = stored.contains_key(WEIR_HOLES);
    for name in newer.keys() {
        let of_body = KEPT.contains(name) || *name == WEIR_HOLES || (has_holes && nonce::is_policy(name));
        if of_body || is_hop_by_hop(name) || nominated.contains(name) {
            continue;
        }
        updated.remove(name);
        for value in newer.get_all(name) {
            updated.append(name, value.clone());
        }
        if *name == VARY || tags::is_field(name) {
            keep_lines(stored, name, &mut updated);
        }
    }
    if !updated.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
    {
        updated.insert(DATE, date);
    }
    updated
}

/// "Header fields that the cache's stored response depends upon": by which the page was chosen it stays
/// chosen, and of what it was made it can be purged, whether or not the newer reply repeats it. A 304 that an
/// outer layer of the application makes names less: it has looked at less.
fn keep_lines(stored: &HeaderMap, name: &HeaderName, updated: &mut HeaderMap) {
    for value in stored.get_all(name) {
        // Each 304 would add a line to a page that lives long.
        if !updated.get_all(name).iter().any(|known| known == value) {
            updated.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests;
