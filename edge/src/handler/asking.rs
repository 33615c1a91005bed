//! What the application is asked with: pool, fields, body and variables, as the request's location says.

use std::sync::Arc;

use http::StatusCode;

use crate::application::ask::Ask;
use crate::application::passes::passes;
use crate::fields::request::CommonFields;
use crate::handler::{place, pool_request};
use crate::reply::{Reply, error};
use crate::request::path::NormalPath;
use crate::request::{Request, Upgrade};
use crate::route::pool_choice::ChosenPool;
use crate::route::{Location, RouteMatch, Site};
use crate::settings::BodyFiles;

/// Bounds the body, and keeps it for variables, where its location says so. `Err`: it cannot be had.
pub(super) async fn settle_body(request: &mut Request, location: &Location) -> Result<(), Reply> {
    if request.upgrade.is_some() {
        return Ok(());
    }
    request.body.limit(location.max_body);
    if let Some(kept) = request.arrival.body.clone().filter(|_| location.body_buffer > 0) {
        request.body.keep(kept, location.body_buffer);
    }
    if location.body_file == BodyFiles::Off || location.stream_body || request.body.is_empty() {
        return Ok(());
    }
    Box::pin(pool_request::to_file(request, location)).await
}

/// Host, scheme, pool and path, as its location says. `Err`: no server is named.
pub(super) fn as_wanted(
    ask: Ask,
    request: &mut Request,
    path: &NormalPath<'_>,
    (site, location): (&Site, &Location),
) -> Result<Ask, Reply> {
    let ask = match location.pool_request.as_deref() {
        Some(wanted) => pool_request::told(wanted, ask, &place::facts(request, path, site, location)),
        None => ask,
    };
    let told = location.told.as_ref().map(|told| told.of(&place::facts(request, path, site, location)));
    let ask = Ask { told, ..ask };
    let ask = match location.document_root.constant {
        Some(_) => ask,
        None => {
            let path = location.document_root.path(&place::facts(request, path, site, location));
            let Some(path) = path else { return Err(error::not_found()) };
            Ask { document_root: String::from_utf8_lossy(&path).into(), ..ask }
        }
    };
    let Some(choice) = &location.pool_choice else { return Ok(ask) };
    let Some(chosen) = choice.of(&place::facts(request, path, site, location)) else {
        tracing::warn!(target = request.target, "pool_choice names no server");
        return Err(error::of_status(StatusCode::BAD_GATEWAY));
    };
    let ChosenPool { pool, server, target } = chosen;
    if let Some(target) = target {
        request.redirect_to(target);
    }
    Ok(Ask { pool, server, ..ask })
}

/// Whether interim replies 103 are for this client.
pub(super) fn wants_hints(request: &Request, path: &NormalPath<'_>, chosen: RouteMatch<'_>) -> bool {
    let RouteMatch::Location(site, location) = chosen else { return false };
    let Some(wanted) = location.early_hints.as_ref().filter(|_| !request.is_check()) else { return false };
    let value = wanted.value(&place::facts(request, path, site, location));
    !value.is_empty() && *value != b"0"[..]
}

/// Sets and removes fields of a request to the application, and settles what its cache may do with it, as its
/// location says. Returns the fields that are alike for all requests with the same key.
pub(crate) fn request_fields(
    request: &mut Request,
    path: &NormalPath<'_>,
    chosen: RouteMatch<'_>,
) -> CommonFields {
    let RouteMatch::Location(site, location) = chosen else { return None };
    if location.internal && !request.is_sent_on() {
        return None;
    }
    if let Some(conditions) = &location.cache_conditions {
        let terms = conditions.of(&place::facts(request, path, site, location));
        request.cache_terms = Some(Box::new(terms));
    }
    let fields = location.request_fields.as_ref().filter(|_| location.pool.is_some())?;
    fields.apply(&place::facts(request, path, site, location)).put(&mut request.headers)
}

/// What the application is asked, but for method, target, fields and body.
pub(crate) fn ask(
    request: &Request,
    site: &Site,
    location: &Location,
    pool: Arc<str>,
    traceparent: String,
) -> Ask {
    Ask {
        pool,
        server: Arc::default(),
        scheme: request.scheme,
        version: request.version,
        authority: request.authority.clone(),
        host: String::new(),
        client: request.client,
        server_name: site.name.clone(),
        server_port: request.server_port,
        document_root: location.document_root.constant.clone().unwrap_or_default(),
        traceparent,
        priority: location.priority,
        stream_body: location.stream_body,
        stream_reply: location.stream_reply,
        variables: location.variables.clone(),
        upgrade: request.upgrade.map_or("", Upgrade::name),
        common_fields: None,
        timeout: location.timeout,
        hints: None,
        request_uri: request.asked.as_deref().map(|asked| asked.to_owned().into()),
        told: None,
        passes: passes(&request.headers),
    }
}
