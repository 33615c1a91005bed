//! One fill: asks the cache-node for a page and, with the lease, the application. It gives the page to all
//! who joined, and stores it.
//!
//! A fill runs in a task of its own: a client that leaves does not end it.

mod uncacheable;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use http_cache::cache_status::Fwd;
use http_cache::{Lifetime, Reason, ReplyParts, Verdict, csrf, vary};
use weir_proto::cache::{Found, PassReason, Use, Why};
use weir_proto::fields;

use uncacheable::{give_up, not_kept, refuse, share_error, withdraw};

use crate::application::ask::SharedAsk;
use crate::application::{Failure, OriginReply};
use crate::cache::Cache;
use crate::cache::flights::{Flight, Outcome, Own, Served, Source, Ticket};
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::shared_body::{BrokenOff, Growing, Pushed};
use crate::cache::validate::Answered;
use crate::cache::{page, validate};
use crate::cache_node::{Answer, Exchange, Waited};
use crate::purge_log::Grant;

/// The size of the chunks in which a stored page's body goes to the node, in bytes.
const CHUNK: usize = 64 * 1024;

/// Runs the fill for the ticket's flight. `refresh`: a stale copy is being served meanwhile.
pub(crate) async fn run(cache: Arc<Cache>, mut ticket: Ticket, ask: SharedAsk, refresh: bool) {
    let flight = ticket.flight.clone();
    let fields = fields::from_headers(&ask.request.outgoing.headers);
    let asked = Instant::now();
    let looked = cache.nodes.lookup(ask.request.key.as_bytes(), fields, refresh).await;
    let (exchange, grant, fallback) = match looked {
        Err(gone) => {
            // Fail open: this flight is then the only lease, for this edge.
            cache.node_gone(&gone);
            (None, cache.log.alone(Instant::now()), None)
        }
        Ok((exchange, Answer::Lease(position), _)) => {
            (Some(exchange), cache.log.grant(position.as_ref(), asked), None)
        }
        Ok((_, Answer::Pass(why, how_long), _)) => {
            let reason = pass_reason(why);
            cache.l1.pass(ask.request.key.as_bytes(), reason, Instant::now(), how_long);
            return ticket.end(match (why, fallback(&cache, &ask)) {
                // Another edge has just seen the application fail: the answer would be the same.
                (PassReason::HolderFailed, Some(page)) => page,
                _ => Outcome::Pass(reason),
            });
        }
        Ok((mut exchange, Answer::Found(found), waited)) => {
            let lease = found.lease;
            let position = found.lease_position.clone();
            let page = take_found(&cache, &flight, &ask, &mut exchange, (*found, asked), waited).await;
            if !lease {
                return;
            }
            (Some(exchange), cache.log.grant(position.as_ref(), asked), page)
        }
    };
    make(&cache, &mut ticket, &ask, exchange, grant, fallback).await;
}

/// The page that this edge itself can serve if the application fails.
fn fallback(cache: &Cache, ask: &SharedAsk) -> Option<Outcome> {
    let (key, fields) = (ask.request.key.as_bytes(), &ask.request.outgoing.headers);
    let page = cache.l1.fallback(key, fields, Instant::now())?;
    let body = Growing::whole(page.body.clone());
    let page = served(ask, page.head.clone(), body, Source::Stale(Staleness::Failing));
    Some(Outcome::Page(Arc::new(page)))
}

/// Gives an entry, found when the node was asked at `asked`, to those who joined, as it arrives. Returns it
/// if it may be used only after the application has failed.
async fn take_found(
    cache: &Cache,
    flight: &Flight,
    ask: &SharedAsk,
    exchange: &mut Exchange,
    (found, asked): (Found, Instant),
    waited: Waited,
) -> Option<Arc<Page>> {
    let usage = found.r#use();
    let (source, serve_now) = match usage {
        Use::Stale => (Source::Stale(Staleness::Revalidating), true),
        // Under the lease, the entry is kept in case the application fails; otherwise the application has
        // failed.
        Use::OnError => (Source::Stale(Staleness::Failing), !found.lease),
        _ if waited == Waited::Yes => (Source::Waited, true),
        _ => (Source::Node, true),
    };
    let grant = cache.log.grant(found.position.as_ref(), asked);
    let head = found.entry.as_ref().map(|entry| PageHead::from_entry(entry, grant, Instant::now()));
    let Some(Ok(head)) = head else {
        tracing::warn!("cache-node sent a damaged entry, which is not used");
        return None;
    };
    let body = Growing::new(u64::MAX, &cache.bodies);
    if serve_now {
        let page = served(ask, head.clone(), body.clone(), source).with_length(content_length(&head.headers));
        flight.settle(Outcome::Page(Arc::new(page)));
    }
    loop {
        match exchange.chunk().await {
            Some(Ok(chunk)) => body.push(chunk).await,
            None => break,
            Some(Err(gone)) => {
                cache.node_gone(&gone);
                body.end(Err(BrokenOff));
                return None;
            }
        };
    }
    body.end(Ok(()));
    let page = Arc::new(Page::new(head, body.whole_body()?));
    cache.l1.insert(ask.request.key.as_bytes(), &ask.request.outgoing.headers, page.clone());
    Some(page)
}

