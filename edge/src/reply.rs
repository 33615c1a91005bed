//! A reply on its way to the client, with what the log and the metrics want to know of it.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod first_chunk;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache::Reason;

use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::request::Request;
use crate::route::Location;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
    /// Length of the body where it is known before it is sent; checked while it is sent.
    pub(crate) length: Option<u64>,
    /// The connection ends after this reply.
    pub(crate) close: bool,
    pub(crate) note: Note,
    /// The application wants another location to answer in its place.
    pub(crate) elsewhere: Option<Box<Elsewhere>>,
}

/// X-Accel-Redirect, and the request that is to be answered by it.
pub(crate) struct Elsewhere {
    pub(crate) target: HeaderValue,
    pub(crate) request: Option<Request>,
}

/// For the access log and the metrics.
pub(crate) struct Note {
    pub(crate) location: Option<Arc<Location>>,
    pub(crate) cache: CacheResult,
    /// Why it was not answered from the cache, or not stored.
    pub(crate) reason: Option<Reason>,
    /// How long the application took to its reply's head.
    pub(crate) upstream: Option<Duration>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Self {
        let length = match &body {
            ReplyBody::Empty => Some(0),
            ReplyBody::Whole(bytes) => Some(bytes.len() as u64),
            ReplyBody::File(file) => Some(file.remaining()),
            ReplyBody::Growing(reader) => reader.length(),
            ReplyBody::Origin(_) => None,
        };
        Self {
            status,
            headers,
            body,
            length,
            close: false,
            elsewhere: None,
            note: Note { location: None, cache: CacheResult::Own, reason: None, upstream: None },
        }
    }

    /// For a reply that may send its request elsewhere.
    pub(crate) fn to(mut self, request: Request) -> Self {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.request = Some(request);
        }
        self
    }

    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn with_length(mut self, length: Option<u64>) -> Self {
        self.length = self.length.or(length);
        self
    }

    pub(crate) fn at(mut self, location: &Arc<Location>) -> Self {
        self.note.location = Some(location.clone());
        self
    }

    pub(crate) fn noting(mut self, cache: CacheResult) -> Self {
        self.note.cache = cache;
        self
    }
}
