//! How a fill ends if its page is not stored: the node learns the reason, and those who wait get what they
//! may have.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http_cache::cache_status::Fwd;
use http_cache::{Lifetime, Reason};
use weir_proto::cache::Why;

use crate::application::OriginReply;
use crate::application::ask::SharedAsk;
use crate::cache::Cache;
use crate::cache::fill::{declared_length, served};
use crate::cache::flights::{Outcome, Own, Source, Ticket};
use crate::cache::page::PageHead;
use crate::cache::shared_body::{BrokenOff, Growing, Pushed};
use crate::cache_node::{Exchange, NotKept};
use crate::purge_log::Grant;

/// All who wait go to the application, in parallel, and so do later requests for a while.
pub(super) async fn withdraw(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    exchange: Option<Exchange>,
    reason: Reason,
) {
    let pass_for = ask.policy.hit_for_miss;
    cache.l1.pass(ask.request.key.as_bytes(), reason, Instant::now(), pass_for);
    ticket.end(Outcome::Pass(reason));
    give_up(exchange, Why::Uncacheable, pass_for).await;
}

/// Releases the lease, if there is one. The node learns the reason if possible.
pub(super) async fn give_up(exchange: Option<Exchange>, why: Why, pass_for: Duration) {
    if let Some(exchange) = exchange {
        let _ = exchange.give_up(why, pass_for).await;
    }
}

/// The page is nevertheless in L1, and those who asked have it.
pub(super) fn not_kept(cache: &Cache, ask: &SharedAsk, why: &NotKept) {
    match why {
        NotKept::Refused(detail) => {
            tracing::debug!(target = %ask.target(), "cache-node did not keep the page: {detail}")
        }
        NotKept::Gone(gone) => cache.node_gone(gone),
    }
}

/// Withdraws a page that is not stored after all; nobody joins it any more.
pub(super) async fn refuse(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    exchange: Option<Exchange>,
    reason: Reason,
) {
    ticket.close();
    let how_long = ask.policy.hit_for_miss;
    cache.l1.pass(ask.request.key.as_bytes(), reason, Instant::now(), how_long);
    give_up(exchange, Why::Uncacheable, how_long).await;
}

/// Gives the application's own error page to all who joined, and does not store it: a queue of retries would
/// only make things worse.
pub(super) async fn share_error(
    cache: &Cache,
    ticket: &mut Ticket,
    ask: &SharedAsk,
    (mut reply, fwd): (OriginReply, Fwd),
    reason: Reason,
) {
    if reply.headers.contains_key(http::header::SET_COOKIE) {
        ticket.flight.keep_for_first(Own::Reply(Box::new(reply)));
        return ticket.end(Outcome::Pass(Reason::SetCookie));
    }
    let head = PageHead {
        status: reply.status,
        headers: http_cache::fields::stored_headers(&reply.headers, SystemTime::now()),
        // Shared with those who ask now, but not stored.
        lifetime: Lifetime::none(http_cache::Source::Setting),
        born: Instant::now(),
        grant: Grant::passing(),
        tags: Box::default(),
    };
    let body = Growing::new(ask.policy.max_object, &cache.bodies);
    if let Some(reader) = body.first_reader() {
        ticket.flight.keep_for_first(Own::Reader(reader));
    }
    let source = Source::Application { fwd, not_stored: Some(reason) };
    let page = served(ask, head, body.clone(), source).with_length(declared_length(&reply));
    ticket.end(Outcome::Page(Arc::new(page)));
    reply.body.go_on();
    while let Some(chunk) = reply.body.next().await {
        let pushed = match chunk {
            Ok(chunk) => body.push(chunk).await,
            Err(failure) => {
                cache.application.log_failure(&ask.target(), &failure);
                return body.end(Err(BrokenOff));
            }
        };
        if pushed == Pushed::Unread {
            return body.end(Err(BrokenOff));
        }
    }
    body.end(Ok(()));
}