/// Asks the application, under the lease.
async fn make(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    exchange: Option<Exchange>,
    grant: Grant,
    fallback: Option<Arc<Page>>,
) {
    let (key, fields) = (ask.request.key.as_bytes(), &ask.request.outgoing.headers);
    let stored = cache.l1.stored(key, fields, Instant::now());
    let selected: Vec<_> = stored.page.or_else(|| fallback.clone()).into_iter().collect();
    let fwd = match (selected.is_empty(), stored.others) {
        (false, _) => Fwd::Stale,
        (true, true) => Fwd::VaryMiss,
        (true, false) => Fwd::UriMiss,
    };
    let asked = SystemTime::now();
    let fetched = match validate::ask(cache, ask, &selected, &grant).await {
        Ok(Answered::Reply(reply)) => Ok(*reply),
        Ok(Answered::Holds(page)) => return keep(cache, ticket, ask, exchange, (page, fwd)).await,
        Ok(Answered::Withdrawn(reason)) => return withdraw(cache, ticket, ask, exchange, reason).await,
        Err(failure) => Err(failure),
    };
    let fallback = || {
        let page = fallback.or_else(|| cache.l1.fallback(key, fields, Instant::now()))?;
        let usage = page.lifetime(key, Instant::now())?.use_at(page.head.age(Instant::now()));
        usage.on_error().then_some(page)
    };
    let failed = fetched.as_ref().map_or(true, |reply| http_cache::is_error(reply.status));
    if failed && let Some(page) = fallback() {
        note_failure(cache, ask, &fetched);
        let body = Growing::whole(page.body.clone());
        let page = served(ask, page.head.clone(), body, Source::Stale(Staleness::Failing));
        ticket.end(Outcome::Page(Arc::new(page)));
        return give_up(exchange, Why::Failed, Duration::ZERO).await;
    }
    let reply = match fetched {
        Ok(reply) => reply,
        Err(failure) => {
            cache.application.log_failure(&ask.target(), &failure);
            ticket.end(Outcome::Failed(failure));
            return give_up(exchange, Why::Failed, Duration::ZERO).await;
        }
    };
    match verdict(ask, &reply, asked) {
        Verdict::Store(mut lifetime) => {
            ask.policy.jitter.apply(&mut lifetime, rand::random());
            store(cache, ticket, ask, exchange, (reply, fwd), (lifetime, grant)).await;
        }
        Verdict::DoNotStore(reason) if failed => {
            give_up(exchange, Why::Failed, Duration::ZERO).await;
            share_error(cache, ticket, ask, (reply, fwd), reason).await;
        }
        Verdict::DoNotStore(reason) => {
            ticket.flight.keep_for_first(Own::Reply(Box::new(reply)));
            withdraw(cache, ticket, ask, exchange, reason).await;
        }
    }
}

/// The application confirmed a stored page: gives it to all who joined, and stores it again.
async fn keep(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    exchange: Option<Exchange>,
    (page, fwd): (Arc<Page>, Fwd),
) {
    let body = Growing::whole(page.body.clone());
    cache.l1.insert(ask.request.key.as_bytes(), &ask.request.outgoing.headers, page.clone());
    ticket.end(Outcome::Page(Arc::new(served(ask, page.head.clone(), body, Source::Validated { fwd }))));
    if page.head.lifetime.validate {
        return give_up(exchange, Why::Uncacheable, Duration::ZERO).await;
    }
    let Some(mut exchange) = exchange else { return };
    let stored = async {
        exchange.store(page.head.to_entry(ask.request.key.as_bytes(), Instant::now())).await?;
        let mut rest = page.body.clone();
        while !rest.is_empty() {
            exchange.store_chunk(rest.split_to(rest.len().min(CHUNK))).await?;
        }
        exchange.store_end().await
    };
    if let Err(why) = stored.await {
        not_kept(cache, ask, &why);
    }
}

/// Whether the reply may be stored, and for how long. `asked` is when the application was asked.
fn verdict(ask: &SharedAsk, reply: &OriginReply, asked: SystemTime) -> Verdict {
    let parts = ReplyParts {
        status: reply.status,
        headers: &reply.headers,
        authorization: ask.request.look.authorization,
        // The application sees no personal cookie while it generates a page to be shared.
        personal: false,
        request_time: asked,
    };
    match (ask.policy.reply(&parts, SystemTime::now()), declared_length(reply)) {
        (Verdict::Store(_), Some(length)) if length > ask.policy.max_object => {
            Verdict::DoNotStore(Reason::TooLarge)
        }
        (verdict, _) => verdict,
    }
}

