//! Visitors who want the rest of what they hold, and name that by a date. One date stands for all codings of
//! a page, so a part that the application itself cuts may be one of another coding than what the visitor
//! holds (RFC 9110 section 8.8.1). Then the application is asked for the whole, which is what the visitor
//! gets.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, IF_RANGE, RANGE};
use http::{Method, StatusCode};
use http_cache::cache_status::CACHE_STATUS;

use crate::application::ask::Ask;
use crate::cache::Cache;
use crate::coding::rule::Compress;
use crate::handler::pass::pass;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, ReplyParts, coding};
use crate::request::Request;
use crate::route::Location;

/// The request for the whole.
pub(super) struct WholeRequest {
    rule: Arc<Compress>,
    ask: Box<Ask>,
    request: Box<Request>,
}

/// `None`: no part can be wrong.
pub(super) fn whole(location: &Location, ask: &Ask, request: &Request) -> Option<Box<WholeRequest>> {
    let rule = location.compress.as_ref()?;
    if request.method != Method::GET || !request.headers.contains_key(RANGE) || !request.body.is_empty() {
        return None;
    }
    if !coding::resumes_coded(rule, request) {
        return None;
    }
    let mut whole = request.without_body();
    [RANGE, IF_RANGE].iter().for_each(|name| while whole.headers.remove(name).is_some() {});
    Some(Box::new(WholeRequest { rule: rule.clone(), ask: Box::new(ask.clone()), request: Box::new(whole) }))
}

impl WholeRequest {
    /// The reply, or that to the request for the whole, where the application has cut the part.
    pub(super) async fn or(self: Box<Self>, cache: &Arc<Cache>, reply: Reply) -> Reply {
        if reply.status != StatusCode::PARTIAL_CONTENT
            || reply.kept.is_some()
            || matches!(reply.body, ReplyBody::Part(_))
        {
            return reply;
        }
        let is_several = reply.headers.get(CONTENT_TYPE).is_some_and(|media_type| {
            media_type.as_bytes().to_ascii_lowercase().starts_with(b"multipart/byteranges")
        });
        if !is_several && !self.rule.may_change(&reply.headers) {
            return reply;
        }
        let ReplyParts { mut headers, note, .. } = *reply;
        let mut whole = pass(cache, self.ask, self.request, None).await;
        whole.note.cache = note.cache;
        whole.note.cache_status = note.cache_status;
        if let Some(status) = headers.remove(CACHE_STATUS) {
            whole.headers.insert(CACHE_STATUS, status);
        }
        whole
    }
}
