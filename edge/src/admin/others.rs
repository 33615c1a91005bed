//! `/api/v1/edges/NAME/…`: what another edge of the cluster answers, so that one page shows all of them and
//! one address is enough. Only what the live page asks for, and only of edges that the cache-nodes know.

use std::time::Duration;

use admin::client::{self, Reply};
use admin::{Answer, answer, token};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use crate::Edge;
use crate::cache_node::identity::read_token;

const ROOT: &str = "/api/v1/edges/";
/// How long another edge may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// `/api/v1/top` adds up for this long at most, and then answers.
const PATIENCE_OF_TOP: Duration = Duration::from_secs(15);
/// Edges asked at the same time; each takes a thread.
static ASKING: Semaphore = Semaphore::const_new(16);

/// What the live page asks other edges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageQuestion {
    Figures,
    Top,
    /// Changes servers too.
    Pools,
}

impl PageQuestion {
    fn of(path: &str) -> Option<Self> {
        match path {
            "status" | "history" | "purges" => Some(Self::Figures),
            "top" => Some(Self::Top),
            _ if path == "pools" || path.starts_with("pools/") => Some(Self::Pools),
            _ => None,
        }
    }
}

pub(super) async fn answer(edge: &Edge, request: &Request<Bytes>) -> Answer {
    let not_found = |text: &'static str| answer::text(StatusCode::NOT_FOUND, text);
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default();
    let Some((name, path)) = path.split_once('/') else { return not_found("which part of it?\n") };
    let Some(question) = PageQuestion::of(path) else { return not_found("there is no such path\n") };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && question != PageQuestion::Pools {
        return answer::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    }
    let name = percent_decode_str(name).decode_utf8_lossy();
    let known = edge.cache.nodes.edges().await;
    let Some(other) = known.into_iter().find(|known| known.name == name) else {
        return not_found("the cache-nodes know no such edge\n");
    };
    let Ok(_place) = ASKING.try_acquire() else {
        return answer::text(StatusCode::SERVICE_UNAVAILABLE, "too many edges are asked already\n");
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let (method, body) = (request.method().clone(), String::from_utf8_lossy(request.body()).into_owned());
    let target = format!("/api/v1/{path}{query}");
    let token = token_of(edge, &other.admin).await;
    let asking = tokio::task::spawn_blocking(move || {
        let token = token.as_deref();
        match question {
            PageQuestion::Top => first_line(&other.admin, &target, token),
            PageQuestion::Figures | PageQuestion::Pools => {
                client::ask(&other.admin, (method.as_str(), &target), &body, token, PATIENCE)
                    .map_err(|error| error.to_string())
            }
        }
    });
    match asking.await {
        Ok(Ok(Reply { status, body })) => {
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            answer::of_type(status.unwrap_or(StatusCode::BAD_GATEWAY), "application/json", body)
        }
        Ok(Err(error)) => answer::text(StatusCode::BAD_GATEWAY, format!("{error}\n")),
        Err(error) => answer::text(StatusCode::BAD_GATEWAY, format!("{error}\n")),
    }
}

/// That answer goes on; its first line is enough.
fn first_line(address: &str, target: &str, token: Option<&str>) -> Result<Reply, String> {
    let mut lines =
        client::lines(address, target, token, PATIENCE_OF_TOP).map_err(|refusal| refusal.to_string())?;
    let line = lines.next().ok_or("it has ended")?.map_err(|error| error.to_string())?;
    Ok(Reply { status: Some(200), body: line })
}

/// The token that all edges have; or, on the same machine, the one that the other has made for itself.
async fn token_of(edge: &Edge, address: &str) -> Option<String> {
    let file = match &edge.settings.admin_token_file {
        Some(file) => Some(file.clone()),
        None => token::find(address),
    };
    let token = read_token(file.as_deref()).await?;
    token.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_page_needs() {
        for (path, question) in [
            ("status", Some(PageQuestion::Figures)),
            ("history", Some(PageQuestion::Figures)),
            ("top", Some(PageQuestion::Top)),
            ("pools", Some(PageQuestion::Pools)),
            ("pools/app/servers/1", Some(PageQuestion::Pools)),
            ("poolside", None),
            ("purge", None),
            ("reload", None),
            ("edges/a/status", None),
            ("../metrics", None),
            ("", None),
        ] {
            assert_eq!(PageQuestion::of(path), question, "{path}");
        }
    }
}
