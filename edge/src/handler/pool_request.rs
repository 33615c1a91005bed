//! Asks the application for something else than the client does: another method, another body, without the
//! client's fields. nginx's `proxy_method`, `proxy_set_body`, `proxy_pass_request_headers` and
//! `proxy_pass_request_body`.

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;

use http1::head::Scheme;

use crate::application::ask::Ask;
use crate::handler::place::facts;
use crate::reply::{Reply, error};
use crate::request::Request;
use crate::request::body::{BodyFault, RequestBody};
use crate::request::body_file::{self, BodyFileError};
use crate::request::path::NormalPath;
use crate::route::{Location, Site};
use crate::settings::PoolRequestConfig;
use crate::variables::{Facts, Template};

/// Changes the request. `Err`: the answer, because the client's body cannot be read.
pub(super) async fn change(
    wanted: &PoolRequestConfig,
    request: &mut Request,
    path: &NormalPath<'_>,
    (site, location): (&Site, &Location),
) -> Result<(), Reply> {
    if let Some(body) = &wanted.body {
        if body.constant().is_none() {
            read(request, location).await?;
        }
        let text = body.value(&facts(request, path, site, location)).into_owned();
        request.body = RequestBody::text(Bytes::from(text));
    }
    if let Some(method) = &wanted.method {
        let method = method.value(&facts(request, path, site, location)).to_ascii_uppercase();
        // An empty one is none.
        if let Ok(method) = Method::from_bytes(&method) {
            request.method = method;
        }
    }
    if !wanted.fields {
        let kind = request.headers.remove(CONTENT_TYPE).filter(|_| wanted.body.is_some());
        request.headers.clear();
        request.headers.extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    }
    Ok(())
}

/// Host and scheme as the application is told them. What is neither a host nor a scheme changes nothing.
pub(super) fn told(wanted: &PoolRequestConfig, ask: Ask, facts: &Facts<'_>) -> Ask {
    let text = |template: &Option<Template>| {
        let value = template.as_ref()?.value(facts).into_owned();
        String::from_utf8(value).ok().filter(|value| !value.is_empty())
    };
    let host = text(&wanted.host).filter(|host| host.bytes().all(|byte| byte > b' ' && byte != 0x7f));
    let scheme = match text(&wanted.scheme).as_deref() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => ask.scheme,
    };
    Ask { host: host.unwrap_or_default(), scheme, ..ask }
}

/// Takes the client's body into a temporary file, where its location wants one.
pub(super) async fn to_file(request: &mut Request, location: &Location) -> Result<(), Reply> {
    let taken = body_file::take(request.body.take(), location.body_buffer, location.body_file).await;
    match taken {
        Ok((body, file)) => {
            request.body = body;
            if let (Some(file), Some(kept)) = (file, &request.arrival.body) {
                kept.in_file(file);
            }
            Ok(())
        }
        Err(BodyFileError::Body(BodyFault::TooLarge)) => Err(error::body_too_large()),
        Err(BodyFileError::Body(fault)) => Err(error::bad_request(&format!("{fault}.")).closing()),
        Err(BodyFileError::Disk(failed)) => {
            tracing::error!(target = request.target, error = %failed, "cannot keep the body in a file");
            Err(error::internal())
        }
    }
}

/// Takes the client's body, for variables.
async fn read(request: &mut Request, location: &Location) -> Result<(), Reply> {
    if !request.body.limit(location.max_body) {
        return Err(error::body_too_large());
    }
    if let Some(kept) = request.arrival.body.clone() {
        request.body.keep(kept, location.body_buffer);
    }
    while let Some(chunk) = request.body.next().await {
        match chunk {
            Ok(_) => {}
            Err(BodyFault::TooLarge) => return Err(error::body_too_large()),
            Err(fault) => return Err(error::bad_request(&format!("{fault}.")).closing()),
        }
    }
    Ok(())
}
