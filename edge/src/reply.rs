//! A reply on its way to the client, with what the access log and the metrics need.
//!
//! `answer` makes it from a page or from the application's reply, `error` makes the edge's own statuses,
//! `body` is what follows the head, `first_chunk` holds the head back until the body has begun, and `coding`
//! compresses it where the location says so. `holes` fills those of a shared page.

mod age;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod changes;
pub(crate) mod coding;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod first_chunk;
pub(crate) mod holes;

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_cache::cache_status::{CacheStatus, X_CACHE_STATUS};
use http_cache::holes::Holes;

use crate::application::upstream::Upstream;
use crate::cache::page::Page;
use crate::coding::copies::CodedCopies;
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::request::Request;
use crate::route::Location;

/// The application says how fast its reply is sent.
pub(crate) const X_ACCEL_LIMIT_RATE: HeaderName = HeaderName::from_static("x-accel-limit-rate");
/// The field by which the application lets another location answer.
pub(crate) const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// On its way to the client it is handed on some thirty times, and it is long.
pub(crate) type Reply = Box<ReplyParts>;

pub(crate) struct ReplyParts {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Lines of the head that go before those of `headers`, where HTTP/1 passes a reply through.
    pub(crate) lines: Vec<u8>,
    pub(crate) body: ReplyBody,
    /// The length of the body if it is known beforehand; the writer checks it.
    pub(crate) length: Option<u64>,
    /// The connection ends after this reply.
    pub(crate) close: bool,
    /// A page of our own for a status: another page may answer instead.
    pub(crate) is_error: bool,
    /// Nothing is sent: the connection ends.
    pub(crate) hangs_up: bool,
    pub(crate) note: Note,
    /// The application wants another location to answer instead.
    pub(crate) elsewhere: Option<Box<AccelRedirect>>,
    /// X-Accel-Limit-Rate: how fast the application wants it to be sent.
    pub(crate) told_rate: Option<HeaderValue>,
    /// What holds the coded copies of the body.
    pub(crate) kept: Option<KeptBody>,
    /// Places in the body that are filled for each visitor.
    pub(crate) holes: Option<Arc<Holes>>,
    /// Fields that follow the body, for clients that take them.
    pub(crate) trailers: Vec<(HeaderName, HeaderValue)>,
}

/// A body that is kept, and the coded copies of it with it.
pub(crate) enum KeptBody {
    Page(Arc<Page>),
    File(Arc<CodedCopies>),
}

/// X-Accel-Redirect, and the request that it must answer.
pub(crate) struct AccelRedirect {
    pub(crate) target: HeaderValue,
    pub(crate) request: Option<Box<Request>>,
}

/// What the access log and the metrics need.
pub(crate) struct Note {
    pub(crate) location: Option<Arc<Location>>,
    pub(crate) cache: CacheResult,
    /// How the cache took part; `None` if the location has no cache.
    pub(crate) cache_status: Option<CacheStatus>,
    /// The application's part, if it was asked for this request.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// The length of the body before it was compressed as a whole.
    pub(crate) uncoded: Option<u64>,
}

impl ReplyParts {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Reply {
        let length = match &body {
            ReplyBody::Empty => Some(0),
            ReplyBody::Whole(bytes) => Some(bytes.len() as u64),
            ReplyBody::File(file) => Some(file.remaining()),
            ReplyBody::Growing(reader) => reader.length(),
            ReplyBody::Part(part) => Some(part.left()),
            ReplyBody::Origin(_)
            | ReplyBody::Begun(_)
            | ReplyBody::Coded(_)
            | ReplyBody::Filled(_)
            | ReplyBody::Changed(_)
            | ReplyBody::Paced(_) => None,
        };
        Box::new(Self {
            status,
            headers,
            lines: Vec::new(),
            body,
            length,
            close: false,
            is_error: false,
            hangs_up: false,
            elsewhere: None,
            told_rate: None,
            kept: None,
            holes: None,
            trailers: Vec::new(),
            note: Note {
                location: None,
                cache: CacheResult::Own,
                cache_status: None,
                upstream: None,
                uncoded: None,
            },
        })
    }

    /// Makes a reply that may send its request to another location.
    pub(crate) fn to(mut self: Box<Self>, request: Box<Request>) -> Box<Self> {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.request = Some(request);
        }
        self
    }

    /// Also names the cache's part in nginx's words (`[edge] nginx_cache_status`).
    pub(crate) fn in_nginx_words(mut self: Box<Self>) -> Box<Self> {
        if let Some(status) = &self.note.cache_status {
            self.headers.insert(X_CACHE_STATUS, HeaderValue::from_static(status.nginx_word()));
        }
        self
    }

    /// It does not end by itself.
    pub(crate) fn is_event_stream(&self) -> bool {
        let media_type = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.as_bytes().split(|byte| *byte == b';').next());
        media_type
            .is_some_and(|media_type| media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    }

    pub(crate) fn closing(mut self: Box<Self>) -> Box<Self> {
        self.close = true;
        self
    }

    pub(crate) fn with_length(mut self: Box<Self>, length: Option<u64>) -> Box<Self> {
        self.length = self.length.or(length);
        self
    }

    pub(crate) fn at(mut self: Box<Self>, location: &Arc<Location>) -> Box<Self> {
        self.note.location = Some(location.clone());
        self
    }

    pub(crate) fn noting(mut self: Box<Self>, cache: CacheResult) -> Box<Self> {
        self.note.cache = cache;
        self
    }
}
