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
    let host = text(&wanted.host).map(|host| of_url(&host).to_owned());
    let host = host.filter(|host| host.bytes().all(|byte| byte > b' ' && byte != 0x7f));
    let scheme = match text(&wanted.scheme).as_deref() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => ask.scheme,
    };
    Ask { host: host.unwrap_or_default(), scheme, ..ask }
}

/// The host of a value that may be a URL, as those are that choose a pool.
fn of_url(value: &str) -> &str {
    let (scheme, rest) = value.split_once("://").unwrap_or(("", value));
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    if rest == "unix:" { "localhost" } else { rest.strip_suffix(usual).unwrap_or(rest) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_that_of_a_url() {
        for (value, host) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example:80"),
            ("http://a.example:80/b?c", "a.example"),
            ("https://a.example:80", "a.example:80"),
            ("https://a.example:443?b", "a.example"),
            ("a.example/b", "a.example"),
            ("unix:/run/app.sock", "localhost"),
            ("http://unix:/run/app.sock:/b", "localhost"),
            ("http://[::1]:8000/", "[::1]:8000"),
        ] {
            assert_eq!(of_url(value), host, "{value}");
        }
    }
}
