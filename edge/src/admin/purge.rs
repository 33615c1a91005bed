//! `POST /api/v1/purge`: purges everywhere, and says when the purge is complete.

use admin::{Answer, answer};
use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, StatusCode};
use purge::{Purge, Target};
use serde::{Deserialize, Serialize};

use crate::Edge;
use crate::purge::outcome::PurgeOutcome;
use crate::purge::target;

/// What to purge. At least one of the first four must name something.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    urls: Vec<String>,
    prefixes: Vec<String>,
    tags: Vec<String>,
    all: bool,
    /// Makes pages stale instead of removing them.
    soft: bool,
}

#[derive(Serialize)]
struct PurgeAnswer<'a> {
    /// Which edge answers.
    edge: String,
    #[serde(flatten)]
    outcome: &'a PurgeOutcome,
}

#[derive(Serialize)]
struct Mistake {
    error: String,
}

pub(super) async fn answer(edge: &Edge, request: &Request<Bytes>) -> Answer {
    if request.method() != Method::POST {
        let mut refused = mistake(StatusCode::METHOD_NOT_ALLOWED, "send a purge by POST");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    let order: Order = match serde_json::from_slice(request.body()) {
        Ok(order) => order,
        Err(error) => return mistake(StatusCode::BAD_REQUEST, error),
    };
    let purge = match order.purge(edge) {
        Ok(purge) => purge,
        Err(error) => return mistake(StatusCode::BAD_REQUEST, error),
    };
    let outcome = edge.purger.purge(&purge).await;
    let status = if outcome.complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    json(status, &PurgeAnswer { edge: edge.settings.name(), outcome: &outcome })
}

impl Order {
    fn purge(self, edge: &Edge) -> Result<Purge, String> {
        let sites = edge.routes.load();
        let mut targets = Vec::new();
        for url in &self.urls {
            targets.extend(target::url(&sites, url).map_err(|error| error.to_string())?);
        }
        for prefix in &self.prefixes {
            targets.push(target::prefix(prefix).map_err(|error| error.to_string())?);
        }
        for tag in &self.tags {
            targets.push(target::tag(tag).map_err(|error| error.to_string())?);
        }
        targets.extend(self.all.then_some(Target::All));
        Purge::new(targets, self.soft).map_err(|error| error.to_string())
    }
}

fn mistake(status: StatusCode, error: impl ToString) -> Answer {
    json(status, &Mistake { error: error.to_string() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            answer::of_type(status, "application/json", text)
        }
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot serialise the answer\n"),
    }
}
