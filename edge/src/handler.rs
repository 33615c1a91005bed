//! One request, top to bottom: site and location, then what the plan says. Early returns.
//!
//! `plan` decides, `plain` is the fast path, which answers hits before the handler runs, `through` the
//! straight way of what only goes through, `cached` answers through the cache, `pass` holds the requests that
//! bypass it, and `internal_redirect` lets another location answer.

mod admit;
pub(crate) mod asking;
mod auth_check;
mod background;
mod cached;
mod error_pages;
mod finish;
pub(crate) mod internal_redirect;
mod max_forwards;
pub(crate) mod only_if_cached;
mod pass;
pub(crate) mod place;
pub(crate) mod plain;
pub(crate) mod plan;
mod pool_request;
pub(crate) mod purge_method;
mod redirect;
mod refusal_log;
mod resumed;
mod returned;
pub(crate) mod routing;
mod static_file;
mod stub_status;
pub(crate) mod through;
pub(crate) mod visit;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_cache::{Reason, SharedRequest};
use process::telemetry::request_log;

use crate::Edge;
use crate::acme::CHALLENGE_PATH;
use crate::application::ask::{Ask, SharedAsk};
use crate::cache::head_update::StoredPage;
use crate::handler::asking::{as_wanted, ask, request_fields, settle_body, wants_hints};
use crate::handler::pass::{change, pass, pass_head};
use crate::handler::plan::{CacheUse, L1View, Plan};
use crate::handler::visit::Visit;
use crate::log::spans;
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::body::paced;
use crate::reply::holes::VisitorCookies;
use crate::reply::{Reply, ReplyParts, answer, changes, coding, error, first_chunk, holes};
use crate::request::Request;
use crate::request::path::{self, split};
use crate::request::snapshot::RequestSnapshot;
use crate::route::{Location, RouteMatch, redirects};
use crate::settings::expires::Expires;
use admit::AdmissionCheck;
use internal_redirect::EarlierAnswers;
use redirect::InternalRedirect;

/// The method as Varnish and Squid accept it, and Wagtail sends it.
pub(crate) const PURGE: &str = "PURGE";

/// The result of a request at one location.
enum AtLocation {
    Reply(Reply),
    /// Another location answers instead: an internal redirect.
    Again(Box<InternalRedirect>),
}

/// Answers one request. Never fails: an error is a reply too.
pub(crate) fn handle(edge: &Arc<Edge>, request: Request, visit: &Visit) -> impl Future<Output = Reply> {
    handle_after(edge, request, None, visit)
}

/// Does the same with a request to which the application has replied that another location answers.
pub(crate) fn handle_after(
    edge: &Arc<Edge>,
    request: Request,
    first: Option<Reply>,
    visit: &Visit,
) -> impl Future<Output = Reply> {
    // Boxed, as is what few requests need: each function that a request goes through copies what it is given.
    let has_error_logs = edge.routes.load().has_error_logs();
    let answering = answered(edge, Box::new(request), first, visit);
    async move {
        match has_error_logs {
            true => Box::pin(request_log::scope(answering)).await,
            false => answering.await,
        }
    }
}

async fn answered(edge: &Arc<Edge>, request: Box<Request>, first: Option<Reply>, visit: &Visit) -> Reply {
    let compresses = edge.routes.load().compresses();
    let wanted =
        compresses.then(|| coding::CodingRequest::of(&request.method, request.version, &request.headers));
    let mut outcome = match first {
        Some(first) => Box::pin(internal_redirect::obey(first.to(request))).await,
        None => at_location(edge, request, visit).await,
    };
    let mut carried = EarlierAnswers::default();
    for _ in 0..internal_redirect::MOST {
        outcome = match outcome {
            AtLocation::Reply(_) => break,
            AtLocation::Again(again) => {
                let InternalRedirect { request, first, instead } = *again;
                carried.take(first, instead);
                Box::pin(at_location(edge, request, visit)).await
            }
        };
    }
    let reply = match outcome {
        AtLocation::Reply(reply) => carried.finish(reply),
        AtLocation::Again(again) => {
            let location = next_location(edge, &again.request);
            let reply = carried.endless(*again);
            location.iter().fold(reply, ReplyParts::at)
        }
    };
    let reply = changed(first_chunk::settle(reply).await, visit);
    let reply = match wanted {
        Some(wanted) => Box::pin(coding::apply(&edge.coding, &wanted, reply)).await,
        None => reply,
    };
    finish::finish(edge, at_pace(reply, visit.kept.as_deref()), visit)
}

/// The reply at the rate that the application or its location says.
fn at_pace(mut reply: Reply, kept: Option<&RequestSnapshot>) -> Reply {
    match rate(&mut reply, kept) {
        (0, _) => reply,
        (rate, after) => paced::pace(reply, rate, after),
    }
}

