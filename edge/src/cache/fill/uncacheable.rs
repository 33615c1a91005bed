//! How a fill ends whose page is not kept: the reply goes to the one request that it was made for, the node
//! is told why, and those who wait get the stale page or go themselves.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use http_cache::{Reason, ReplyManner, vary};

use super::{Fill, PAUSE};
use crate::application::{Failure, OriginReply};
use crate::cache::flights::Outcome;
use crate::cache::l1::UncacheableReply;
use crate::cache::page::Page;
use crate::cache_node::{ReturnCause, StoreRefusal};

impl Fill {
    /// The reply may not be stored and is one visitor's: its requester alone gets it. Other variants and the
    /// stale page stay.
    pub(super) async fn withdraw(&mut self, reply: Option<OriginReply>, reason: Reason) {
        let names = reply.as_ref().and_then(|reply| vary::names(&reply.headers).ok()).unwrap_or_default();
        let manner = reply.as_ref().map(OriginReply::manner);
        if let Some(reply) = reply {
            self.keep_for_first(reply, reason);
        }
        let fallback = self.find_fallback();
        let manner = manner.unwrap_or_default().of_the_next();
        let pass_for = self.ask.policy.hit_for_miss;
        self.mark(&names, UncacheableReply { reason, manner, pass_for });
        self.ticket.end(fallback.map_or(Outcome::Pass(reason), |page| self.stale(&page, reason)));
        self.give_up(ReturnCause::Uncacheable { vary: &names, pass_for }).await;
    }

    /// The refresh failed: the stale page is given as long as it may be, and the next refresh waits.
    ///
    /// RFC 5861 section 4: "when an error is encountered, a cached stale response MAY be used to satisfy the
    /// request".
    pub(super) async fn fall_back(&mut self, page: Arc<Page>, failed: Result<OriginReply, Failure>) {
        self.note_failure(&failed);
        self.stand_by();
        // What is said of one visitor's request is said to that visitor.
        if let Ok(reply) = failed
            && matches!(
                reply.status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_ACCEPTABLE
            )
        {
            self.keep_for_first(reply, Reason::Status);
        }
        self.ticket.end(self.stale(&page, Reason::OriginFailed));
        self.give_up(ReturnCause::Failed { pause: PAUSE }).await;
    }

    /// The application broke off in a reply that some have begun to read: the others get the stale page, if
    /// there is one.
    pub(super) async fn broke_off(&mut self) {
        if self.find_fallback().is_some() {
            self.stand_by();
            self.give_up(ReturnCause::Failed { pause: PAUSE }).await;
        }
    }

    /// From now on, and for a while, the stale page is given without asking the application.
    fn stand_by(&self) {
        let request = &self.ask.request;
        self.cache.l1.refresh_failed(request.key.as_bytes(), &request.outgoing.headers);
    }

    /// Leaves a mark for the page, here and at the node.
    pub(super) async fn leave_mark(&mut self, reason: Reason, pass_for: Duration) {
        self.mark(&[], UncacheableReply { reason, manner: ReplyManner::default(), pass_for });
        self.give_up(ReturnCause::Uncacheable { vary: &[], pass_for }).await;
    }

    fn mark(&self, names: &[HeaderName], seen: UncacheableReply) {
        let request = &self.ask.request;
        self.cache.l1.mark(request.key.as_bytes(), &request.outgoing.headers, names, seen);
    }

    /// Gives the lease back, if there is one; the node is told why on a best effort.
    pub(super) async fn give_up(&mut self, why: ReturnCause<'_>) {
        if let Some(exchange) = self.exchange.take() {
            let _ = exchange.give_up(why).await;
        }
    }

    /// The page is in L1 and with those who asked all the same.
    pub(super) fn not_kept(&self, why: &StoreRefusal) {
        match why {
            StoreRefusal::Refused(detail) => {
                tracing::debug!(target = %self.ask.target(), "cache-node did not keep the page: {detail}")
            }
            StoreRefusal::Gone(gone) => self.cache.node_gone(gone),
        }
    }

    fn note_failure(&self, failed: &Result<OriginReply, Failure>) {
        match failed {
            Ok(reply) => tracing::warn!(
                target = %self.ask.target(),
                server = reply.server,
                status = reply.status.as_u16(),
                "application failed: serving stale"
            ),
            Err(failure) => self.cache.application.log_failure(&self.ask.target(), failure),
        }
    }
}
