//! One request, top to bottom: site and location, then what the plan says. Early returns.
//!
//! `plan` decides, `plain` is the fast path, which answers hits before the handler runs, `cached` answers
//! through the cache, `pass` holds the requests that bypass it, and `internal_redirect` lets another location
//! answer.

mod admit;
mod cached;
mod finish;
pub(crate) mod internal_redirect;
mod max_forwards;
pub(crate) mod only_if_cached;
mod pass;
pub(crate) mod plain;
pub(crate) mod plan;
pub(crate) mod purge_method;
mod static_file;
pub(crate) mod visit;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{AUTHORIZATION, LAST_MODIFIED};
use http_cache::{Reason, SharedRequest};

use crate::Edge;
use crate::application::ask::{Ask, SharedAsk};
use crate::cache::head_update::Held;
use crate::handler::pass::{change, pass, pass_head};
use crate::handler::plan::{CacheUse, InL1, Plan};
use crate::handler::visit::Visit;
use crate::log::spans;
use crate::reply::{Reply, answer, coding, error, first_chunk, paced};
use crate::request::path::{self, split};
use crate::request::{Request, Upgrade};
use crate::route::{Chosen, Location, Site};
use crate::variables::RouteFacts;
use admit::Credentials;
use internal_redirect::Again;

/// The method as Varnish and Squid accept it, and Wagtail sends it.
pub(crate) const PURGE: &str = "PURGE";

/// The result of a request at one location.
#[expect(clippy::large_enum_variant, reason = "replies are the rule: they are not boxed for the exception")]
enum AtLocation {
    Reply(Reply),
    /// Another location answers instead: an internal redirect.
    Again(Box<Again>),
}

/// Answers one request. Never fails: an error is a reply too.
pub(crate) async fn handle(edge: &Arc<Edge>, request: Request, visit: &Visit) -> Reply {
    let wanted = coding::Wanted::of(&request.method, request.version, &request.headers);
    let mut outcome = at_location(edge, request, visit).await;
    for _ in 0..internal_redirect::MOST {
        outcome = match outcome {
            AtLocation::Reply(_) => break,
            AtLocation::Again(again) => {
                let Again { request, first } = *again;
                let next = Box::pin(at_location(edge, request, visit)).await;
                internal_redirect::carry_over(first, next)
            }
        };
    }
    let reply = match outcome {
        AtLocation::Reply(reply) => reply,
        AtLocation::Again(again) => internal_redirect::endless(*again),
    };
    let reply = first_chunk::settle(reply).await;
    let reply = coding::apply(&edge.coding, &wanted, reply).await;
    let reply = match reply.note.location.as_ref().map(|location| location.limit_rate) {
        Some((rate, after)) if rate > 0 => paced::pace(reply, rate, after),
        _ => reply,
    };
    finish::finish(edge, reply, visit)
}

/// Answers the request at the location of its path, or says which request to answer instead.
async fn at_location(edge: &Arc<Edge>, request: Request, visit: &Visit) -> AtLocation {
    internal_redirect::obey(answer_at_location(edge, request, visit).await).await
}

