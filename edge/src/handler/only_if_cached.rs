//! `only-if-cached` (RFC 9111 section 5.2.1.7): a stored page or 504, and nothing that asks the application
//! or waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http_cache::Use;
use weir_proto::cache::Found;

use crate::application::ask::SharedAsk;
use crate::cache::Cache;
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache_node::{Answer, Exchange, Intent, NodeGone, Question};
use crate::purge_log::Grant;
use crate::reply::{Reply, answer};
use crate::request::Request;

/// Answers a request that L1 cannot answer: from the cache-node, if it has the page.
pub(crate) async fn answer(cache: &Cache, ask: &SharedAsk, request: &Request) -> Reply {
    let page = match from_node(cache, ask).await {
        Ok(page) => page,
        Err(gone) => {
            cache.node_gone(&gone);
            None
        }
    };
    let Some(page) = page else { return answer::nothing_stored() };
    let look = &ask.request.look;
    cache.l1.insert(ask.request.key.as_bytes(), &ask.request.outgoing.headers, page.clone());
    if !look.may_use(&page.head.lifetime) {
        return answer::nothing_stored();
    }
    match look.wants.use_at(&page.head.lifetime, page.head.age(Instant::now())) {
        Use::Fresh => answer::hit(request, &page),
        Use::Stale => answer::stale(request, &page, Staleness::Revalidating),
        Use::OnError | Use::Validate | Use::Dead => answer::nothing_stored(),
    }
}

/// A lease that the node grants is released at once: the stream ends here.
async fn from_node(cache: &Cache, ask: &SharedAsk) -> Result<Option<Arc<Page>>, NodeGone> {
    let asked = Instant::now();
    let question = Question {
        key: ask.request.key.as_bytes(),
        fields: &ask.request.outgoing.headers,
        intent: Intent::Page,
        probe: false,
        wait: Duration::ZERO,
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

async fn whole(exchange: &mut Exchange, found: Found, grant: Grant) -> Result<Option<Arc<Page>>, NodeGone> {
    let head = found.entry.as_ref().map(|entry| PageHead::from_entry(entry, grant, Instant::now()));
    let Some(Ok(head)) = head else { return Ok(None) };
    let mut body = BytesMut::new();
    while let Some(chunk) = exchange.chunk().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(Some(Arc::new(Page::new(head, body.freeze()))))
}
