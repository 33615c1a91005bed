//! The admin listener of any of our processes: health, readiness and metrics over HTTP; what else a service
//! shows is its own.
//!
//! Apart from the data path, so that it answers under overload and during a drain. Meant for 127.0.0.1 or a
//! network of the operator's own. `guard` decides who may ask what.

use std::future::Future;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};

pub mod answer;
mod answer_body;
mod authority;
pub mod client;
mod control;
mod exposition;
mod guard;
pub mod hosts;
mod probe;
mod readiness;
mod seats;
mod serve;
pub mod token;

pub use answer::Answer;
pub use answer_body::AnswerBody;
pub use authority::{Authority, Denial};
pub use exposition::{Exposition, Format};
pub use guard::{Access, Guard};
pub use hosts::Hosts;
pub use probe::{ProbeFailure, healthcheck};
pub use readiness::{Phase, Readiness};
pub use serve::serve;

/// What one process shows at `/livez`, `/readyz`, `/metrics` and at the routes of its own.
#[derive(Debug, Default)]
pub struct Admin<R = ()> {
    pub readiness: Readiness,
    pub exposition: Exposition,
    pub guard: Guard,
    pub routes: R,
}

/// A service's own routes. `()` has none.
pub trait Routes: Send + Sync + 'static {
    /// The answer to a request whose body, 256 KiB at most, has come whole. `None`: there is no such path.
    fn answer(&self, request: &Request<Bytes>) -> impl Future<Output = Option<Answer>> + Send;

    /// What a request to one of its paths needs. `None`: there is no such path.
    fn access(&self, request: &Request<Bytes>) -> Option<Access>;
}

impl Routes for () {
    async fn answer(&self, _: &Request<Bytes>) -> Option<Answer> {
        None
    }

    fn access(&self, _: &Request<Bytes>) -> Option<Access> {
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

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        self.as_ref()?.access(request)
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

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        self.0.access(request).or_else(|| self.1.access(request))
    }
}

/// Whether it is what probes and scrapers ask for, which is answered at once.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

impl<R: Routes> Admin<R> {
    async fn answer(&self, request: &Request<Bytes>) -> Answer {
        if let Some(refusal) = self.guard.misdirected(request) {
            return refusal;
        }
        let answer = match request.uri().path() {
            "/livez" => answer::text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(request),
            _ => return self.own(request).await,
        };
        answer::to_read(request.method(), answer)
    }

    /// The answer of the service's own routes.
    async fn own(&self, request: &Request<Bytes>) -> Answer {
        let access = self.routes.access(request).unwrap_or_else(|| Access::by_method(request.method()));
        if let Some(refusal) = self.guard.refusal(access, request).await {
            return refusal;
        }
        let answer = self.routes.answer(request).await;
        answer.unwrap_or_else(|| answer::text(StatusCode::NOT_FOUND, "not found\n"))
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