/// Where the request would come to next; of redirects without an end it is a location that it was at.
fn next_location(edge: &Edge, request: &Request) -> Option<Arc<Location>> {
    let sites = edge.routes.load_full();
    let site = sites.choose(request.listener, &request.authority);
    match site.choose(&place::path_of(request).ok()?) {
        RouteMatch::Location(_, location) | RouteMatch::AddSlash(location) => Some(location.clone()),
    }
}

/// The reply with its body changed, as its location says.
fn changed(reply: Reply, visit: &Visit) -> Reply {
    let location = reply.note.location.clone().filter(|location| location.changes.bodies());
    let (Some(location), Some(kept)) = (location, visit.kept.as_deref()) else { return reply };
    let reply = match location.changes.gunzip {
        true => kept.with_facts(&location.site, |facts| changes::gunzip(reply, &facts)),
        false => reply,
    };
    let reply = match &location.changes.replace {
        Some(rule) => {
            kept.with_facts(&location.site, |facts| changes::replace(rule, reply, &location.defined(facts)))
        }
        None => reply,
    };
    match &location.changes.recode {
        Some(rule) => changes::recode(rule, reply),
        None => reply,
    }
}

/// Bytes of a reply in a second, and how many come before that: as the application says, else its location.
fn rate(reply: &mut Reply, kept: Option<&RequestSnapshot>) -> (u64, u64) {
    let told = reply.told_rate.take();
    let Some(location) = reply.note.location.as_deref() else { return (0, 0) };
    let of_location = match (&location.rates, kept) {
        (Some(rates), Some(kept)) => {
            kept.with_facts(&location.site, |facts| rates.of(&facts, location.limit_rate))
        }
        _ => location.limit_rate,
    };
    match told.as_ref().and_then(|rate| rate.to_str().ok()) {
        None => of_location,
        Some("off") => (0, 0),
        Some(rate) => (rate.parse().unwrap_or(of_location.0), of_location.1),
    }
}

/// Answers the request at the location of its path, or says which request to answer instead.
async fn at_location(edge: &Arc<Edge>, request: Box<Request>, visit: &Visit) -> AtLocation {
    match answer_at_location(edge, request, visit).await {
        AtLocation::Reply(reply) if reply.elsewhere.is_some() => {
            Box::pin(internal_redirect::obey(reply)).await
        }
        outcome => outcome,
    }
}

async fn answer_at_location(edge: &Arc<Edge>, mut request: Box<Request>, visit: &Visit) -> AtLocation {
    // The page that answers instead is sought once.
    if let Some(refusal) = request.arrival.refusal.take() {
        let sites = edge.routes.load_full();
        let site = sites.choose(request.listener, &request.authority);
        return error_pages::of_client(site, request, refusal);
    }
    if request.target == "*" || max_forwards::ends_here(&mut request) {
        return AtLocation::Reply(answer::about_the_server());
    }
    if request.target.starts_with(CHALLENGE_PATH)
        && let Some(answer) = Box::pin(acme_answer(edge, &request)).await
    {
        return AtLocation::Reply(answer);
    }
    if let Some(target) = path::without_dots(&request.target) {
        request.redirect_to(target);
    }
    if request.method.as_str() == PURGE {
        return AtLocation::Reply(Box::pin(purge_method::answer(edge, &request)).await);
    }
    let sites = edge.routes.load_full();
    let (request, chosen) =
        match routing::place(edge, &sites, request, Some(AdmissionCheck { edge, visit })).await {
            Ok(placed) => placed,
            Err(outcome) => return outcome,
        };
    let (site, location) = match chosen {
        RouteMatch::Location(site, location) => (site, location),
        RouteMatch::AddSlash(location) => (sites.choose(request.listener, &request.authority), location),
    };
    let spare = error_pages::spare(location, &request);
    let reply = answer_in_place(edge, request, chosen, visit).await.at(location);
    match spare {
        Some(spare) => Box::pin(error_pages::settled(location, site, spare, reply)).await,
        None => AtLocation::Reply(reply),
    }
}

/// The answer to an authority's challenge, whatever the settings say of the path.
async fn acme_answer(edge: &Edge, request: &Request) -> Option<Reply> {
    let proof = edge.acme.http_answer(&request.target).await?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    Some(ReplyParts::new(StatusCode::OK, headers, ReplyBody::Whole(proof.into())).noting(CacheResult::Own))
}