async fn answer_at_location(edge: &Arc<Edge>, mut request: Request, visit: &Visit) -> Reply {
    if request.target == "*" || max_forwards::ends_here(&mut request) {
        return answer::about_the_server();
    }
    if let Some(target) = path::without_dots(&request.target) {
        request.redirect_to(target);
    }
    if request.method.as_str() == PURGE {
        return Box::pin(purge_method::answer(edge, &request)).await;
    }
    let target = request.target.clone();
    let (raw_path, query) = split(&target);
    let path = match path::normalise(raw_path.as_bytes()) {
        Ok(path) => path,
        Err(bad) => return error::bad_request(&format!("The path is malformed: {bad}.")).closing(),
    };
    let sites = edge.routes.load_full();
    let chosen = sites.choose(&request.authority).choose(&path);
    let mut common_fields = None;
    if let Chosen::Location(site, location) = chosen
        && (request.internal || !location.internal)
    {
        let (uri, server_name, document_root) = (path.as_bytes(), &site.name, &site.root);
        let route = RouteFacts { uri, args: query, server_name, document_root, definitions: None };
        if let Some(sets) = &location.sets {
            request.values = sets.apply(&request.facts(route));
        }
        visit.reached(&request, path.as_bytes(), query, &site.root);
        if let Some(answer) = finish::preflight(location, &request) {
            return answer.at(location);
        }
        if location.is_guarded() {
            match Box::pin(admit::admit(location, &request, route, visit)).await {
                Ok(Credentials::Ours) => request.credentials = request.headers.remove(AUTHORIZATION),
                Ok(Credentials::NotOurs) => {}
                Err(refused) => return refused.at(location),
            }
        }
        if let Some(fields) = location.request_fields.as_ref().filter(|_| location.pool.is_some()) {
            common_fields = fields.apply(&request.facts(route)).put(&mut request.headers);
        }
    }
    let in_l1 = InL1 { l1: &edge.cache.l1, now: Instant::now() };
    match plan::decide(chosen, &mut &request, in_l1) {
        Plan::AddSlash(location) => static_file::add_slash(&path, query).at(location),
        Plan::Internal(location) => error::not_found().at(location),
        Plan::File(location) => {
            static_file::answer(edge, location, &request, &path, query).await.at(location)
        }
        Plan::BodyTooLarge(location) => error::body_too_large().at(location),
        Plan::Application { site, location, pool, cache } => {
            visit.client_abort.decide(&request.method, location.ignore_client_abort);
            if request.upgrade.is_none() {
                request.body.limit(location.max_body);
            }
            let traceparent = spans::to_hand_on(&visit.span, &request.trace);
            let ask = ask(&request, site, location, pool.clone(), traceparent);
            let ask = Ask { common_fields, ..ask };
            let reply = from_application(edge, location, ask, request, cache).await;
            with_expires(reply, location).at(location)
        }
    }
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
        scheme: request.scheme,
        version: request.version,
        authority: request.authority.clone(),
        client: request.client,
        server_name: site.name.clone(),
        server_port: request.server_port,
        document_root: site.root.clone(),
        traceparent,
        priority: location.priority,
        stream_body: location.stream_body,
        stream_reply: location.stream_reply,
        variables: location.variables.clone(),
        upgrade: request.upgrade.map_or("", Upgrade::name),
        common_fields: None,
    }
}

/// As in nginx, `expires` also applies to what the application sends.
fn with_expires(mut reply: Reply, location: &Location) -> Reply {
    let last_modified = reply.headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
    let last_modified = last_modified.and_then(|date| httpdate::parse_http_date(date).ok());
    location.expires.apply(reply.status, &mut reply.headers, SystemTime::now(), last_modified);
    reply
}

/// Answers with the part that the plan gives to the cache.
async fn from_application(
    edge: &Arc<Edge>,
    location: &Location,
    ask: Ask,
    request: Request,
    cache_use: CacheUse<'_, SharedRequest>,
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
            let held = Held::find(cache, policy, &ask, &request.parts());
            Box::pin(pass_head(cache, ask, request, held)).await
        }
        CacheUse::Shared(policy, shared, plan) => {
            let ask = SharedAsk { ask, request: shared, policy: policy.clone() };
            let authority = ask.ask.authority.clone();
            let query = split(&request.target).1.map(str::to_owned);
            // Boxed, so that requests that bypass the cache do not hold its room.
            let mut reply = Box::pin(cached::answer(cache, ask, request, plan)).await;
            if reply.status.is_redirection() && reply.note.cache.is_shared() {
                policy.lead_on(&mut reply.headers, &authority, query.as_deref().map(str::as_bytes));
            }
            reply
        }
    }
}
