//! What the edge shows on its admin listener besides health and metrics: the status, the live page, purges,
//! and why a URL is cached or not.

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
use status::Status;

/// The longest time that the listener outlives the start of a drain. The process should end earlier by
/// itself.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

const PAGE: &str = include_str!("admin/live.html");
/// Allows the page's own script and style, and calls to this listener. Nothing from elsewhere, and no frames.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Serves until a drain has ended, for an edge whose listeners are open. A drain does not wait for it, so do
/// not run it with `Shutdown::spawn`.
pub(crate) async fn serve<R: Routes>(
    listener: TcpListener,
    edge: Arc<Edge>,
    others: R,
    readiness: Readiness,
    shutdown: Shutdown,
) {
    let exposition = edge.metrics.exposition().clone();
    let settings = &edge.settings;
    let guard = Guard::new(&settings.admin, &settings.admin_hosts, settings.admin_token_file.as_deref());
    let routes = (EdgeRoutes { edge, readiness: readiness.clone() }, others);
    let admin = Admin { readiness, exposition, guard, routes };
    let ended = async {
        // The next process answers there already.
        if !shutdown.is_handed_over() {
            shutdown.finish(MAX_DRAIN).await;
        }
    };
    admin::serve(listener, admin, shutdown.draining(), ended).await;
}

struct EdgeRoutes {
    edge: Arc<Edge>,
    readiness: Readiness,
}

impl Routes for EdgeRoutes {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        let answer = match request.uri().path() {
            "/" => page(),
            "/api/v1/status" => self.status(),
            "/api/v1/history" => json(&self.edge.metrics.history.json()),
            "/api/v1/purges" => json(&serde_json::json!({ "purges": self.edge.purger.recent.all() })),
            "/api/v1/edges" => self.edges().await,
            "/api/v1/log" if *request.method() == Method::GET => watch::log(&self.edge, request),
            "/api/v1/top" if *request.method() == Method::GET => {
                watch::top(&self.edge, self.readiness.clone(), request)
            }
            "/api/v1/log" | "/api/v1/top" => {
                answer::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
            }
            "/api/v1/explain" if matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) => {
                return Some(self.explain(request).await);
            }
            "/api/v1/explain" => answer::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"),
            "/api/v1/purge" => return Some(purge::answer(&self.edge, request).await),
            _ => return None,
        };
        Some(answer::to_read(request.method(), answer))
    }

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        match request.uri().path() {
            // It asks the application as whomever the question names.
            "/api/v1/explain" => Some(Access::Trusted),
            // They show who asks for what.
            "/api/v1/log" | "/api/v1/top" | "/api/v1/edges" => Some(Access::Trusted),
            "/" | "/api/v1/status" | "/api/v1/purge" | "/api/v1/purges" | "/api/v1/history" => {
                Some(Access::by_method(request.method()))
            }
            _ => None,
        }
    }
}

impl EdgeRoutes {
    async fn explain(&self, request: &Request<Bytes>) -> Answer {
        let question = match ExplainQuestion::of(request) {
            Ok(question) => question,
            Err(wrong) => return answer::text(StatusCode::BAD_REQUEST, format!("{wrong}\n")),
        };
        match serde_json::to_vec(&explain(&self.edge, &question).await) {
            Ok(explanation) => answer::of_type(StatusCode::OK, "application/json", explanation),
            Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot serialise the explanation\n"),
        }
    }

    /// All edges that the cache-nodes know, by name and address of the admin listener.
    async fn edges(&self) -> Answer {
        let known = self.edge.cache.nodes.edges().await;
        let edges: Vec<_> =
            known.iter().map(|edge| serde_json::json!({ "name": edge.name, "admin": edge.admin })).collect();
        json(&serde_json::json!({ "edges": edges }))
    }

    fn status(&self) -> Answer {
        match serde_json::to_vec(&Status::now(&self.edge.metrics, &self.readiness)) {
            Ok(status) => answer::of_type(StatusCode::OK, "application/json", status),
            Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot serialise the status\n"),
        }
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