/// Answers the request at its place, as the plan says.
async fn answer_in_place(
    edge: &Arc<Edge>,
    mut request: Box<Request>,
    chosen: RouteMatch<'_>,
    visit: &Visit,
) -> Reply {
    let path = match place::path_of(&request) {
        Ok(path) => path,
        Err(reply) => return reply,
    };
    if let RouteMatch::Location(site, location) = chosen
        && let Some(wanted) =
            location.pool_request.as_deref().filter(|_| !location.internal || request.is_sent_on())
        && let Err(reply) =
            Box::pin(pool_request::change(wanted, &mut request, &path, (site, location))).await
    {
        return reply;
    }
    let common_fields = request_fields(&mut request, &path, chosen);
    let in_l1 = L1View { l1: &edge.cache.l1, now: Instant::now() };
    match plan::decide(chosen, &mut &*request, in_l1) {
        Plan::AddSlash(location) => static_file::add_slash(location, &path, split(&request.target).1),
        Plan::Internal(_) => error::not_found(),
        Plan::File(location) if location.stub_status => stub_status::answer(edge, &request.method),
        Plan::File(location) => static_file::answer(edge, location, &request, &path).await,
        Plan::BodyTooLarge(_) => error::body_too_large(),
        Plan::Application { site, location, pool, cache } => {
            visit.client_abort.decide(&request.method, location.ignore_client_abort);
            if let Err(reply) = settle_body(&mut request, location).await {
                return reply;
            }
            let kept = location.reply_rewrite.as_ref().map(|rewrite| {
                (rewrite, location.redirects.origin(&request, &site.name), RequestSnapshot::of(&mut request))
            });
            let traceparent = spans::to_hand_on(&visit.span, &request.trace);
            let ask = ask(&request, site, location, pool.clone(), traceparent);
            let ask = match as_wanted(ask, &mut request, &path, (site, location)) {
                Ok(ask) => ask,
                Err(reply) => return reply,
            };
            if let Err(reply) = place::check_searches(&request) {
                return reply;
            }
            let hints = visit.hints.clone().filter(|_| wants_hints(&request, &path, chosen));
            let ask = Box::new(Ask { common_fields, hints, ..ask });
            let whole = resumed::whole(location, &ask, &request);
            let mut reply = from_application(edge, location, ask, request, cache).await;
            if let Some(whole) = whole {
                reply = Box::pin(whole.or(&edge.cache, reply)).await;
            }
            if let Some((rewrite, origin, kept)) = kept {
                let is_moved = kept.with_facts(&site.name, |facts| rewrite.apply(&mut reply.headers, &facts));
                if let Some(origin) = origin.filter(|_| is_moved) {
                    redirects::make_absolute(&origin, &mut reply.headers);
                }
            }
            with_expires(reply, location)
        }
    }
}

/// As in nginx, `expires` also applies to what the application sends.
fn with_expires(mut reply: Reply, location: &Location) -> Reply {
    if location.expires == Expires::Off {
        return reply;
    }
    let last_modified = reply.headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
    let last_modified = last_modified.and_then(|date| httpdate::parse_http_date(date).ok());
    location.expires.apply(reply.status, &mut reply.headers, SystemTime::now(), last_modified);
    reply
}

/// Answers with the part that the plan gives to the cache.
async fn from_application(
    edge: &Arc<Edge>,
    location: &Location,
    ask: Box<Ask>,
    request: Box<Request>,
    cache_use: CacheUse<'_, Box<SharedRequest>>,
) -> Reply {
    let cache = &edge.cache;
    match cache_use {
        CacheUse::Change(reason) => Box::pin(change(cache, location, ask, request, reason)).await,
        CacheUse::Bypass(Some(Reason::PersonalField)) => {
            let policy = location.cache.as_deref();
            let field = policy.and_then(|policy| policy.fields.personal(&request.headers)).cloned();
            let reply = pass(cache, ask, request, Some(Reason::PersonalField)).await;
            answer::naming(reply, field.as_ref())
        }
        CacheUse::Bypass(reason) => pass(cache, ask, request, reason).await,
        CacheUse::Head(policy) => {
            let get = plan::shared_by(&request, policy, &Method::GET).ok();
            let held = get.and_then(|get| StoredPage::find(cache, policy, &ask, get, &request.headers));
            Box::pin(pass_head(cache, ask, request, held)).await
        }
        CacheUse::Shared(policy, shared, plan) => {
            let recorder = background::recorder(edge, location, &request);
            let (ask, request_of, policy_of) = (*ask, *shared, policy.clone());
            let ask = SharedAsk { ask, request: request_of, policy: policy_of, recorder: Some(recorder) };
            let authority = ask.ask.authority.clone();
            let query = split(&request.target).1.map(str::to_owned);
            let cookies = VisitorCookies::of(&request.headers);
            // Boxed, so that requests that bypass the cache do not hold its room.
            let reply = Box::pin(cached::answer(cache, ask, request, plan)).await;
            let mut reply = holes::fill(reply, &cookies, &edge.value_keys.load());
            if reply.status.is_redirection() && reply.note.cache.is_shared() {
                policy.lead_on(&mut reply.headers, &authority, query.as_deref().map(str::as_bytes));
            }
            reply
        }
    }
}
