//! Compresses a reply where its location says so (`compress`) and the client accepts it.
//!
//! The copy of a page or file that is kept is made once. Other bodies are coded as they arrive.
//!
//! A compressed body tells by its length what is in it: who can put text into a visitor's page and see its
//! length can guess a secret in it (BREACH). Unless the location says `personal = true`, what is one
//! visitor's own is sent as it is.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH, IF_RANGE,
    SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_cache::{CookieClass, CookieRules, csrf};
use http1::head::{Head, KnownField};
use process::wait::within;

use crate::cache::page::Page;
use crate::coding::encoder::Encoder;
use crate::coding::rule::{Compress, has_directive};
use crate::coding::work::CodingCapacity;
use crate::coding::{Coding, Codings, head};
use crate::reply::body::coded::CodedBody;
use crate::reply::body::filled::FilledBody;
use crate::reply::body::{BegunBody, ReplyBody};
use crate::reply::{KeptBody, Reply};
use crate::request::Request;

/// How long it is waited for the end of a page that must be searched for a CSRF token first.
const MOMENT: Duration = Duration::from_millis(50);
/// The most of such a page that is held back meanwhile.
const MOST_SEARCHED: usize = 256 * 1024;
/// The most that a window for a body whose length is known may be.
const KNOWN_LENGTH: u64 = 256 * 1024;

/// Cookies where a location has no rules of its own for them.
static COOKIES: LazyLock<CookieRules> = LazyLock::new(CookieRules::default);

/// What a request says about codings, saved while the handler owns the request itself.
pub(crate) struct CodingRequest {
    accepted: Codings,
    /// The client can take a body of unknown length, and forbids nothing.
    may_change: bool,
    head_only: bool,
    authorization: bool,
    cookies: Vec<HeaderValue>,
    /// Validators of what the client holds.
    held: Vec<HeaderValue>,
    /// It wants the rest of what it holds, which it names by a date only.
    resumes_by_date: bool,
}

impl CodingRequest {
    pub(crate) fn of(method: &Method, version: Version, headers: &HeaderMap) -> Self {
        let all = |name| headers.get_all(name).iter().cloned().collect();
        Self {
            accepted: Codings::accepted_by(headers),
            may_change: version >= Version::HTTP_11 && !has_directive(headers, "no-transform"),
            head_only: *method == Method::HEAD,
            authorization: headers.contains_key(AUTHORIZATION),
            cookies: all(COOKIE),
            held: all(IF_NONE_MATCH),
            resumes_by_date: headers.get(IF_RANGE).is_some_and(|held| {
                !held.as_bytes().starts_with(b"\"") && !held.as_bytes().starts_with(b"W/")
            }),
        }
    }

    fn coding(&self, rule: &Compress) -> Option<Coding> {
        self.accepted.best(&rule.codings).filter(|_| self.may_change)
    }

    /// A stored page with holes is kept in gzip, in pieces. To code it anew for each request in another
    /// coding would let visitors keep the processors busy. Before it is stored, a page that holds a visitor's
    /// own text is not coded at all: tokens look random each time, texts do not (BREACH).
    fn coding_of(&self, rule: &Compress, reply: &Reply) -> Option<Coding> {
        let best = self.coding(rule)?;
        let Some(holes) = &reply.holes else { return Some(best) };
        if !matches!(reply.kept, Some(KeptBody::Page(_))) {
            return Some(best).filter(|_| rule.personal || !holes.have_values());
        }
        let gzip = rule.codings.contains(&Coding::Gzip) && self.accepted.contains(Coding::Gzip);
        gzip.then_some(Coding::Gzip)
    }

    /// Whether what it holds, and wants a part more of, was coded here, for all that its date says: one date
    /// stands for all codings of a page (RFC 9110 section 8.8.1).
    fn may_hold_coded(&self, rule: &Compress, reply: &Reply) -> bool {
        self.resumes_by_date && self.coding(rule).is_some() && (rule.personal || !self.is_personal(reply))
    }

    /// Whether the reply may hold what only this visitor may know.
    fn is_personal(&self, reply: &Reply) -> bool {
        // The cookie of a page with holes is not in the page, and what fills them looks random each time.
        let for_all = is_for_all(reply);
        if reply.headers.contains_key(SET_COOKIE) && !(for_all && reply.holes.is_some()) {
            return true;
        }
        if for_all {
            return false;
        }
        let policy = reply.note.location.as_ref().and_then(|location| location.cache.as_ref());
        let rules = policy.map_or_else(|| &*COOKIES, |policy| &policy.cookies);
        let is_personal = |line: &HeaderValue| {
            rules.classes(line.as_bytes()).any(|(_, class)| class == CookieClass::Personal)
        };
        self.authorization || has_directive(&reply.headers, "private") || self.cookies.iter().any(is_personal)
    }
}

/// Whether the client wants the rest of what it holds, names that by a date only, and may hold it compressed.
pub(crate) fn resumes_coded(rule: &Compress, request: &Request) -> bool {
    let wanted = CodingRequest::of(&request.method, request.version, &request.headers);
    wanted.resumes_by_date && wanted.coding(rule).is_some()
}

