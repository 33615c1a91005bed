//! Requests that bypass the cache: pages of one visitor, HEAD, and requests that may change something.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use http_cache::{Reason, ReplyParts, RequestParts, Verdict};
use weir_proto::origin::RequestHead;

use crate::application::ask::{Ask, SharedAsk};
use crate::application::hints::Hints;
use crate::application::upstream::Upstream;
use crate::application::{Failure, OriginReply};
use crate::cache::Cache;
use crate::cache::head_update::StoredPage;
use crate::cache::validate;
use crate::handler::purge_method::{self, InvalidPurgeRequest};
use crate::reply::{Reply, answer};
use crate::request::{Request, path};
use crate::route::Location;

/// Sends a request straight to the application, for this visitor alone. `reason` says why it bypasses the
/// cache; `None`: the location has none.
pub(crate) async fn pass(
    cache: &Arc<Cache>,
    ask: Box<Ask>,
    request: Box<Request>,
    reason: Option<Reason>,
) -> Reply {
    let head = |request: &Request| as_asked(&ask, request);
    let to_ask = BypassRequest { request, hints: ask.hints.clone() };
    ask_application(cache, head, to_ask, reason, |reply| answer::relayed(reply, reason)).await
}

/// Sends a HEAD straight to the application, and applies what the answer says about the stored page.
pub(crate) async fn pass_head(
    cache: &Arc<Cache>,
    ask: Box<Ask>,
    request: Box<Request>,
    held: Option<StoredPage>,
) -> Reply {
    let head = |request: &Request| as_asked(&ask, request);
    let mut said = None;
    let to_ask = BypassRequest { request, hints: ask.hints.clone() };
    let reply = ask_application(cache, head, to_ask, Some(Reason::Method), |reply| {
        said = held.and_then(|held| held.judge(cache, &reply));
        answer::relayed(reply, Some(Reason::Method))
    });
    let mut reply = reply.await;
    if let Some(said) = said {
        reply.body.go_on();
        said.obey(cache).await;
    }
    reply
}

/// Does the same for a visitor who may only use pages that say that they may be shared: if this page says so,
/// remembers it.
pub(crate) async fn pass_and_learn(
    cache: &Arc<Cache>,
    ask: SharedAsk,
    request: Box<Request>,
    reason: Reason,
) -> Reply {
    let head = |request: &Request| as_asked(&ask.ask, request);
    let asked = SystemTime::now();
    let look = ask.request.look;
    let to_ask = BypassRequest { request, hints: ask.ask.hints.clone() };
    ask_application(cache, head, to_ask, Some(reason), |reply| {
        if matches!(reason, Reason::PersonalCookie | Reason::Authorization) {
            let parts = ReplyParts {
                status: reply.status,
                headers: &reply.headers,
                authorization: look.authorization,
                personal: look.personal,
                request_time: asked,
            };
            let verdict = ask.policy.reply(&parts, SystemTime::now());
            let is_shared = matches!(verdict, Verdict::Store(lifetime) if lifetime.shared);
            if is_shared || ask.policy.is_worth_sharing(&reply.headers) {
                cache.l1.mark_shared(ask.request.key.as_bytes());
            }
        }
        answer::relayed(reply, Some(reason))
    })
    .await
}

/// A request that may change something: what the application's reply makes invalid is purged before the
/// visitor gets the reply.
pub(crate) async fn change(
    cache: &Arc<Cache>,
    location: &Location,
    ask: Box<Ask>,
    request: Box<Request>,
    reason: Option<Reason>,
) -> Reply {
    let policy = location.cache.as_deref();
    let target = request.target.clone();
    let (raw_path, query) = path::split(&target);
    let head = |request: &Request| as_asked(&ask, request);
    let (method, headers) = (request.method.clone(), HeaderMap::new());
    let mut invalid = InvalidPurgeRequest::default();
    let to_ask = BypassRequest { request, hints: ask.hints.clone() };
    let mut reply = ask_application(cache, head, to_ask, reason, |reply| {
        let parts = RequestParts {
            method: &method,
            scheme: ask.scheme.as_str(),
            authority: &ask.authority,
            path: raw_path.as_bytes(),
            query: query.map(str::as_bytes),
            headers: &headers,
            client: ask.client.address,
        };
        invalid = purge_method::invalid(policy, &parts, reply.status, &reply.headers);
        answer::relayed(reply, reason)
    })
    .await;
    // RFC 9111 section 4.4: "A cache MUST invalidate the target URI".
    if let Some(purge) = invalid.purge {
        reply.body.go_on();
        cache.purger.invalidate(purge).await;
    }
    // "A cache MAY invalidate other URIs": these become stale, and a visitor cannot have them generated all
    // the time.
    cache.purger.make_stale(invalid.named);
    reply
}

/// The visitor's request, unchanged.
fn as_asked(ask: &Ask, request: &Request) -> RequestHead {
    ask.head(request.method.as_str(), request.target.clone().into(), &request.headers)
}

/// A request on its way to the application, and where interim replies go.
struct BypassRequest {
    request: Box<Request>,
    hints: Option<Arc<Hints>>,
}

async fn ask_application(
    cache: &Cache,
    head: impl Fn(&Request) -> RequestHead,
    BypassRequest { mut request, hints }: BypassRequest,
    reason: Option<Reason>,
    relay: impl FnOnce(OriginReply) -> Reply,
) -> Reply {
    let is_conditional =
        [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| request.headers.contains_key(name));
    let call = BypassCall::begin(is_conditional, reason);
    let body = request.body.take();
    // Boxed: each function that the request goes through would otherwise copy its room.
    let fetched = Box::pin(cache.application.fetch(|| head(&request), body, hints.as_deref())).await;
    match call.reply(fetched) {
        Ok(reply) => relay(reply).to(request),
        Err(failure) => call.failed(cache, &request.target, failure),
    }
}

/// A call of the application that bypasses the cache, as far as it matters for the reply.
pub(super) struct BypassCall {
    started: Instant,
    is_conditional: bool,
    reason: Option<Reason>,
}

impl BypassCall {
    /// `is_conditional`: 304 is a reply to the request.
    pub(super) fn begin(is_conditional: bool, reason: Option<Reason>) -> Self {
        Self { started: Instant::now(), is_conditional, reason }
    }

    /// The reply, if the request may have it.
    pub(super) fn reply(&self, fetched: Result<OriginReply, Failure>) -> Result<OriginReply, Failure> {
        match fetched {
            Ok(reply) if reply.status == StatusCode::NOT_MODIFIED && !self.is_conditional => {
                Err(validate::unasked(&reply))
            }
            fetched => fetched,
        }
    }

    /// The answer to a request that the application has failed.
    pub(super) fn failed(&self, cache: &Cache, target: &str, failure: Failure) -> Reply {
        cache.application.log_failure(target, &failure);
        let mut reply = answer::failed(&failure, self.reason);
        let upstream = Upstream::failed(self.started, failure.server, failure.earlier);
        reply.note.upstream = Some(Arc::new(upstream));
        reply
    }
}
