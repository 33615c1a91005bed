//! What a client gets from a page or from the application's reply: conditions and ranges, Age, Cache-Status,
//! and no field that steers caches.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_cache::cache_status::{self, CACHE_STATUS, CacheStatus, Fwd};
use http_cache::conditional::{self, Answer, ByteRange, Role, SelectedRepresentation, multipart};
use http_cache::{Reason, fields};

use crate::application::plain_fields::PlainFields;
use crate::application::{Failure, OriginReply};
use crate::cache::flights::{ServedPage, Source};
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::shared_body::Reader;
use crate::metrics::CacheResult;
use crate::reply::body::{Part, ReplyBody};
use crate::reply::{
    AccelRedirect, KeptBody, Reply, ReplyParts, X_ACCEL_LIMIT_RATE, X_ACCEL_REDIRECT, age, error, holes,
};
use crate::request::Request;

/// A fresh page from L1.
pub(crate) fn hit(request: &Request, page: &Arc<Page>) -> Reply {
    hit_under(&request.method, &request.headers, page)
}

/// Makes the same reply if only the request's conditions are known.
pub(crate) fn hit_under(method: &Method, conditions: &HeaderMap, page: &Arc<Page>) -> Reply {
    let status = hit_status(page.head.lifetime.ttl_at(page.head.age(Instant::now())));
    whole((method, conditions), page, status).noting(CacheResult::Hit)
}

/// A page past its lifetime from L1.
pub(crate) fn stale(request: &Request, page: &Arc<Page>, staleness: Staleness) -> Reply {
    let status = stale_status(&page.head, staleness);
    whole((&request.method, &request.headers), page, status).noting(CacheResult::Stale)
}

/// A stored page that the application has just confirmed. `reason` says why this request had to ask.
pub(crate) fn validated(request: &Request, page: &Arc<Page>, reason: Reason) -> Reply {
    let fwd = if reason == Reason::RequestDirective { Fwd::Request } else { Fwd::Stale };
    let status = CacheStatus { detail: Some(reason), ..validated_status(fwd) };
    whole((&request.method, &request.headers), page, status).noting(CacheResult::Revalidated)
}

/// A page from a flight that this request began (`first`) or joined.
pub(crate) fn served(request: &Request, served: &ServedPage, reader: Reader, first: bool) -> Reply {
    let head = &served.head;
    let now = Instant::now();
    let forwarded = |fwd| CacheStatus::new(cache_status::CacheOutcome::Forwarded(fwd));
    let (status, result) = match served.source {
        Source::Node => (hit_status(head.lifetime.ttl_at(head.age(now))), CacheResult::Hit),
        Source::Stale(staleness) => (stale_status(head, staleness), CacheResult::Stale),
        Source::Waited => {
            (CacheStatus { collapsed: true, ..forwarded(Fwd::UriMiss) }, CacheResult::Collapsed)
        }
        Source::Application { fwd, not_stored } => {
            // Where it is not known yet, nothing is said of it.
            let fate = not_stored.map_or_else(|| reader.fate(), |reason| Some(Err(reason)));
            let status = CacheStatus {
                fwd_status: Some(head.status),
                stored: fate == Some(Ok(())),
                collapsed: !first,
                detail: fate.and_then(Result::err),
                ..forwarded(fwd)
            };
            (status, if first { CacheResult::Miss } else { CacheResult::Collapsed })
        }
        Source::Validated { fwd } => {
            let status = CacheStatus { collapsed: !first, ..validated_status(fwd) };
            (status, if first { CacheResult::Revalidated } else { CacheResult::Collapsed })
        }
    };
    let mut headers = head.headers.clone();
    fields::client_headers(&mut headers);
    let length = served.length.or_else(|| reader.length());
    let mut conditions = Cow::Borrowed(&request.headers);
    let holes = holes::declared(&head.headers);
    if holes.is_some() {
        conditions = Cow::Owned(HeaderMap::new());
    }
    if length.is_none() && conditions.contains_key(RANGE) {
        // The page is still arriving and its length is unknown: a range of it is not answered (RFC 9110
        // section 14.2 allows it).
        conditions.to_mut().remove(RANGE);
    }
    let selected = selected(head, &headers, length.unwrap_or(0), now);
    let mut reply = match conditional::evaluate(&request.method, &conditions, &selected) {
        Answer::NotModified => not_modified(&headers),
        Answer::PreconditionFailed => precondition_failed(),
        Answer::Partial(range) => part(
            ReplyParts::new(head.status, headers, ReplyBody::Growing(reader)),
            &range,
            length.unwrap_or(0),
        ),
        Answer::Unsatisfiable => unsatisfiable(length.unwrap_or(0)),
        _ => ReplyParts::new(head.status, headers, ReplyBody::Growing(reader)).with_length(length),
    };
    reply.holes = holes;
    if first {
        reply.note.upstream.clone_from(&served.upstream);
    }
    for (name, value) in served.own.iter().filter(|_| first) {
        reply.headers.append(name, value.clone());
    }
    marked(reply, head.age(now), &status).noting(result)
}