/// Compresses the reply, if the location says so.
pub(crate) async fn apply(works: &Arc<CodingCapacity>, wanted: &CodingRequest, mut reply: Reply) -> Reply {
    let Some(rule) = reply.note.location.as_ref().and_then(|location| location.compress.clone()) else {
        return reply;
    };
    if reply.status == StatusCode::NOT_MODIFIED {
        not_modified(&rule, wanted, &mut reply);
        return reply;
    }
    let whole = match &reply.kept {
        // Several parts have a type of their own.
        Some(KeptBody::Page(page)) => &page.headers,
        _ => &reply.headers,
    };
    if reply.status == StatusCode::PARTIAL_CONTENT && rule.may_change(whole) {
        head::varies(&mut reply.headers);
        if !wanted.may_hold_coded(&rule, &reply) || !whole_again(&mut reply) {
            return reply;
        }
    }
    if !rule.suits(reply.status, &reply.headers, reply.length) {
        return reply;
    }
    head::varies(&mut reply.headers);
    let Some(coding) = wanted.coding_of(&rule, &reply) else { return reply };
    if !rule.personal && wanted.is_personal(&reply) {
        return reply;
    }
    coded(works, &rule, coding, wanted.head_only, reply).await
}

/// What [`apply`] makes of the reply of a file in memory. `None`: its body has not been coded yet.
pub(crate) fn from_memory(rule: &Compress, asked: &Head<'_>, mut reply: Reply) -> Option<Reply> {
    let whole =
        matches!(reply.status, StatusCode::OK) && rule.suits(reply.status, &reply.headers, reply.length);
    let Some(KeptBody::File(kept)) = reply.kept.as_ref().filter(|_| whole) else {
        return (!rule.may_change(&reply.headers) && reply.status != StatusCode::NOT_MODIFIED)
            .then_some(reply);
    };
    let copy = match accepted(rule, asked) {
        Some(coding) => kept.peek(coding)?.cloned().map(|copy| (coding, copy)),
        None => None,
    };
    head::varies(&mut reply.headers);
    if let Some((coding, copy)) = copy {
        replace(&mut reply, coding, copy);
    }
    Some(reply)
}

/// The page as the client gets it. `None`: its body has not been coded yet, or a part of it is asked for.
pub(crate) fn variant(rule: &Compress, asked: &Head<'_>, page: &Arc<Page>) -> Option<Arc<Page>> {
    // A part is one of the page as it is, and the handler knows whether it will be a part.
    if asked.seen.has(KnownField::Range) { None } else { page.variant(rule, accepted(rule, asked)) }
}

fn accepted(rule: &Compress, asked: &Head<'_>) -> Option<Coding> {
    let no_transform =
        |value: &[u8]| value.windows(12).any(|word| word.eq_ignore_ascii_case(b"no-transform"));
    if Version::from(asked.version) < Version::HTTP_11
        || (asked.seen.has(KnownField::CacheControl)
            && asked.fields.values(KnownField::CacheControl).any(no_transform))
    {
        return None;
    }
    Codings::of_lines(asked.fields.values(KnownField::AcceptEncoding)).best(&rule.codings)
}

/// A 304 has the fields that the 200 would have had (RFC 9110 section 15.4.5).
fn not_modified(rule: &Compress, wanted: &CodingRequest, reply: &mut Reply) {
    if let Some(KeptBody::Page(page)) = &reply.kept {
        if rule.suits(page.head.status, &page.headers, Some(page.body.len() as u64)) {
            head::varies(&mut reply.headers);
            let coding =
                wanted.coding(rule).filter(|_| !page.headers.contains_key(SET_COOKIE) || rule.personal);
            if coding.is_some_and(|coding| page.coded.peek(coding) != Some(None)) {
                head::weaken(&mut reply.headers);
            }
        }
        return;
    }
    let Some(tag) = reply.headers.get(ETAG).map(|tag| tag.as_bytes().to_vec()) else { return };
    let holds_weak = wanted.held.iter().any(|line| {
        let weak = [b"W/", tag.as_slice()].concat();
        line.as_bytes().split(|byte| *byte == b',').any(|held| held.trim_ascii() == weak)
    });
    if holds_weak {
        // What it holds was coded here.
        head::varies(&mut reply.headers);
        head::weaken(&mut reply.headers);
    }
}

/// Makes the whole reply again of one that is a part. False: the rest of it is not here.
fn whole_again(reply: &mut Reply) -> bool {
    if let Some(KeptBody::Page(page)) = &reply.kept {
        if let Some(media_type) = page.headers.get(CONTENT_TYPE) {
            reply.headers.insert(CONTENT_TYPE, media_type.clone());
        }
        (reply.length, reply.body) = (Some(page.body.len() as u64), ReplyBody::Whole(page.body.clone()));
    } else if let ReplyBody::Part(part) = &mut reply.body {
        let range = reply.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        reply.length = range.and_then(|range| range.rsplit('/').next()?.parse().ok());
        reply.body = std::mem::replace(part.whole(), ReplyBody::Empty);
    } else {
        return false;
    }
    reply.headers.remove(CONTENT_RANGE);
    reply.status = StatusCode::OK;
    true
}

