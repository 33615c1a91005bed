//! Asks a page of the site whether a request may go on: nginx's `auth_request`.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};

use crate::Edge;
use crate::coding::rule::has_directive;
use crate::handler::admit::AdmissionCheck;
use crate::handler::error_pages::CONDITIONS;
use crate::handler::place::{self, SiteLocation, path_of};
use crate::handler::visit::Visit;
use crate::handler::{AtLocation, at_location, internal_redirect};
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, error, facts};
use crate::request::{Entry, Request};
use crate::route::auth_check::AuthCheck;

/// The most of the page's body that is read, so that the application can end it.
const MOST_READ: usize = 64 * 1024;

/// A request that may not go on, and the answer to it.
pub(super) struct AuthRefusal {
    pub(super) request: Box<Request>,
    pub(super) reply: Reply,
}

/// Takes from the request what only the check may say.
pub(super) fn forget_claims(check: &AuthCheck, request: &mut Request) {
    for name in &check.fields {
        request.headers.remove(name);
    }
}

/// Asks the page.
pub(super) async fn pass(
    AdmissionCheck { edge, visit }: AdmissionCheck<'_>,
    check: &AuthCheck,
    mut request: Box<Request>,
    SiteLocation { site, location }: SiteLocation<'_>,
) -> Result<Box<Request>, Box<AuthRefusal>> {
    let mut reply = ask(edge, question(check, &request), visit).await;
    read(&mut reply).await;
    // Pages of the refusal know them too.
    if let Some(sets) = &check.sets
        && let Ok(path) = path_of(&request)
    {
        let told = facts::before_sending(reply.status, &reply.note, &reply.headers, location.pool.as_deref());
        let known = place::facts(&request, &path, site, location).with_reply(told);
        request.values = sets.apply(&known);
    }
    if !reply.status.is_success() {
        let reply = refused(reply, &request);
        return Err(Box::new(AuthRefusal { request, reply }));
    }
    for name in &check.fields {
        for value in reply.headers.get_all(name) {
            request.headers.append(name, value.clone());
        }
    }
    if check.cookies {
        visit.set_cookies(reply.headers.get_all(SET_COOKIE).iter().cloned());
    }
    request.for_one |= !has_directive(&reply.headers, "public");
    Ok(request)
}

/// The request for the page: a GET with all that the client sent, except the body.
fn question(check: &AuthCheck, request: &Request) -> Box<Request> {
    let mut question = Box::new(request.without_body());
    let method = std::mem::replace(&mut question.method, Method::GET);
    question.rewrite_to(&check.path, check.query.as_deref());
    // The page is asked for itself, not for what the client wants.
    question.asked = None;
    question.body_gone = false;
    question.internal = true;
    question.check_of = Some(method);
    // What it says of one visitor is never another's answer, whatever the location has a cache for.
    question.for_one = true;
    // It is not about the page that the client has, or wants a part of.
    for name in &CONDITIONS {
        question.headers.remove(name);
    }
    question.entry = Entry::Site;
    question
}

fn ask<'a>(edge: &'a Arc<Edge>, question: Box<Request>, visit: &'a Visit) -> BoxFuture<'a, Reply> {
    Box::pin(async move {
        let mut outcome = at_location(edge, question, visit).await;
        for _ in 0..internal_redirect::MOST {
            match outcome {
                AtLocation::Reply(reply) => return reply,
                AtLocation::Again(again) => outcome = at_location(edge, again.request, visit).await,
            }
        }
        error::internal()
    })
}

/// Reads the page's body, so that the application does not see an aborted request.
async fn read(reply: &mut Reply) {
    let ReplyBody::Origin(body) = &mut reply.body else { return };
    let mut length = 0;
    while let Some(Ok(chunk)) = body.next().await {
        length += chunk.len();
        if length > MOST_READ {
            return;
        }
    }
}

/// As in nginx, where either a page or a password is enough, a refusal says that a password is.
pub(super) fn or_by_password(reply: Reply, challenge: HeaderValue) -> Reply {
    match reply.status {
        StatusCode::FORBIDDEN => error::unauthorized(challenge),
        StatusCode::UNAUTHORIZED => {
            let mut reply = reply;
            reply.headers.append(WWW_AUTHENTICATE, challenge);
            reply
        }
        _ => reply,
    }
}

fn refused(reply: Reply, request: &Request) -> Reply {
    match reply.status {
        StatusCode::UNAUTHORIZED => {
            let mut refused = error::of_status(StatusCode::UNAUTHORIZED);
            for challenge in reply.headers.get_all(WWW_AUTHENTICATE) {
                refused.headers.append(WWW_AUTHENTICATE, challenge.clone());
            }
            refused
        }
        StatusCode::FORBIDDEN => error::forbidden(),
        status => {
            let target = &request.target;
            tracing::error!(target, status = status.as_u16(), "`auth_request` has no answer to use");
            error::internal()
        }
    }
}
