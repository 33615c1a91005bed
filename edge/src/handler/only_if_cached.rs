//! `only-if-cached` (RFC 9111 section 5.2.1.7): a stored page or 504, and nothing that asks the application
//! or waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http_cache::{RequestSummary, Use};
use weir_proto::cache::LookupHit;
use weir_proto::joiners::Joiners;

use crate::application::ask::SharedAsk;
use crate::cache::Cache;
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache_node::{Answer, Exchange, Intent, NodeFailure, Question};
use crate::handler::plan::CachePlan;
use crate::purge_log::PurgeStamp;
use crate::reply::{Reply, answer};
use crate::request::Request;

/// Answers a request that L1 cannot answer: from the cache-node, if it has the page.
pub(super) async fn answer(cache: &Cache, ask: &SharedAsk, request: &Request) -> Reply {
    let Some(page) = from_node(cache, ask).await else { return answer::nothing_stored() };
    cache.l1.insert(ask.request.key.as_bytes(), &ask.request.outgoing.headers, page.clone());
    match plan(&ask.request.look, page, Instant::now()) {
        CachePlan::Hit(page) => answer::hit(request, &page),
        CachePlan::Stale(page) => answer::stale(request, &page, Staleness::Revalidating),
        _ => answer::nothing_stored(),
    }
}

/// What becomes of the request, by the page that the node holds.
pub(crate) fn plan(look: &RequestSummary, page: Arc<Page>, now: Instant) -> CachePlan {
    if !look.may_use(&page.head.lifetime) {
        return CachePlan::NothingStored;
    }
    match look.wants.use_at(&page.head.lifetime, page.head.age(now)) {
        Use::Fresh => CachePlan::Hit(page),
        Use::Stale => CachePlan::Stale(page),
        Use::OnError | Use::Validate | Use::Dead => CachePlan::NothingStored,
    }
}

/// The page that the node holds.
pub(crate) async fn from_node(cache: &Cache, ask: &SharedAsk) -> Option<Arc<Page>> {
    match look_up(cache, ask).await {
        Ok(page) => page,
        Err(gone) => {
            cache.node_gone(&gone);
            None
        }
    }
}

/// A lease that the node grants is released at once: the stream ends here.
async fn look_up(cache: &Cache, ask: &SharedAsk) -> Result<Option<Arc<Page>>, NodeFailure> {
    let asked = Instant::now();
    let joiners = Joiners::default();
    let question = Question {
        key: ask.request.key.as_bytes(),
        fields: &ask.request.outgoing.headers,
        intent: Intent::Page,
        probe: false,
        wait: Duration::ZERO,
        joiners: &joiners,
    };
    let (mut exchange, answer, _) = cache.nodes.look_up(&question).await?;
    match answer {
        Answer::Found(found) => {
            let grant = cache.log.grant(found.position.as_ref(), asked);
            whole(&mut exchange, *found, grant).await
        }
        Answer::Lease(_) | Answer::Pass(..) => Ok(None),
    }
}

async fn whole(
    exchange: &mut Exchange,
    found: LookupHit,
    grant: PurgeStamp,
) -> Result<Option<Arc<Page>>, NodeFailure> {
    let head = found.entry.as_ref().map(|entry| PageHead::from_entry(entry, grant, Instant::now()));
    let Some(Ok(head)) = head else { return Ok(None) };
    let mut body = BytesMut::new();
    while let Some(chunk) = exchange.chunk().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(Some(Arc::new(Page::new(head, body.freeze()))))
}
