//! A reply on its way to the client, with what the log and the metrics want to know of it.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod first_chunk;
pub(crate) mod sent;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_cache::cache_status::{CacheStatus, X_CACHE_STATUS};

use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::request::Request;
use crate::route::Location;

/// By this field of its reply the application has another location answer.
pub(crate) const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

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
    /// How the cache took part in it; `None` where the location has no cache.
    pub(crate) cache_status: Option<CacheStatus>,
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
            note: Note { location: None, cache: CacheResult::Own, cache_status: None, upstream: None },
        }
    }

    /// For a reply that may send its request elsewhere.
    pub(crate) fn to(mut self, request: Request) -> Self {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.request = Some(request);
        }
        self
    }

    /// Says how the cache took part in nginx's words too (`[edge] nginx_cache_status`).
    pub(crate) fn in_nginx_words(mut self) -> Self {
        if let Some(status) = &self.note.cache_status {
            self.headers.insert(X_CACHE_STATUS, HeaderValue::from_static(status.nginx_word()));
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