/// The part that the request's range names of a reply whose length is known.
pub(crate) fn in_part(reply: Reply, request: &Request) -> Reply {
    let (Some(length), ReplyBody::Origin(_), None) = (reply.length, &reply.body, &reply.elsewhere) else {
        return reply;
    };
    if reply.holes.is_some() {
        return reply;
    }
    let (received, role) = (SystemTime::now(), Role::Cache);
    let selected =
        SelectedRepresentation { status: reply.status, headers: &reply.headers, length, received, role };
    match conditional::evaluate(&request.method, &request.headers, &selected) {
        Answer::Partial(range) => part(reply, &range, length),
        _ => reply,
    }
}

/// 206 with a part of a body that is still arriving.
fn part(mut reply: Reply, range: &ByteRange, length: u64) -> Reply {
    reply.status = StatusCode::PARTIAL_CONTENT;
    reply.headers.insert(CONTENT_RANGE, range.content_range(length));
    let wanted = range.last - range.first + 1;
    let whole = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    reply.body = ReplyBody::Part(Box::new(Part::of(whole, range.first, wanted)));
    reply.length = Some(wanted);
    reply
}

fn unsatisfiable(length: u64) -> Reply {
    let why = "The requested range is beyond the end of the page.";
    let mut reply = error::page(StatusCode::RANGE_NOT_SATISFIABLE, why);
    reply.headers.insert(CONTENT_RANGE, conditional::unsatisfiable_range(length));
    reply
}

/// The application's reply for one visitor alone. `reason` says why it is not cached; `None`: the location
/// has no cache.
pub(crate) fn relayed(reply: OriginReply, reason: Option<Reason>) -> Reply {
    let OriginReply { status, mut headers, plain, body, upstream, .. } = reply;
    if let Some(PlainFields { lines, length }) = plain {
        let body = ReplyBody::Origin(Box::new(body));
        let mut through =
            ReplyParts::new(status, headers, body).with_length(length).noting(CacheResult::Bypass);
        through.lines = lines;
        through.note.upstream = Some(upstream);
        return through;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Few replies steer. To ask the map for each name costs more than to look at what is there.
    let (elsewhere, told_rate) = match headers.keys().any(|name| name.as_str().starts_with("x-accel-")) {
        true => (headers.remove(X_ACCEL_REDIRECT), headers.remove(X_ACCEL_LIMIT_RATE)),
        false => (None, None),
    };
    let holes = holes::declared(&headers);
    fields::client_headers(&mut headers);
    let mut relayed = ReplyParts::new(status, headers, ReplyBody::Origin(Box::new(body))).with_length(length);
    relayed.holes = holes;
    relayed.note.upstream = Some(upstream);
    relayed.told_rate = told_rate;
    relayed.elsewhere = elsewhere.map(|target| Box::new(AccelRedirect { target, request: None }));
    let Some(reason) = reason else {
        return relayed.noting(CacheResult::Bypass);
    };
    let cache_status = CacheStatus { fwd_status: Some(status), ..CacheStatus::passed(reason) };
    mark(&mut relayed, &cache_status);
    relayed.noting(CacheResult::Pass)
}

/// Says in Cache-Status which field sent the request past the cache.
pub(crate) fn naming(mut reply: Reply, field: Option<&HeaderName>) -> Reply {
    let (Some(status), Some(field)) = (reply.note.cache_status, field) else { return reply };
    let mut lines: Vec<_> = reply.headers.get_all(CACHE_STATUS).iter().cloned().collect();
    // Ours is the last of the list.
    lines.pop();
    lines.push(status.to_value_naming(field));
    reply.headers.remove(CACHE_STATUS);
    for line in lines {
        reply.headers.append(CACHE_STATUS, line);
    }
    reply
}

/// `OPTIONS *`: what this server supports in general (RFC 9110 section 9.3.7).
pub(crate) fn about_the_server() -> Reply {
    let methods = HeaderValue::from_static(error::METHODS);
    ReplyParts::new(StatusCode::NO_CONTENT, HeaderMap::from_iter([(ALLOW, methods)]), ReplyBody::Empty)
}

/// The application failed a request that bypassed the cache. `reason` says why it did; `None`: the location
/// has no cache.
pub(crate) fn failed(failure: &Failure, reason: Option<Reason>) -> Reply {
    let mut reply = error::application(failure).noting(CacheResult::Error);
    if let Some(reason) = reason {
        mark(&mut reply, &CacheStatus::passed(reason));
    }
    reply
}

/// The application failed a fill, and no stale page could replace it.
pub(crate) fn failed_fill(failure: &Failure) -> Reply {
    let mut reply = error::application(failure).noting(CacheResult::Error);
    let forwarded = CacheStatus::new(cache_status::CacheOutcome::Forwarded(Fwd::UriMiss));
    mark(&mut reply, &CacheStatus { detail: Some(Reason::OriginFailed), ..forwarded });
    reply
}

/// `only-if-cached`, and no page is stored: "respond with either a stored response consistent with the other
/// constraints of the request or a 504 (Gateway Timeout) status code" (RFC 9111 section 5.2.1.7).
pub(crate) fn nothing_stored() -> Reply {
    let mut reply = error::nothing_stored();
    mark(&mut reply, &CacheStatus::nothing_stored());
    reply
}

/// A stored page with the request's conditions and ranges applied.
fn whole((method, conditions): (&Method, &HeaderMap), page: &Arc<Page>, status: CacheStatus) -> Reply {
    let now = Instant::now();
    let length = page.body.len() as u64;
    let selected = selected(&page.head, &page.headers, length, now);
    // What a visitor holds or has a part of is one with other values in its holes.
    let none = HeaderMap::new();
    let conditions = if page.holes.is_some() { &none } else { conditions };
    let reply = match conditional::evaluate(method, conditions, &selected) {
        Answer::Full => {
            ReplyParts::new(page.head.status, page.headers.clone(), ReplyBody::Whole(page.body.clone()))
        }
        Answer::NotModified => not_modified(&page.headers),
        Answer::PreconditionFailed => precondition_failed(),
        Answer::Partial(range) => {
            let mut headers = page.headers.clone();
            headers.insert(CONTENT_RANGE, range.content_range(length));
            let part: Bytes = page.body.slice(range.first as usize..=range.last as usize);
            ReplyParts::new(StatusCode::PARTIAL_CONTENT, headers, ReplyBody::Whole(part))
        }
        Answer::Parts(ranges) => {
            let boundary = format!("{:032x}", rand::random::<u128>());
            let mut headers = page.headers.clone();
            let body = multipart::body(&ranges, &page.body, headers.get(CONTENT_TYPE), &boundary);
            if let Some(media_type) = multipart::media_type(&boundary) {
                headers.insert(CONTENT_TYPE, media_type);
            }
            ReplyParts::new(StatusCode::PARTIAL_CONTENT, headers, ReplyBody::Whole(body))
        }
        Answer::Unsatisfiable => unsatisfiable(length),
    };
    let mut reply = marked(reply, page.head.age(now), &status);
    reply.kept = Some(KeptBody::Page(page.clone()));
    reply.holes.clone_from(&page.holes);
    reply
}

fn selected<'a>(
    head: &PageHead,
    headers: &'a HeaderMap,
    length: u64,
    now: Instant,
) -> SelectedRepresentation<'a> {
    let received = SystemTime::now().checked_sub(head.age(now)).unwrap_or(SystemTime::UNIX_EPOCH);
    SelectedRepresentation { status: head.status, headers, length, received, role: Role::Cache }
}

