//! Purges that requests cause: the PURGE method, and what the application's reply to a change makes invalid.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache::{Invalidation, Policy, RequestParts};
use purge::{Purge, Target};

use crate::Edge;
use crate::purge::target;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, ReplyParts, error};
use crate::request::Request;

/// `PURGE /path`: purges that page, in all variants, under http and https.
pub(crate) async fn answer(edge: &Edge, request: &Request) -> Reply {
    if let Some(refused) = refusal(edge, request) {
        if !edge.settings.purge_allow.is_empty() {
            let client = request.client.address.to_canonical();
            tracing::warn!(%client, target = request.target, "PURGE refused: the client's address is not in edge.purge_allow");
        }
        return refused;
    }
    let targets = target::page(&edge.routes.load(), &request.authority, &request.target);
    let Ok(purge) = Purge::new(targets, false) else {
        return error::bad_request("The target of the purge is not the path of a page.");
    };
    let outcome = edge.purger.purge(&purge).await;
    let status = if outcome.complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut text = serde_json::to_vec(&outcome).unwrap_or_default();
    text.push(b'\n');
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    ReplyParts::new(status, headers, ReplyBody::Whole(text.into()))
}

/// The answer to a client that may not purge.
pub(crate) fn refusal(edge: &Edge, request: &Request) -> Option<Reply> {
    let allowed = &edge.settings.purge_allow;
    if allowed.is_empty() {
        return Some(error::method_not_allowed());
    }
    let client = request.client.address.to_canonical();
    (!allowed.iter().any(|net| net.contains(&client))).then(error::may_not_purge)
}

/// What the application's reply to a change makes invalid.
#[derive(Debug, Default)]
pub(crate) struct InvalidPurgeRequest {
    /// The page itself, and groups of pages.
    pub(crate) purge: Option<Purge>,
    /// Other pages that the reply names.
    pub(crate) named: Vec<Bytes>,
}

/// What the application's reply to a request makes invalid. A page that is not cached at its own location is
/// not purged when it changes; what the reply names besides is.
pub(crate) fn invalid(
    policy: Option<&Policy>,
    request: &RequestParts<'_>,
    status: StatusCode,
    reply: &HeaderMap,
) -> InvalidPurgeRequest {
    let by_default = Policy::default();
    let Invalidation { target, named, tags } =
        policy.unwrap_or(&by_default).invalidation(request, status, reply);
    let target = target.filter(|_| policy.is_some()).map(Target::Url);
    let tags = tags.into_iter().map(Target::Tag);
    InvalidPurgeRequest { purge: Purge::new(target.into_iter().chain(tags).collect(), false).ok(), named }
}
