//! What the application's answer to a HEAD says about the stored page (RFC 9111 section 4.3.5). The cache
//! itself always asks with GET; a visitor's HEAD reaches the application if a location's `methods` leave HEAD
//! out.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_cache::{Policy, SharedRequest, revalidate};
use purge::{Purge, Target};

use crate::application::OriginReply;
use crate::application::ask::{Ask, SharedAsk};
use crate::cache::Cache;
use crate::cache::page::Page;
use crate::cache::validate;

/// A stored page, and the request that would be given it.
pub(crate) struct StoredPage {
    ask: SharedAsk,
    page: Arc<Page>,
    asked: SystemTime,
}

/// What to do with the stored page.
pub(crate) enum HeadVerdict {
    /// It is still valid, and has these fields now.
    Holds(StoredPage, Box<Page>),
    /// It has changed.
    Changed(StoredPage),
}

impl StoredPage {
    /// The page that this edge holds for a GET of the same target; `sent` are the fields of the HEAD. `None`:
    /// there is none, or the visitor's HEAD says nothing about it, because its answer is for this visitor.
    pub(crate) fn find(
        cache: &Cache,
        policy: &Arc<Policy>,
        ask: &Ask,
        request: SharedRequest,
        sent: &HeaderMap,
    ) -> Option<Self> {
        let look = request.look;
        let hides = look.personal || look.authorization || look.trimmed || look.way;
        // Nor does it where a shared page would be asked for with other fields: in another coding, say.
        if hides || request.outgoing.headers != *sent {
            return None;
        }
        let stored = cache.l1.stored(request.key.as_bytes(), &request.outgoing.headers, Instant::now());
        let page = stored.pages.into_iter().next()?;
        let ask = SharedAsk { ask: ask.clone(), request, policy: policy.clone(), recorder: None };
        Some(Self { ask, page, asked: SystemTime::now() })
    }

    pub(crate) fn judge(self, cache: &Cache, reply: &OriginReply) -> Option<HeadVerdict> {
        if reply.status != StatusCode::OK || self.page.head.status != StatusCode::OK {
            return None;
        }
        let now = SystemTime::now();
        let length = self.page.body.len() as u64;
        let fields = revalidate::freshen_by_head(&self.page.head.headers, length, &reply.headers, now);
        let renewed = |headers: HeaderMap| {
            let grant = cache.log.alone(Instant::now());
            validate::renewed(&self.ask, &self.page, &headers, self.asked, &grant).ok()
        };
        match fields.and_then(renewed) {
            Some(page) => Some(HeadVerdict::Holds(self, Box::new(page))),
            None => Some(HeadVerdict::Changed(self)),
        }
    }
}

impl HeadVerdict {
    /// Renews a confirmed page here; makes a changed one stale everywhere.
    pub(crate) async fn obey(self, cache: &Cache) {
        match self {
            Self::Holds(held, page) => {
                let request = &held.ask.request;
                cache.l1.insert(request.key.as_bytes(), &request.outgoing.headers, Arc::new(*page));
            }
            Self::Changed(held) => {
                let url = Bytes::copy_from_slice(held.ask.request.key.url());
                if let Ok(purge) = Purge::new(vec![Target::Url(url)], true) {
                    cache.purger.invalidate(purge).await;
                }
            }
        }
    }
}
