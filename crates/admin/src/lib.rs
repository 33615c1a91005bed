//! The admin listener of any of our processes: health, readiness and metrics over HTTP; what else a service
//! shows is its own.
//!
//! Apart from the data path, so that it answers under overload and during a drain. Meant for 127.0.0.1 or a
//! network of the operator's own.

use std::future::Future;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request, StatusCode};

pub mod answer;
mod authority;
pub mod client;
mod exposition;
mod probe;
mod readiness;
mod serve;

pub use answer::Answer;
pub use authority::{Authority, Denied};
pub use exposition::{Exposition, Format};
pub use probe::{Unready, healthcheck};
pub use readiness::{Phase, Readiness};
pub use serve::serve;

/// What one process shows at `/livez`, `/readyz`, `/metrics` and at the routes of its own.
#[derive(Debug, Default)]
pub struct Admin<R = ()> {
    pub readiness: Readiness,
    pub exposition: Exposition,
    pub authority: Authority,
    pub routes: R,
}

/// A service's own routes. `()` has none.
pub trait Routes: Send + Sync + 'static {
    /// The answer to a request whose body, 256 KiB at most, has come whole. `None`: there is no such path.
    fn answer(&self, request: &Request<Bytes>) -> impl Future<Output = Option<Answer>> + Send;

    /// Whether it would change something, so that not everybody may ask it.
    fn changes(&self, request: &Request<Bytes>) -> bool {
        ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
    }
}

impl Routes for () {
    async fn answer(&self, _: &Request<Bytes>) -> Option<Answer> {
        None
    }
}

/// Those of a part that may not be there.
impl<R: Routes> Routes for Option<R> {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        match self {
            Some(routes) => routes.answer(request).await,
            None => None,
        }
    }

    fn changes(&self, request: &Request<Bytes>) -> bool {
        self.as_ref().is_none_or(|routes| routes.changes(request))
    }
}

/// The first's, then the second's.
impl<A: Routes, B: Routes> Routes for (A, B) {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        match self.0.answer(request).await {
            Some(answer) => Some(answer),
            None => self.1.answer(request).await,
        }
    }

    /// Unless one of them knows better.
    fn changes(&self, request: &Request<Bytes>) -> bool {
        self.0.changes(request) && self.1.changes(request)
    }
}

impl<R: Routes> Admin<R> {
    async fn answer(&self, request: &Request<Bytes>) -> Answer {
        let answer = match request.uri().path() {
            "/livez" => answer::text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(request),
            _ => {
                if self.routes.changes(request)
                    && let Some(refusal) = self.authority.refusal(request.headers()).await
                {
                    return refusal;
                }
                let own = self.routes.answer(request).await;
                return own.unwrap_or_else(|| answer::text(StatusCode::NOT_FOUND, "not found\n"));
            }
        };
        answer::to_read(request.method(), answer)
    }

    fn readyz(&self) -> Answer {
        match self.readiness.phase() {
            Phase::Ready => answer::text(StatusCode::OK, "ok\n"),
            Phase::Starting => answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Phase::Draining => answer::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        }
    }

    fn metrics(&self, request: &Request<Bytes>) -> Answer {
        let accept =
            request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept);
        match self.exposition.text(format) {
            Ok(metrics) => answer::of_type(StatusCode::OK, format.content_type(), metrics),
            Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be printed\n"),
        }
    }
}

#[cfg(test)]
mod tests;