fn not_modified(headers: &HeaderMap) -> Reply {
    ReplyParts::new(StatusCode::NOT_MODIFIED, conditional::headers_for_304(headers), ReplyBody::Empty)
}

fn precondition_failed() -> Reply {
    error::page(StatusCode::PRECONDITION_FAILED, "The page does not meet the conditions of the request.")
}

/// A fresh page, in the words of RFC 9211.
/// `ttl`: seconds of freshness left.
pub(crate) fn hit_status(ttl: i64) -> CacheStatus {
    CacheStatus { ttl: Some(ttl), ..CacheStatus::new(cache_status::CacheOutcome::Hit) }
}

fn validated_status(fwd: Fwd) -> CacheStatus {
    let forwarded = CacheStatus::new(cache_status::CacheOutcome::Forwarded(fwd));
    CacheStatus { fwd_status: Some(StatusCode::NOT_MODIFIED), stored: true, ..forwarded }
}

fn stale_status(head: &PageHead, staleness: Staleness) -> CacheStatus {
    // A soft purge ended its lifetime before its time.
    let ttl = Some(head.lifetime.ttl_at(head.age(Instant::now())).min(-1));
    match staleness {
        Staleness::Revalidating => {
            CacheStatus { ttl, ..CacheStatus::new(cache_status::CacheOutcome::Updating) }
        }
        Staleness::Failing(why) => {
            let detail = Some(why);
            CacheStatus { ttl, detail, ..CacheStatus::new(cache_status::CacheOutcome::StaleOnError) }
        }
    }
}

fn marked(mut reply: Reply, age: Duration, status: &CacheStatus) -> Reply {
    age::write(&mut reply.headers, age);
    mark(&mut reply, status);
    reply
}

fn mark(reply: &mut Reply, status: &CacheStatus) {
    // "each cache that generates it should add a member to the end of the list" (RFC 9211 section 2): append,
    // not insert.
    reply.headers.append(CACHE_STATUS, status.to_value());
    reply.note.cache_status = Some(*status);
}