async fn coded(
    works: &Arc<CodingCapacity>,
    rule: &Compress,
    coding: Coding,
    head_only: bool,
    mut reply: Reply,
) -> Reply {
    let to_fill = if coding == Coding::Gzip { to_fill(&reply) } else { None };
    if let Some((page, values)) = to_fill
        && let Some(pieces) = page.gzip_pieces(works, rule.level).await
    {
        return in_pieces(reply, pieces.filled(&values));
    }
    if !rule.personal && reply.holes.as_ref().is_some_and(|holes| holes.have_values()) {
        return reply;
    }
    if let Some(reader) = reply.body.growing()
        && !rule.personal
        && !within(MOMENT, reader.is_for_all()).await.unwrap_or(false)
    {
        return reply;
    }
    if let ReplyBody::Growing(reader) = &reply.body {
        if let Some(body) = reader.complete()
            && let Some(copy) = body.coded().get(works, coding, rule.level, || body.whole_body()).await
        {
            replace(&mut reply, coding, copy);
            return reply;
        }
    } else if let ReplyBody::Whole(body) = &reply.body {
        let copy = match &reply.kept {
            Some(KeptBody::Page(page)) => {
                page.coded.get(works, coding, rule.level, || Some(body.clone())).await
            }
            Some(KeptBody::File(kept)) => kept.get(works, coding, rule.level, || Some(body.clone())).await,
            None => works.whole(coding, rule.level, body).await.ok().filter(|copy| copy.len() < body.len()),
        };
        if let Some(copy) = copy {
            replace(&mut reply, coding, copy);
        }
        return reply;
    }
    if head_only {
        let kept = match &reply.kept {
            Some(KeptBody::File(kept)) => kept.peek(coding),
            _ => None,
        };
        if kept != Some(None) {
            reply.length = kept.flatten().map(|copy| copy.len() as u64);
            head::coded(&mut reply.headers, coding);
        }
        return reply;
    }
    if !rule.personal && !is_for_all(&reply) && csrf::applies(&reply.headers) && holds_token(&mut reply).await
    {
        return reply;
    }
    as_it_arrives(works, rule, coding, reply)
}

/// A stored page with holes, and what fills them.
fn to_fill(reply: &Reply) -> Option<(Arc<Page>, Vec<Bytes>)> {
    match (&reply.body, &reply.kept) {
        (ReplyBody::Filled(filled), Some(KeptBody::Page(page))) => {
            Some((page.clone(), filled.values().to_vec()))
        }
        _ => None,
    }
}

fn in_pieces(mut reply: Reply, pieces: VecDeque<Bytes>) -> Reply {
    head::coded(&mut reply.headers, Coding::Gzip);
    reply.note.uncoded = reply.length;
    reply.length = Some(pieces.iter().map(Bytes::len).sum::<usize>() as u64);
    reply.body = ReplyBody::Filled(Box::new(FilledBody::ready(pieces)));
    reply
}

/// Sends this copy in place of the body.
fn replace(reply: &mut Reply, coding: Coding, copy: Bytes) {
    head::coded(&mut reply.headers, coding);
    reply.note.uncoded = reply.length;
    reply.length = Some(copy.len() as u64);
    reply.body = ReplyBody::Whole(copy);
}

fn as_it_arrives(works: &Arc<CodingCapacity>, rule: &Compress, coding: Coding, mut reply: Reply) -> Reply {
    let Some(permit) = works.stream() else { return reply };
    let length = reply.length.filter(|length| *length < KNOWN_LENGTH);
    let Ok(encoder) = Encoder::new(coding, rule.level, length) else { return reply };
    let body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    reply.body = ReplyBody::Coded(Box::new(CodedBody::new(body, encoder, works.clone(), permit)));
    reply.length = None;
    reply.headers.remove(CONTENT_LENGTH);
    head::coded(&mut reply.headers, coding);
    reply
}

/// Others get the same bytes.
fn is_for_all(reply: &Reply) -> bool {
    use crate::metrics::CacheResult::{Error, File, Own};
    reply.note.cache.is_shared() || matches!(reply.note.cache, File | Own | Error)
}

/// Whether the page holds a CSRF token, or is too long, or too slow, to know that it does not.
async fn holds_token(reply: &mut Reply) -> bool {
    let started = Instant::now();
    let mut scanner = csrf::Scanner::new();
    let (mut first, mut length) = (VecDeque::new(), 0);
    let mut free = false;
    while length < MOST_SEARCHED {
        let left = MOMENT.saturating_sub(started.elapsed());
        match within(left, reply.body.next()).await {
            Ok(Some(Ok(chunk))) => {
                length += chunk.len();
                let found = scanner.feed(&chunk);
                first.push_back(chunk);
                if found {
                    break;
                }
            }
            Ok(Some(Err(_))) => {
                // The length that it announced will be missed.
                break;
            }
            Ok(None) => {
                free = scanner.reason().is_none();
                break;
            }
            Err(_) => break,
        }
    }
    let rest = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    reply.body = ReplyBody::Begun(Box::new(BegunBody::new(first, rest)));
    !free
}
