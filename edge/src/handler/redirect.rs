//! A request that goes on to another location: what it takes along.

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::application::upstream::Upstream;
use crate::handler::AtLocation;
use crate::reply::Reply;
use crate::request::{Entry, Request};

/// The request as the next location gets it.
pub(super) struct InternalRedirect {
    pub(super) request: Box<Request>,
    /// The application's reply with the redirect: some of its fields are kept.
    pub(super) first: Option<Reply>,
    /// The error that the next location answers.
    pub(super) instead: Option<InterceptedError>,
}

impl AtLocation {
    /// A rule sends the request on.
    pub(super) fn again(request: Box<Request>, entry: Entry) -> Self {
        let mut request = request;
        request.entry = entry;
        request.named_by_application = false;
        Self::Again(Box::new(InternalRedirect { request, first: None, instead: None }))
    }
}

/// An error that another page answers.
pub(crate) struct InterceptedError {
    /// The status of the answer; `None`: the page's own.
    pub(super) status: Option<StatusCode>,
    pub(super) kept: HeaderMap,
    /// The application's part in it.
    pub(super) upstream: Option<Arc<Upstream>>,
}

impl InterceptedError {
    /// Makes the page's reply that of the error, unless the page fails itself.
    pub(super) fn finish(self, mut reply: Reply) -> Reply {
        if let Some(status) = self.status.filter(|_| !reply.is_error) {
            reply.status = status;
            if status != StatusCode::OK {
                // No part of it can be asked for, and as in nginx its date is not told.
                reply.headers.remove(ACCEPT_RANGES);
                reply.headers.remove(LAST_MODIFIED);
            }
        }
        reply.note.upstream = reply.note.upstream.or(self.upstream);
        for (name, value) in self.kept {
            if let Some(name) = name.filter(|name| !reply.headers.contains_key(name)) {
                reply.headers.append(name, value);
            }
        }
        reply
    }
}
