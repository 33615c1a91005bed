//! The admin listener: health, metrics, status, the live page. Apart from the data path, so that it answers under overload and
//! during a drain. Meant for 127.0.0.1 or a network of the operator's own.

mod probe;
mod readiness;
mod status;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use process::shutdown::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::metrics::{Exposition, Metrics};
pub use probe::{Unready, healthcheck};
pub use readiness::Readiness;
use status::Status;

/// Connections served at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 64;
/// Longest time for a request's head, also the first on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection this old is asked to end after the answer under way, and ended `LAST_ANSWER` later.
const MAX_AGE: Duration = Duration::from_secs(300);
const LAST_ANSWER: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a connection could not be accepted: out of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest time the listener outlives the start of a drain. The process is expected to end itself sooner.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

const TEXT: &str = "text/plain; charset=utf-8";
const PAGE: &str = include_str!("admin/live.html");
/// The page's own script and style, and calls to this listener. Nothing from elsewhere, in no frame.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What the admin listener tells of. Clones tell of the same.
#[derive(Clone, Debug)]
pub struct Admin {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

/// Serves until a drain has ended: probes and scrapers see it to its end. Not itself part of the work a drain waits for, so
/// don't run it by `Shutdown::spawn`. Marks the readiness as draining.
pub async fn serve(listener: TcpListener, admin: Admin, shutdown: Shutdown) {
    let mut drained = pin!(async {
        shutdown.draining().await;
        admin.readiness.drain();
        shutdown.finish(MAX_DRAIN).await;
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut drained => return,
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, admin.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn connection(stream: TcpStream, admin: Admin) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = admin.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A client that breaks off or breaks the rules is no news here.
    if tokio::time::timeout(MAX_AGE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_ANSWER, connection).await;
    }
}

impl Admin {
    pub fn new(metrics: Arc<Metrics>, readiness: Readiness) -> Self {
        Self { metrics, readiness }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let answer = match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(request),
            "/api/v1/status" => self.status(),
            "/" => page(),
            _ => return text(StatusCode::NOT_FOUND, "not found\n"),
        };
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            answer
        } else {
            not_allowed("GET, HEAD")
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let reasons = self.readiness.reasons();
        if reasons.is_empty() {
            return text(StatusCode::OK, "ok\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }

    fn metrics<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let accept =
            request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let exposition = Exposition::accepted(accept);
        match self.metrics.encode(exposition) {
            Ok(metrics) => answer(StatusCode::OK, exposition.content_type(), metrics),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be printed\n"),
        }
    }

    fn status(&self) -> Response<Full<Bytes>> {
        match serde_json::to_vec(&Status::now(&self.metrics, &self.readiness)) {
            Ok(status) => answer(StatusCode::OK, "application/json", status),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be printed\n"),
        }
    }
}

fn page() -> Response<Full<Bytes>> {
    let mut page = answer(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    page
}

fn not_allowed(allow: &'static str) -> Response<Full<Bytes>> {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    refused
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, TEXT, text)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests;
