//! Lets another page answer instead of an error: nginx's `error_page`.

use std::sync::Arc;

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LOCATION, RANGE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderName, Method, StatusCode};

use crate::connection::client_check::ClientRefusal;
use crate::handler::place::{facts, path_of, printable, split_query};
use crate::handler::redirect::{InterceptedError, InternalRedirect};
use crate::handler::{AtLocation, returned};
use crate::reply::body::ReplyBody;
use crate::reply::facts::earlier;
use crate::reply::{Reply, error, first_chunk};
use crate::request::path;
use crate::request::{Entry, Request};
use crate::route::error_page::{ErrorPage, ErrorTarget, PageStatus};
use crate::route::{Location, Site, redirects};
use crate::variables::EarlierReply;

/// Fields with which another page would not be the whole page.
pub(super) const CONDITIONS: [HeaderName; 6] =
    [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];
/// Fields of the error that the page's answer has too.
const KEPT: [HeaderName; 2] = [WWW_AUTHENTICATE, RETRY_AFTER];

/// A copy of the request for the page of an error or an absolute redirect, if the location may need one.
pub(super) fn spare(location: &Location, request: &Request) -> Option<Box<Request>> {
    let intercepts = location.intercept_errors && location.has_pages(false);
    let needed = location.has_pages(request.last_page) || intercepts || location.redirects.absolute;
    needed.then(|| Box::new(request.without_body()))
}

/// The page for a reply if there is one, or the reply.
pub(super) fn or_instead(
    location: &Arc<Location>,
    site: &Site,
    request: Box<Request>,
    reply: Reply,
) -> AtLocation {
    let mut reply = reply.at(location);
    if let Some(origin) = location.redirects.origin(&request, &site.name).filter(|_| reply.is_error) {
        redirects::make_absolute(&origin, &mut reply.headers);
    }
    let replaced = reply.is_error || is_relayed(&reply) && location.intercept_errors;
    let page = location.error_pages.of(reply.status).filter(|_| replaced && reply.elsewhere.is_none());
    match page {
        Some(page) if location.has_pages(request.last_page) => instead(page, location, site, request, reply),
        // As in nginx, an error of the application that has a page is not told in its words where no page
        // may follow.
        Some(_) => AtLocation::Reply(told_by_us(reply).at(location)),
        None => AtLocation::Reply(reply),
    }
}

/// The application's error in the words of an error of Weir's own: its body may be read already.
fn told_by_us(reply: Reply) -> Reply {
    if reply.is_error {
        return reply;
    }
    let mut ours = error::of_status(reply.status);
    let kept = KEPT.iter().chain(&[LOCATION]);
    ours.headers.extend(kept.filter_map(|name| Some((name.clone(), reply.headers.get(name)?.clone()))));
    ours.note = reply.note;
    ours
}

/// The page for a client that gets no other answer, or the answer that says why.
pub(super) fn of_client(site: &Site, request: Box<Request>, refusal: ClientRefusal) -> AtLocation {
    let code = StatusCode::from_u16(refusal.code()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut refused = error::client(refusal);
    refused.status = code;
    match or_instead(site.otherwise(), site, request, refused) {
        // nginx's own codes are no statuses of HTTP.
        AtLocation::Reply(mut reply) if reply.status == code => {
            reply.status = StatusCode::BAD_REQUEST;
            AtLocation::Reply(reply)
        }
        AtLocation::Reply(reply) => AtLocation::Reply(reply.closing()),
        AtLocation::Again(mut again) => {
            if let Some(instead) = &mut again.instead {
                instead.status = instead
                    .status
                    .map(|status| if status == code { StatusCode::BAD_REQUEST } else { status });
            }
            AtLocation::Again(again)
        }
    }
}

/// Does the same with a reply that may come from the application.
pub(super) async fn settled(
    location: &Arc<Location>,
    site: &Site,
    spare: Box<Request>,
    reply: Reply,
) -> AtLocation {
    // A page that breaks off before it began is an error too.
    let mut reply = if reply.elsewhere.is_none() { first_chunk::settle(reply).await } else { reply };
    if !reply.is_error
        && location.intercepts(reply.status)
        && let ReplyBody::Origin(body) = &mut reply.body
    {
        // Read to its end, so that the application does not see an aborted request.
        let _ = body.next().await;
    }
    or_instead(location, site, spare, reply)
}

/// It comes from the application, now or earlier.
pub(super) fn is_relayed(reply: &Reply) -> bool {
    !matches!(reply.body, ReplyBody::File(_)) && reply.note.cache.is_of_application()
}

/// The redirect to a page that is elsewhere.
fn moved(to: &[u8], status: Option<StatusCode>, instead_of: Reply) -> Reply {
    let redirects = status.filter(|status| matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308));
    let mut moved = returned::redirect(redirects.unwrap_or(StatusCode::FOUND), to);
    moved.note.upstream = instead_of.note.upstream;
    moved
}

fn instead(
    page: &ErrorPage,
    location: &Arc<Location>,
    site: &Site,
    request: Box<Request>,
    reply: Reply,
) -> AtLocation {
    let mut request = if request.body.is_empty() { request } else { Box::new(request.without_body()) };
    let stays = |reply: Reply| AtLocation::Reply(told_by_us(reply).at(location));
    let Ok(path) = path_of(&request) else { return stays(reply) };
    let status = match page.status {
        PageStatus::Kept => Some(reply.status),
        PageStatus::OfPage => None,
        PageStatus::Changed(status) => Some(status),
    };
    let rule = || "setting error_page".to_owned();
    let from = reply.status.as_u16();
    match &page.to {
        ErrorTarget::Named(name) => {
            // What the client sent is gone: no application gets a change without it.
            let needs_body = request.body_gone && !request.method.is_safe();
            if needs_body && site.named(name).is_none_or(|named| named.pool.is_some()) {
                return stays(reply);
            }
            request.note(rule, || format!("{name} answers instead of {from}"));
            request.entry = Entry::Named(name.clone());
        }
        ErrorTarget::Written(template) => {
            let to = template.value(&facts(&request, &path, site, location)).into_owned();
            if !to.starts_with(b"/") {
                return AtLocation::Reply(moved(&to, status, reply).at(location));
            }
            let (page, query) = split_query(&to);
            let Ok(page) = path::resolved(page) else { return stays(reply) };
            request.rewrite_to(&page, query);
            request.note(rule, || format!("{} answers instead of {from}", printable(&page)));
            request.entry = Entry::Site;
            if request.method != Method::HEAD {
                request.method = Method::GET;
            }
        }
    }
    if status.is_some() {
        for name in &CONDITIONS {
            request.headers.remove(name);
        }
    }
    request.upgrade = None;
    request.internal = true;
    request.for_error = Some(reply.status);
    // As in nginx, the place of the error decides whether the page's errors have pages.
    request.last_page = !location.recursive_errors;
    request.error_status = status;
    request.named_by_application = false;
    let told = earlier(&reply, location.pool.as_deref());
    request.upstream = Some(Arc::new(EarlierReply { status: status.map(|status| status.as_u16()), ..told }));
    let kept = KEPT.iter().filter_map(|name| Some((name.clone(), reply.headers.get(name)?.clone())));
    let instead = InterceptedError { status, kept: kept.collect(), upstream: reply.note.upstream };
    AtLocation::Again(Box::new(InternalRedirect { request, first: None, instead: Some(instead) }))
}
