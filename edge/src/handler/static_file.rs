//! Answers without the application: files from disk, and the redirect to a path with its slash.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use process::client_key::ClientKey;
use process::nofile;

use crate::connection::unix_client::UNIX;
use crate::files::{FileAnswer, FileBody, FileReply, FileRequest, FileSettings};
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::{KeptBody, Reply, ReplyParts, error};
use crate::request::Request;
use crate::request::path::{NormalPath, split, with_slash};
use crate::route::Location;
use crate::variables::RouteFacts;
use crate::{Edge, files};

/// The answer of a file in memory; equal to what [`answer`] gives. GET and HEAD only.
pub(crate) fn from_memory(
    edge: &Edge,
    location: &Location,
    method: &Method,
    headers: &HeaderMap,
    path: &NormalPath<'_>,
) -> Option<Reply> {
    let now = SystemTime::now();
    let asked = FileRequest { method, path, query: None, headers, internal: false, client: None };
    let file = files::from_memory(location.files.as_deref()?, &asked, now, &edge.files)?;
    Some(of_file(location, file, now).noting(CacheResult::File))
}

pub(crate) async fn answer(
    edge: &Edge,
    location: &Location,
    request: &Request,
    path: &NormalPath<'_>,
) -> Reply {
    let query = split(&request.target).1;
    let Some(settings) = settings(location, request, path) else {
        return error::not_found().noting(CacheResult::Own);
    };
    let now = SystemTime::now();
    let (method, headers, internal) = (&request.method, &request.headers, request.named_by_application);
    let client = (request.client.address != UNIX).then(|| ClientKey::from(request.client.address));
    let asked = FileRequest { method, path, query, headers, internal, client };
    let reply = match files::answer(&settings, &asked, now, &edge.files).await {
        FileAnswer::Reply(file) => of_file(location, file, now),
        FileAnswer::Redirect(to) => with_expires(redirect(to), location, now),
        FileAnswer::Listing { content_type, body } => {
            with_expires(listing(location, content_type, body), location, now)
        }
        FileAnswer::NotFound(path) => {
            if location.log_not_found {
                not_found(location, request, path.as_deref());
            }
            error::not_found()
        }
        FileAnswer::Forbidden(path, why) => {
            let (target, site, path) = (&request.target, &*location.site, whole(&path));
            tracing::warn!(target, site, path = %path.display(), "the file is forbidden: {why}");
            error::forbidden()
        }
        FileAnswer::MethodNotAllowed => error::method_not_allowed(),
        FileAnswer::Unavailable(failed) => {
            tracing::error!(target = request.target, error = %failed, "cannot read the file");
            if nofile::is_out(&failed) {
                error::busy(StatusCode::SERVICE_UNAVAILABLE)
            } else {
                error::internal()
            }
        }
    };
    reply.noting(CacheResult::File)
}

/// As in nginx, `expires` is about all that is answered here.
fn with_expires(mut reply: Reply, location: &Location, now: SystemTime) -> Reply {
    location.expires.apply(reply.status, &mut reply.headers, now, None);
    reply
}

/// As it is on this disk: settings may name it from their own directory.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn not_found(location: &Location, request: &Request, path: Option<&Path>) {
    let (target, site) = (&request.target, &*location.site);
    match path {
        Some(path) => tracing::info!(target, site, path = %whole(path).display(), "file not found"),
        None => tracing::info!(target, site, "files of this name are not served"),
    }
}

/// Where the files are, for this request.
fn settings(location: &Location, request: &Request, path: &NormalPath<'_>) -> Option<Arc<FileSettings>> {
    if let Some(settings) = &location.files {
        return Some(settings.clone());
    }
    let route = RouteFacts {
        uri: path.as_bytes(),
        args: split(&request.target).1,
        server_name: &location.site,
        document_root: Some(&location.document_root),
        definitions: None,
    };
    location.varying.as_ref()?.settings(&request.facts(route)).map(Arc::new)
}

fn listing(location: &Location, content_type: &'static str, body: Bytes) -> Reply {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    if location.nosniff {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    ReplyParts::new(StatusCode::OK, headers, ReplyBody::Whole(body))
}

pub(crate) fn add_slash(location: &Location, path: &NormalPath<'_>, query: Option<&str>) -> Reply {
    let reply = redirect(with_slash(path, query)).noting(CacheResult::Own);
    with_expires(reply, location, SystemTime::now())
}

fn redirect(to: HeaderValue) -> Reply {
    let mut reply = error::page(
        StatusCode::MOVED_PERMANENTLY,
        "This page is at the same address with a slash at its end.",
    );
    // A permanent redirect may be kept, as nginx's may.
    reply.headers.remove(CACHE_CONTROL);
    reply.headers.insert(LOCATION, to);
    reply
}

fn of_file(location: &Location, file: FileReply, now: SystemTime) -> Reply {
    let mut headers = file.headers;
    if !location.nosniff {
        headers.remove(X_CONTENT_TYPE_OPTIONS);
    }
    if location.max_ranges == Some(0) {
        headers.remove(ACCEPT_RANGES);
    }
    location.expires.apply(file.status, &mut headers, now, Some(file.last_modified));
    let body = match file.body {
        FileBody::Empty => ReplyBody::Empty,
        FileBody::Memory(bytes) => ReplyBody::Whole(bytes),
        FileBody::Stream(stream) => ReplyBody::File(Box::new(stream)),
    };
    // HEAD gets no body, but its head says how long the body would be.
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut reply = ReplyParts::new(file.status, headers, body);
    reply.length = length.or(reply.length);
    reply.kept = file.kept.map(KeptBody::File);
    reply
}
