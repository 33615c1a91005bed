//! Revalidation (RFC 9111 section 4.3): asks the application whether a stored page is still valid, so that it
//! need not send it again.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use http_cache::{Reason, ReplyParts, Verdict, csrf, fields, revalidate};
use weir_proto::joiners::Joiners;
use weir_proto::origin::{Kind, RequestHead};

use crate::application::ask::SharedAsk;
use crate::application::{Failure, OriginReply, page_span};
use crate::cache::Cache;
use crate::cache::page;
use crate::cache::page::{Page, PageHead};
use crate::purge_log::PurgeStamp;

/// The application's answer to a request that named stored pages.
pub(crate) enum ValidationReply {
    /// This one is valid, with the fields and the lifetime that the 304 gives it; store it again.
    Holds(Arc<Page>),
    /// It is valid, but the 304 forbids storing it any longer.
    Withdrawn(Reason),
    /// A reply of its own.
    Reply(Box<OriginReply>),
}

/// Asks for a page to be shared, on condition that none of the `stored` ones, newest first, is still valid.
/// `grant` is the right by which the resulting page may be used, `joiners` are those who wait for it.
pub(crate) async fn ask(
    cache: &Cache,
    ask: &SharedAsk,
    stored: &[Arc<Page>],
    grant: &PurgeStamp,
    joiners: Option<&Joiners>,
) -> Result<ValidationReply, Failure> {
    let asked = SystemTime::now();
    let named: Vec<&HeaderMap> = stored.iter().map(|page| &page.head.headers).collect();
    if let Some(head) = ask.conditional_head(&named) {
        let mut reply = fetch(cache, ask, || head.clone(), joiners).await?;
        if reply.status != StatusCode::NOT_MODIFIED {
            return Ok(ValidationReply::Reply(Box::new(reply)));
        }
        // A 304 has no body. Its end is read, so that the adapter does not see an aborted request.
        let _ = reply.body.next().await;
        if let Some(answered) = holding(ask, stored, &reply.headers, asked, grant) {
            return Ok(answered);
        }
        // "If none of the initial set contains at least one of the same strong validators, then the cache
        // MUST NOT use the new response to update any stored responses." (section 4.3.4)
        tracing::debug!(target = %ask.target(), "a 304 matches no stored page: asking again without conditions");
    }
    let reply = fetch(cache, ask, || ask.head(), joiners).await?;
    match reply.status {
        StatusCode::NOT_MODIFIED => Err(unasked(&reply)),
        _ => Ok(ValidationReply::Reply(Box::new(reply))),
    }
}

/// A 304 without a condition in the request stands for no page.
pub(crate) fn unasked(reply: &OriginReply) -> Failure {
    Failure {
        server: reply.server.clone(),
        reached: true,
        ..Failure::new(Kind::BadReply, "304 to a request without conditions")
    }
}

async fn fetch(
    cache: &Cache,
    ask: &SharedAsk,
    head: impl Fn() -> RequestHead,
    joiners: Option<&Joiners>,
) -> Result<OriginReply, Failure> {
    let (span, traceparent) = page_span::begin(&ask.ask.traceparent);
    let head = || RequestHead { traceparent: traceparent.clone(), ..head() };
    let reply = cache.application.fetch_for_all(head, ask.ask.hints.as_deref(), joiners).await;
    page_span::answered(&span, &reply);
    reply
}

/// The stored page that a 304 is about; `None` if it is about none.
fn holding(
    ask: &SharedAsk,
    stored: &[Arc<Page>],
    not_modified: &HeaderMap,
    asked: SystemTime,
    grant: &PurgeStamp,
) -> Option<ValidationReply> {
    let now = SystemTime::now();
    let only = stored.len() == 1;
    let freshened = |page: &Arc<Page>| {
        Some((page.clone(), revalidate::freshen(&page.head.headers, not_modified, only, now)?))
    };
    let (page, headers) = stored.iter().find_map(freshened)?;
    Some(match renewed(ask, &page, &headers, asked, grant) {
        Ok(page) => ValidationReply::Holds(Arc::new(page)),
        Err(reason) => ValidationReply::Withdrawn(reason),
    })
}

/// The page with new fields, judged as if the application had sent all of it.
pub(crate) fn renewed(
    ask: &SharedAsk,
    page: &Page,
    headers: &HeaderMap,
    asked: SystemTime,
    grant: &PurgeStamp,
) -> Result<Page, Reason> {
    let now = SystemTime::now();
    let parts = ReplyParts {
        status: page.head.status,
        headers,
        authorization: ask.request.look.authorization,
        personal: false,
        request_time: asked,
    };
    let mut lifetime = match ask.policy.reply(&parts, now) {
        Verdict::Store(lifetime) => lifetime,
        Verdict::DoNotStore(reason) => return Err(reason),
    };
    // Nobody has searched for a token in a page that said that it may be shared.
    if page.head.lifetime.shared && !lifetime.shared && csrf::applies(headers) {
        let mut scanner = csrf::Scanner::beside(page.holes.as_deref());
        if scanner.feed(&page.body) {
            return Err(scanner.reason().unwrap_or(Reason::CsrfToken));
        }
    }
    lifetime.shorten(ask.policy.jitter, rand::random());
    let received = Instant::now();
    let head = PageHead {
        status: page.head.status,
        headers: fields::stored_headers(headers, now),
        born: received.checked_sub(lifetime.age).unwrap_or(received),
        lifetime,
        grant: grant.clone(),
        tags: page::tag_hashes(ask.request.key.as_bytes(), headers),
    };
    Ok(Page::new(head, page.body.clone()))
}
