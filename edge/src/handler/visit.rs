//! What the handler of a request and its connection tell each other besides the reply.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::{HeaderValue, Method, Version};
use http1::head::Scheme;
use parking_lot::Mutex;
use tracing::Span;

use crate::Edge;
use crate::application::hints::Hints;
use crate::limit::connections::ConnectionPlace;
use crate::log::spans;
use crate::metrics::GaugeGuard;
use crate::request::Request;
use crate::request::snapshot::RequestSnapshot;
use crate::variables::{DocumentRoot, LimitStatus};

pub(crate) struct Visit {
    pub(crate) span: Span,
    pub(crate) client_abort: ClientAbort,
    /// Counts the request while it is in progress.
    _active: GaugeGuard,
    /// The listener that has accepted its connection.
    pub(crate) listener: u16,
    /// The client uses TLS, to the edge or to a trusted proxy.
    pub(crate) is_secure: bool,
    /// The request, for variables that are needed when it is gone; `None`: no location needs any.
    pub(crate) kept: Option<Arc<RequestSnapshot>>,
    /// Interim replies on their way to the client; `None`: nobody wants them.
    pub(crate) hints: Option<Arc<Hints>>,
    /// Cookies that the page of `auth_request` has set.
    cookies: Mutex<Vec<HeaderValue>>,
    /// Its places among the requests in progress, until its reply has been sent.
    places: Mutex<Vec<ConnectionPlace>>,
}

impl Visit {
    pub(crate) fn of(edge: &Edge, request: &mut Request) -> Self {
        // Older clients take the first head for the reply.
        let wants_hints = request.version >= Version::HTTP_11 && edge.routes.load().wants_hints();
        if edge.routes.load().keeps_bodies() && !request.body.is_empty() {
            request.arrival.body = Some(Arc::default());
        }
        Self {
            span: spans::of_request(request),
            client_abort: ClientAbort::default(),
            _active: GaugeGuard::enter(&edge.metrics.requests_active),
            listener: request.listener,
            is_secure: request.scheme == Scheme::Https,
            kept: edge.routes.load().keeps_requests().then(|| Arc::new(RequestSnapshot::of(request))),
            hints: wants_hints.then(Arc::default),
            cookies: Mutex::default(),
            places: Mutex::default(),
        }
    }

    /// The request has reached a location.
    pub(crate) fn reached(&self, request: &Request, uri: &[u8], root: &Arc<DocumentRoot>) {
        if let Some(kept) = &self.kept {
            kept.reached(request, uri, root);
        }
    }

    /// Limits have counted the request.
    pub(super) fn limited(&self, status: LimitStatus) {
        if let Some(kept) = &self.kept {
            kept.limited(status);
        }
    }

    pub(super) fn set_cookies(&self, cookies: impl Iterator<Item = HeaderValue>) {
        self.cookies.lock().extend(cookies);
    }

    pub(super) fn take_cookies(&self) -> Vec<HeaderValue> {
        std::mem::take(&mut self.cookies.lock())
    }

    pub(crate) fn hold(&self, places: Vec<ConnectionPlace>) {
        self.places.lock().extend(places);
    }
}

/// Whether a request is aborted when its client has left. Undecided until it is known to wait for an
/// application.
#[derive(Default)]
pub(crate) struct ClientAbort(AtomicBool);

impl ClientAbort {
    /// The request goes to a location with an application. One that may change something continues: what its
    /// reply makes invalid is purged.
    pub(crate) fn decide(&self, method: &Method, ignore_client_abort: bool) {
        self.0.store(method.is_safe() && !ignore_client_abort, Relaxed);
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Resolves when the client has left, if that matters.
    pub(crate) async fn heed(&self, left: impl Future<Output = ()>) {
        left.await;
        if !self.is_decided() {
            pending().await
        }
    }
}