/// Streams the reply to all who joined, to L1 and to the node. Nothing half-received is ever stored.
async fn store(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    mut exchange: Option<Exchange>,
    (mut reply, fwd): (OriginReply, Fwd),
    (lifetime, grant): (Lifetime, Grant),
) {
    let policy = &ask.policy;
    let now = Instant::now();
    let length = declared_length(&reply);
    let mut scanner = (!lifetime.shared && csrf::applies(&reply.headers)).then(csrf::Scanner::new);
    let head = PageHead {
        status: reply.status,
        headers: http_cache::fields::stored_headers(&reply.headers, SystemTime::now()),
        born: now.checked_sub(lifetime.age).unwrap_or(now),
        lifetime,
        grant,
        tags: page::tag_hashes(ask.request.key.as_bytes(), &reply.headers),
    };
    let body = Growing::new(policy.max_object, &cache.bodies);
    if scanner.is_some() {
        body.hold_followers();
    }
    if let Some(reader) = body.first_reader() {
        ticket.flight.keep_for_first(Own::Reader(reader));
    }
    let source = Source::Application { fwd, not_stored: None };
    let page = served(ask, head.clone(), body.clone(), source)
        .with_length(length)
        .with_own(http_cache::fields::withheld_headers(&reply.headers));
    ticket.flight.settle(Outcome::Page(Arc::new(page)));
    if head.lifetime.validate {
        // Nobody else may use it without validation, so nobody waits for it.
        ticket.close();
        give_up(exchange.take(), Why::Uncacheable, Duration::ZERO).await;
    }
    if let Some(opened) = &mut exchange
        && let Err(why) = opened.store(head.to_entry(ask.request.key.as_bytes(), Instant::now())).await
    {
        not_kept(cache, ask, &why);
        exchange = None;
    }
    let mut storable = true;
    // A slow node or reader must not delay the application's server.
    reply.body.go_on();
    while let Some(chunk) = reply.body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(failure) => {
                cache.application.log_failure(&ask.target(), &failure);
                return body.end(Err(BrokenOff));
            }
        };
        if storable && scanner.as_mut().is_some_and(|scanner| scanner.feed(&chunk)) {
            storable = false;
            body.keep_for_first();
            let reason = scanner.as_ref().and_then(csrf::Scanner::reason).unwrap_or(Reason::CsrfToken);
            refuse(cache, ticket, ask, exchange.take(), reason).await;
        }
        if let Some(opened) = &mut exchange
            && let Err(why) = opened.store_chunk(chunk.clone()).await
        {
            not_kept(cache, ask, &why);
            exchange = None;
        }
        match body.push(chunk).await {
            Pushed::Kept => {}
            Pushed::Window if storable => {
                storable = false;
                refuse(cache, ticket, ask, exchange.take(), Reason::TooLarge).await;
            }
            Pushed::Window => {}
            Pushed::Unread => {
                if storable {
                    refuse(cache, ticket, ask, exchange.take(), Reason::TooLarge).await;
                }
                return body.end(Err(BrokenOff));
            }
        }
    }
    body.end(Ok(()));
    if !storable {
        return;
    }
    if let Some(whole) = body.whole_body() {
        cache.l1.insert(
            ask.request.key.as_bytes(),
            &ask.request.outgoing.headers,
            Arc::new(Page::new(head, whole)),
        );
    }
    ticket.close();
    if let Some(exchange) = exchange
        && let Err(why) = exchange.store_end().await
    {
        not_kept(cache, ask, &why);
    }
}

fn served(ask: &SharedAsk, head: PageHead, body: Arc<Growing>, source: Source) -> Served {
    let selected = vary::selected(&head.lifetime.vary, &ask.request.outgoing.headers);
    Served { head, selected, body, source, length: None, own: HeaderMap::new() }
}

fn note_failure(cache: &Cache, ask: &SharedAsk, failed: &Result<OriginReply, Failure>) {
    match failed {
        Ok(reply) => tracing::warn!(
            target = %ask.target(),
            server = reply.server,
            status = reply.status.as_u16(),
            "application failed: serving stale"
        ),
        Err(failure) => cache.application.log_failure(&ask.target(), failure),
    }
}

fn declared_length(reply: &OriginReply) -> Option<u64> {
    if matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    content_length(&reply.headers)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn pass_reason(why: PassReason) -> Reason {
    match why {
        PassReason::HitForMiss => Reason::HitForMiss,
        PassReason::UncacheableReply => Reason::UncacheableReply,
        PassReason::HolderFailed => Reason::HolderFailed,
        PassReason::WaitTimeout => Reason::WaitTimeout,
        PassReason::TooMany | PassReason::Unspecified => Reason::TooManyWaiters,
    }
}
