//! What the edge shows on its admin listener besides health and metrics: the status, the live page, purges,
//! and why a URL is cached or not.

mod others;
mod purge;
mod remedies;
mod status;
mod top;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use admin::{Access, Admin, Answer, Guard, Readiness, Routes, answer};
use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Method, Request, StatusCode};
use process::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::Edge;
use crate::explain::{ExplainQuestion, explain};
use crate::metrics::history_step::HistoryPlace;
use status::Status;

/// The longest time that the listener outlives the start of a drain. The process should end earlier by
/// itself.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

/// One document: nothing is loaded besides.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<title>Weir</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n",
    include_str!("admin/live/style.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("admin/live/page.html"),
    "<script>\n",
    include_str!("admin/live/figures.js"),
    include_str!("admin/live/cluster.js"),
    include_str!("admin/live/charts.js"),
    include_str!("admin/live/tables.js"),
    include_str!("admin/live/main.js"),
    "</script>\n</body>\n</html>\n",
);
/// Allows the page's own script and style, and calls to this listener. Nothing from elsewhere, and no frames.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The edge in force at the moment; `None` at the very end of the process.
#[derive(Clone)]
pub(crate) struct EdgeInForce(Arc<dyn Fn() -> Option<Arc<Edge>> + Send + Sync>);

impl EdgeInForce {
    pub(crate) fn new(get: impl Fn() -> Option<Arc<Edge>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(get))
    }
}

/// What the admin listener is about, and who may ask.
pub(crate) struct AdminPlane {
    pub(crate) edge: EdgeInForce,
    pub(crate) readiness: Readiness,
    pub(crate) guard: Guard,
}

/// Serves until a drain has ended, for an edge whose listeners are open. A drain does not wait for it, so do
/// not run it with `Shutdown::spawn`.
pub(crate) async fn serve<R: Routes>(listener: TcpListener, plane: AdminPlane, others: R, process: Shutdown) {
    let AdminPlane { edge, readiness, guard } = plane;
    let Some(exposition) = (edge.0)().map(|edge| edge.metrics.exposition().clone()) else { return };
    let routes = (EdgeRoutes { edge, readiness: readiness.clone() }, others);
    let admin = Admin { readiness, exposition, guard, routes };
    let ended = async {
        // The next process answers there already.
        if !process.is_handed_over() {
            process.finish(MAX_DRAIN).await;
        }
    };
    admin::serve(listener, admin, process.draining(), ended).await;
}

struct EdgeRoutes {
    edge: EdgeInForce,
    readiness: Readiness,
}

impl Routes for EdgeRoutes {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        let edge = (self.edge.0)()?;
        let answer = match request.uri().path() {
            "/" => page(),
            "/api/v1/status" => status(&edge, &self.readiness),
            "/api/v1/history" => history(&edge, request),
            "/api/v1/purges" => json(&serde_json::json!({ "purges": edge.purger.recent.all() })),
            "/api/v1/edges" => edges(&edge).await,
            path if path.starts_with("/api/v1/edges/") => return Some(others::answer(&edge, request).await),
            "/api/v1/log" if *request.method() == Method::GET => watch::log(&edge, request),
            "/api/v1/top" if *request.method() == Method::GET => {
                watch::top(&edge, self.readiness.clone(), request)
            }
            "/api/v1/log" | "/api/v1/top" => {
                answer::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
            }
            "/api/v1/explain" if matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) => {
                return Some(explained(&edge, request).await);
            }
            "/api/v1/explain" => answer::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"),
            "/api/v1/purge" => return Some(purge::answer(&edge, request).await),
            _ => return None,
        };
        Some(answer::to_read(request.method(), answer))
    }

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        match request.uri().path() {
            // It asks the application as whomever the question names.
            "/api/v1/explain" => Some(Access::Trusted),
            // It asks the other edge as somebody who has its token.
            path if path.starts_with("/api/v1/edges/") => Some(Access::Trusted),
            // They show who asks for what.
            "/api/v1/log" | "/api/v1/top" | "/api/v1/edges" => Some(Access::Trusted),
            "/" | "/api/v1/status" | "/api/v1/purge" | "/api/v1/purges" | "/api/v1/history" => {
                Some(Access::by_method(request.method()))
            }
            _ => None,
        }
    }
}

async fn explained(edge: &Arc<Edge>, request: &Request<Bytes>) -> Answer {
    let question = match ExplainQuestion::of(request) {
        Ok(question) => question,
        Err(wrong) => return answer::text(StatusCode::BAD_REQUEST, format!("{wrong}\n")),
    };
    match serde_json::to_vec(&explain(edge, &question).await) {
        Ok(explanation) => answer::of_type(StatusCode::OK, "application/json", explanation),
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot serialise the explanation\n"),
    }
}

/// All edges that the cache-nodes know, by name and address of the admin listener.
async fn edges(edge: &Edge) -> Answer {
    let known = edge.cache.nodes.edges().await;
    let edges: Vec<_> =
        known.iter().map(|edge| serde_json::json!({ "name": edge.name, "admin": edge.admin })).collect();
    json(&serde_json::json!({ "edges": edges }))
}

fn status(edge: &Edge, readiness: &Readiness) -> Answer {
    match serde_json::to_vec(&Status::now(edge.settings.name(), &edge.metrics, readiness)) {
        Ok(status) => answer::of_type(StatusCode::OK, "application/json", status),
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot serialise the status\n"),
    }
}

/// What happened at the whole edge, or at a location (`site`, `location`) or server (`pool`, `server`).
fn history(edge: &Edge, request: &Request<Bytes>) -> Answer {
    let both = |one, other| Some((watch::parameter(request, one)?, watch::parameter(request, other)?));
    let location = both("site", "location").map(|(site, location)| HistoryPlace::Location { site, location });
    let server = || both("pool", "server").map(|(pool, server)| HistoryPlace::Server { pool, server });
    match location.or_else(server) {
        None => json(&edge.metrics.history.json()),
        Some(place) => match edge.metrics.history.of(&place) {
            Some(history) => json(&history),
            None => answer::text(StatusCode::NOT_FOUND, "nothing is known of it yet\n"),
        },
    }
}

fn json(value: &serde_json::Value) -> Answer {
    answer::of_type(StatusCode::OK, "application/json", value.to_string())
}

fn page() -> Answer {
    let mut page = answer::of_type(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    page
}

#[cfg(test)]
mod tests;
