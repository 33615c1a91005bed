//! `/api/v1/pools` on the admin listener: shows pools and their servers; adds, changes and removes servers.

use std::sync::Arc;

use admin::{Access, Answer, Routes, answer};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::ServerConfig;
use crate::pool::{Entry, Pool, RosterError, ServerId};
use crate::pools::Pools;

const ROOT: &str = "/api/v1/pools";

impl Routes for Pools {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        let rest = request.uri().path().strip_prefix(ROOT)?;
        let path: Vec<&str> = match rest.strip_prefix('/') {
            Some(rest) => rest.split('/').collect(),
            None if rest.is_empty() => Vec::new(),
            None => return None,
        };
        Some(self.at(&path, request).await)
    }

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        let is_here = request.uri().path().starts_with(ROOT);
        let access = match Access::by_method(request.method()) {
            Access::Read => Access::Read,
            // Whoever changes servers decides where visitors go, with all that they send.
            Access::Change | Access::Trusted => Access::Trusted,
        };
        is_here.then_some(access)
    }
}

impl Pools {
    async fn at(&self, path: &[&str], request: &Request<Bytes>) -> Answer {
        let Some((name, path)) = path.split_first() else {
            let pools: Vec<_> = self.all().iter().map(|pool| pool.figures()).collect();
            return answer::to_read(request.method(), shown(StatusCode::OK, &json!({ "pools": pools })));
        };
        let name = percent_decode_str(name).decode_utf8_lossy();
        let Some(pool) = self.get(&name) else {
            return told(StatusCode::NOT_FOUND, "there is no such pool");
        };
        match path {
            [] => answer::to_read(request.method(), shown(StatusCode::OK, &pool.figures())),
            ["servers"] => self.servers(&pool, request).await,
            ["servers", id] => match id.parse() {
                Ok(id) => self.server(&pool, ServerId(id), request).await,
                Err(_) => told(StatusCode::NOT_FOUND, "a server is named by its number"),
            },
            _ => told(StatusCode::NOT_FOUND, "there is no such path"),
        }
    }

    async fn servers(&self, pool: &Arc<Pool>, request: &Request<Bytes>) -> Answer {
        match *request.method() {
            Method::GET | Method::HEAD => shown(StatusCode::OK, &pool.figures().servers),
            Method::POST => {
                // A browser sends this for no page of another site without asking first.
                if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
                    return told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, as application/json");
                }
                let server: ServerConfig = match serde_json::from_slice(request.body()) {
                    Ok(server) => server,
                    Err(error) => return told(StatusCode::BAD_REQUEST, &error.to_string()),
                };
                match pool.add(server).await {
                    Ok(entry) => {
                        tracing::info!(pool = pool.config.name, server = %entry.server.address, "added");
                        let mut added = listed(StatusCode::CREATED, &entry);
                        let place = format!("{}/{}", request.uri().path(), entry.id.0);
                        if let Ok(place) = HeaderValue::from_str(&place) {
                            added.headers_mut().insert(LOCATION, place);
                        }
                        added
                    }
                    Err(refused) => answer_to(&refused),
                }
            }
            _ => not_allowed("GET, HEAD, POST"),
        }
    }

    async fn server(&self, pool: &Arc<Pool>, id: ServerId, request: &Request<Bytes>) -> Answer {
        let changed = match *request.method() {
            Method::GET | Method::HEAD => {
                let mut servers = pool.figures().servers;
                servers.retain(|server| server.belongs_to(id));
                return match servers.as_slice() {
                    [] => answer_to(&RosterError::Unknown),
                    [server] => shown(StatusCode::OK, server),
                    // A name with several addresses.
                    servers => shown(StatusCode::OK, &servers),
                };
            }
            Method::PATCH | Method::DELETE => match *request.method() {
                Method::PATCH => change(pool, id, request.body()).await,
                _ => pool.remove(id).await.map_err(|refused| answer_to(&refused)),
            },
            _ => return not_allowed("GET, HEAD, PATCH, DELETE"),
        };
        match changed {
            Ok(entry) => {
                let what = if request.method() == Method::PATCH { "changed" } else { "removed" };
                tracing::info!(pool = pool.config.name, server = %entry.server.address, "{what}");
                listed(StatusCode::OK, &entry)
            }
            Err(refused) => refused,
        }
    }
}

/// RFC 7396: what the patch names is changed, what it gives `null` is as if it had not been set.
async fn change(pool: &Arc<Pool>, id: ServerId, patch: &[u8]) -> Result<Entry, Answer> {
    let wrong = |error: serde_json::Error| told(StatusCode::BAD_REQUEST, &error.to_string());
    let patch: Map<String, Value> = serde_json::from_slice(patch).map_err(wrong)?;
    let entry = pool.entries().into_iter().find(|entry| entry.id == id);
    let entry = entry.ok_or_else(|| answer_to(&RosterError::Unknown))?;
    let mut server = serde_json::to_value(&entry.server).map_err(wrong)?;
    for (key, value) in patch {
        match value {
            Value::Null => drop(server.as_object_mut().and_then(|server| server.remove(&key))),
            value => server[key] = value,
        }
    }
    let server = serde_json::from_value(server).map_err(wrong)?;
    pool.change(id, server).await.map_err(|refused| answer_to(&refused))
}

/// The server as it is listed.
fn listed(status: StatusCode, entry: &Entry) -> Answer {
    match serde_json::to_value(&entry.server) {
        Ok(mut server) => {
            server["id"] = entry.id.0.into();
            shown(status, &server)
        }
        Err(error) => told(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn answer_to(refused: &RosterError) -> Answer {
    let status = match refused {
        RosterError::Unknown => StatusCode::NOT_FOUND,
        RosterError::Twice | RosterError::Address => StatusCode::CONFLICT,
        RosterError::Invalid(..) | RosterError::Protocol => StatusCode::BAD_REQUEST,
        RosterError::TooMany | RosterError::NotAllowed => StatusCode::FORBIDDEN,
        RosterError::NotSaved(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    told(status, &refused.to_string())
}

fn not_allowed(methods: &'static str) -> Answer {
    let mut refused = told(StatusCode::METHOD_NOT_ALLOWED, "this is not done here");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    refused
}

fn told(status: StatusCode, error: &str) -> Answer {
    shown(status, &json!({ "error": error }))
}

fn shown(status: StatusCode, content: &impl Serialize) -> Answer {
    match serde_json::to_vec(content) {
        Ok(json) => answer::of_type(status, "application/json", json),
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be printed\n"),
    }
}

#[cfg(test)]
mod tests;
