//! Asks the application for something else than the client does: another method, another body, without the
//! client's fields. nginx's `proxy_method`, `proxy_set_body`, `proxy_pass_request_headers` and
//! `proxy_pass_request_body`.

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;

use crate::handler::place::facts;
use crate::reply::{Reply, error};
use crate::request::Request;
use crate::request::body::{BodyFault, RequestBody};
use crate::request::path::NormalPath;
use crate::route::{Location, Site};
use crate::settings::PoolRequestConfig;

/// Changes the request. `Err`: the answer, because the client's body cannot be read.
pub(super) async fn change(
    wanted: &PoolRequestConfig,
    request: &mut Request,
    path: &NormalPath<'_>,
    (site, location): (&Site, &Location),
) -> Result<(), Box<Reply>> {
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

/// Takes the client's body, for variables.
async fn read(request: &mut Request, location: &Location) -> Result<(), Box<Reply>> {
    if !request.body.limit(location.max_body) {
        return Err(Box::new(error::body_too_large()));
    }
    if let Some(kept) = request.arrival.body.clone() {
        request.body.keep(kept, location.body_buffer);
    }
    while let Some(chunk) = request.body.next().await {
        match chunk {
            Ok(_) => {}
            Err(BodyFault::TooLarge) => return Err(Box::new(error::body_too_large())),
            Err(fault) => return Err(Box::new(error::bad_request(&format!("{fault}.")).closing())),
        }
    }
    Ok(())
}
