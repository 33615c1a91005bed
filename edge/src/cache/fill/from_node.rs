//! What the node says: the page, or why there is none; and while the page is made, who waits for it at other
//! edges.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_cache::{Reason, ReplyManner};
use weir_proto::cache::{LookupHit, PassReason, Use};
use weir_proto::joiners::Joiners;

use super::{Fill, FillStep, content_length};
use crate::cache::flights::{Outcome, Source};
use crate::cache::l1::UncacheableReply;
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::shared_body::{IncompleteBody, SharedBody};
use crate::cache_node::{Exchange, Intent, NodeFailure, NodeWait};

/// What came of an entry that the node has found.
enum TakenEntry {
    Page(Arc<Page>),
    /// Not all of it could be kept.
    Broken,
    /// Nothing that an edge would have stored.
    Unfit,
}

impl Fill {
    /// The node gives neither page nor lease.
    pub(super) fn passed(&mut self, why: PassReason, how_long: Duration) -> FillStep {
        let (reason, request) = (pass_reason(why), &self.ask.request);
        if !how_long.is_zero() {
            // Other edges have seen that this variant cannot be stored.
            let seen = UncacheableReply { reason, manner: ReplyManner::default(), pass_for: how_long };
            let reason = self.cache.l1.mark(request.key.as_bytes(), &request.outgoing.headers, &[], seen);
            self.ticket.end(Outcome::Pass(reason));
            return FillStep::Done;
        }
        let stale = matches!(why, PassReason::HolderFailed).then(|| self.find_fallback()).flatten();
        if let Some(page) = stale {
            // Another edge has just seen the application fail: what it would be answered by is known.
            self.ticket.end(self.stale(&page, Reason::OriginFailed));
            return FillStep::Done;
        }
        if self.intent == Intent::Refresh {
            if why == PassReason::HolderFailed {
                self.cache.l1.refresh_failed(self.key(), &self.ask.request.outgoing.headers);
            }
            self.ticket.end(Outcome::Pass(reason));
            return FillStep::Done;
        }
        // This edge makes the page for all of its visitors, and does not send each of them.
        FillStep::Make
    }

    /// Gives an entry to those who joined, as it arrives.
    pub(super) async fn found(
        &mut self,
        exchange: Exchange,
        found: LookupHit,
        asked: Instant,
        waited: NodeWait,
    ) -> FillStep {
        self.exchange = Some(exchange);
        self.node_keeps(found.max_object);
        let (lease, position) = (found.lease, found.lease_position.clone());
        match self.take_found(found, asked, waited).await {
            Ok(TakenEntry::Page(page)) => self.fallback = Some(page),
            Ok(TakenEntry::Broken) => {}
            // As if nothing were stored. Without the lease, this flight is the only one for this edge.
            Ok(TakenEntry::Unfit) if !lease => {
                self.exchange = None;
                return FillStep::Make;
            }
            Ok(TakenEntry::Unfit) => {}
            Err(gone) => self.cache.node_gone(&gone),
        }
        if !lease {
            return FillStep::Done;
        }
        self.grant = self.cache.log.grant(position.as_ref(), asked);
        FillStep::Make
    }

    /// Reads the entry to its end.
    async fn take_found(
        &mut self,
        found: LookupHit,
        asked: Instant,
        waited: NodeWait,
    ) -> Result<TakenEntry, NodeFailure> {
        let (source, serve_now) = match found.r#use() {
            Use::Stale => (Source::Stale(Staleness::Revalidating), true),
            // Under the lease it is kept for the case that the application fails; without, it has failed.
            Use::OnError => (Source::Stale(Staleness::Failing(Reason::OriginFailed)), !found.lease),
            _ if waited == NodeWait::Yes => (Source::Waited, true),
            _ => (Source::Node, true),
        };
        let grant = self.cache.log.grant(found.position.as_ref(), asked);
        let head = found.entry.as_ref().map(|entry| PageHead::from_entry(entry, grant, Instant::now()));
        let Some(exchange) = &mut self.exchange else { return Ok(TakenEntry::Broken) };
        let Some(Ok(head)) = head else {
            tracing::warn!(
                target = %self.ask.target(),
                "cache-node sent an entry that no edge would have stored: it is made anew"
            );
            // What is sent under the lease follows its end.
            while let Some(chunk) = exchange.chunk().await {
                chunk?;
            }
            return Ok(TakenEntry::Unfit);
        };
        let body = SharedBody::new(u64::MAX, &self.cache.bodies);
        if serve_now {
            let page = self.served(head.clone(), body.clone(), source);
            let page = page.with_length(content_length(&head.headers));
            self.ticket.flight.settle(Outcome::Page(Arc::new(page)));
        }
        let Some(exchange) = &mut self.exchange else { return Ok(TakenEntry::Broken) };
        loop {
            body.wanted().await;
            let Some(chunk) = exchange.chunk().await else { break };
            match chunk {
                Ok(chunk) => body.push(chunk).await,
                Err(gone) => {
                    body.end(Err(IncompleteBody));
                    return Err(gone);
                }
            };
        }
        let page = body.whole_body().map(|whole| Arc::new(Page::new(head, self.cache.l1.counted(whole))));
        if let Some(page) = &page {
            self.insert(page.clone());
        }
        body.end(Ok(()));
        Ok(page.map_or(TakenEntry::Broken, TakenEntry::Page))
    }
}

/// Does this, and hears meanwhile from the node who waits for the page at other edges.
pub(super) async fn told_who_joins<T>(
    mut made: Pin<&mut impl Future<Output = T>>,
    mut exchange: Option<&mut Exchange>,
    joiners: &Joiners,
) -> T {
    loop {
        let Some(node) = &mut exchange else { return made.await };
        tokio::select! {
            biased;
            made = &mut made => return made,
            client = node.joined() => match client {
                Some(client) => joiners.add(&client),
                None => exchange = None,
            },
        }
    }
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
