//! One request, top to bottom: site and location, files, cache key, L1, a shared fetch, the application.
//! Early returns.
//!
//! `plain` is the fast path, which answers hits before the handler runs. `internal_redirect` lets another
//! location answer; `pass` holds the requests that bypass the cache.

mod finish;
pub(crate) mod internal_redirect;
mod only_if_cached;
mod pass;
pub(crate) mod plain;
pub(crate) mod purge_method;
mod static_file;
pub(crate) mod visit;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::LAST_MODIFIED;
use http_cache::{Look, Reason, RequestParts, SharedRequest, vary};
use process::wait::within;
use purge::Reach;

use crate::Edge;
use crate::application::ask::{Ask, SharedAsk};
use crate::application::{Failure, OriginReply};
use crate::cache::Cache;
use crate::cache::fill::{self, Fill};
use crate::cache::flights::{self, First, Flight, Joined, Served, Ticket};
use crate::cache::head_update::Held;
use crate::cache::l1::{Found, Marked};
use crate::cache::lanes::Lane;
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::validate;
use crate::cache::validate::Answered;
use crate::cache_node::Intent;
use crate::handler::pass::{change, pass, pass_and_learn, pass_head};
use crate::handler::visit::Visit;
use crate::log::spans;
use crate::reply::{Reply, answer, error, first_chunk};
use crate::request::path::{self, split};
use crate::request::{Request, Upgrade};
use crate::route::{Chosen, Location};
use crate::variables::RouteFacts;
use internal_redirect::Again;

/// The method as Varnish and Squid accept it, and Wagtail sends it.
const PURGE: &str = "PURGE";

/// How often a request may find that the page it joined is another variant's before it goes by itself.
const ROUNDS: usize = 5;
/// A lane that was free at once was entered within this.
const A_MOMENT: Duration = Duration::from_millis(1);

/// The result of a request at one location.
#[expect(clippy::large_enum_variant, reason = "replies are the rule: they are not boxed for the exception")]
enum Outcome {
    Reply(Reply),
    /// Another location answers instead: an internal redirect.
    Again(Box<Again>),
}

/// Answers one request. Never fails: an error is a reply too.
pub(crate) async fn handle(edge: &Arc<Edge>, request: Request, visit: &Visit) -> Reply {
    let mut outcome = at_location(edge, request, visit).await;
    for _ in 0..internal_redirect::MOST {
        outcome = match outcome {
            Outcome::Reply(_) => break,
            Outcome::Again(again) => {
                let Again { request, first } = *again;
                let next = Box::pin(at_location(edge, request, visit)).await;
                internal_redirect::carry_over(first, next)
            }
        };
    }
    let reply = match outcome {
        Outcome::Reply(reply) => reply,
        Outcome::Again(again) => internal_redirect::endless(*again),
    };
    let reply = first_chunk::settle(reply).await;
    finish::finish(edge, reply, visit)
}

/// Answers the request at the location of its path, or says which request to answer instead.
async fn at_location(edge: &Arc<Edge>, request: Request, visit: &Visit) -> Outcome {
    internal_redirect::obey(answer_at_location(edge, request, visit).await).await
}

async fn answer_at_location(edge: &Arc<Edge>, mut request: Request, visit: &Visit) -> Reply {
    if request.target == "*" {
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
    let (site, location) = match sites.choose(&request.authority).choose(&path) {
        Chosen::Location(site, location) => (site, location),
        Chosen::AddSlash(location) => return static_file::add_slash(&path, query).at(location),
    };
    if location.internal && !request.internal {
        return error::not_found().at(location);
    }
    let route = RouteFacts {
        uri: path.as_bytes(),
        args: query,
        server_name: &site.name,
        document_root: &site.root,
        definitions: None,
    };
    if let Some(sets) = &location.sets {
        request.values = sets.apply(&request.facts(route));
    }
    visit.reached(&request, path.as_bytes(), query, &site.root);
    if let Some(answer) = finish::preflight(location, &request) {
        return answer.at(location);
    }
    let Some(pool) = &location.pool else {
        return static_file::answer(edge, location, &request, &path, query).await.at(location);
    };
    visit.client_abort.decide(&request.method, location.ignore_client_abort);
    if request.upgrade.is_none() && !request.body.limit(location.max_body) {
        return error::body_too_large().at(location);
    }
    let mut common_fields = None;
    if let Some(fields) = &location.request_fields {
        let changed = fields.apply(&request.facts(route));
        common_fields = changed.put(&mut request.headers);
    }
    let ask = Ask {
        pool: pool.clone(),
        scheme: request.scheme,
        version: request.version,
        authority: request.authority.clone(),
        client: request.client,
        server_name: site.name.clone(),
        server_port: request.server_port,
        document_root: site.root.clone(),
        traceparent: spans::to_hand_on(&visit.span, &request.trace),
        priority: location.priority,
        stream_body: location.stream_body,
        stream_reply: location.stream_reply,
        variables: location.variables.clone(),
        upgrade: request.upgrade.map_or("", Upgrade::name),
        common_fields,
    };
    let reply = from_application(edge, location, ask, request, (raw_path, query)).await;
    with_expires(reply, location).at(location)
}

/// As in nginx, `expires` also applies to what the application sends.
fn with_expires(mut reply: Reply, location: &Location) -> Reply {
    let last_modified = reply.headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
    let last_modified = last_modified.and_then(|date| httpdate::parse_http_date(date).ok());
    location.expires.apply(reply.status, &mut reply.headers, SystemTime::now(), last_modified);
    reply
}

/// Answers through the cache, if the location has one and the request may use it.
async fn from_application(
    edge: &Arc<Edge>,
    location: &Location,
    ask: Ask,
    request: Request,
    (raw_path, query): (&str, Option<&str>),
) -> Reply {
    if !request.method.is_safe() {
        return Box::pin(change(&edge.cache, location.cache.as_deref(), ask, request, (raw_path, query)))
            .await;
    }
    let Some(policy) = location.cache.as_ref().filter(|_| request.upgrade.is_none()) else {
        return pass(&edge.cache, ask, request, None).await;
    };
    if !request.body.is_empty() {
        // A body is not part of the key.
        return pass(&edge.cache, ask, request, Some(Reason::RequestBody)).await;
    }
    let parts = RequestParts {
        method: &request.method,
        scheme: ask.scheme.as_str(),
        authority: &ask.authority,
        path: raw_path.as_bytes(),
        query: query.map(str::as_bytes),
        headers: &request.headers,
        client: ask.client.address,
    };
    let shared = match policy.request(&parts) {
        Ok(shared) => shared,
        Err(Reason::Method) => {
            let held = Held::find(&edge.cache, policy, &ask, &parts);
            return Box::pin(pass_head(&edge.cache, ask, request, held)).await;
        }
        Err(Reason::PersonalField) => {
            let field = policy.fields.personal(&request.headers).cloned();
            let reply = pass(&edge.cache, ask, request, Some(Reason::PersonalField)).await;
            return answer::naming(reply, field.as_ref());
        }
        Err(reason) => return pass(&edge.cache, ask, request, Some(reason)).await,
    };
    let policy = policy.clone();
    let ask = SharedAsk { ask, request: shared, policy: policy.clone() };
    let authority = ask.ask.authority.clone();
    // Boxed, so that requests that bypass the cache do not hold its room.
    let mut reply = Box::pin(cached(&edge.cache, ask, request)).await;
    if reply.status.is_redirection() && reply.note.cache.is_shared() {
        policy.lead_on(&mut reply.headers, &authority, query.map(str::as_bytes));
    }
    reply
}

/// From L1, from a fetch under way, from the cache-node or, as the first, from the application.
async fn cached(cache: &Arc<Cache>, ask: SharedAsk, request: Request) -> Reply {
    let SharedRequest { key, look, outgoing } = &ask.request;
    let mut way = Way::default();
    for _ in 0..ROUNDS {
        let found = cache
            .l1
            .find(key.as_bytes(), look, Instant::now(), |names| vary::selected(names, &outgoing.headers));
        let (variant, mark) = match found {
            Found::Fresh(page) => return answer::hit(&request, &page),
            Found::Stale(page) => {
                fill::refresh(cache, &ask, &page);
                return answer::stale(&request, &page, Staleness::Revalidating);
            }
            Found::Validate(..) | Found::Pass(_) | Found::Marked(_) if look.wants.only_if_cached => {
                return answer::nothing_stored();
            }
            Found::Standby(page) => return answer::stale(&request, &page, Staleness::Failing),
            Found::Validate(page, reason) => return validated(cache, ask, request, page, reason).await,
            Found::Pass(reason) => return pass_and_learn(cache, ask, request, reason).await,
            Found::Marked(mark) => (mark.variant.clone(), Some(mark)),
            Found::Miss { variant } => (variant.or_else(|| way.wanted.take()), None),
        };
        cache.metrics.l1_misses.inc();
        if look.wants.only_if_cached {
            return only_if_cached::answer(cache, &ask, &request).await;
        }
        if is_seldom_used(cache, &ask) {
            return pass(cache, ask.ask, request, Some(Reason::MinUses)).await;
        }
        if let Some(reason) = look.no_store {
            return pass(cache, ask.ask, request, Some(reason)).await;
        }
        let joined = match join(cache, &ask, variant, mark.as_ref(), &mut way).await {
            Ok(joined) => joined,
            Err(Instead::LookAgain) => continue,
            Err(Instead::Pass(reason)) => {
                return pass(cache, ask.ask, request, Some(way.reason.unwrap_or(reason))).await;
            }
        };
        match outcome(cache, &ask, joined, &mut way).await {
            Given::Page(served, first) => {
                let held = served.body.holds_followers();
                let patience = if held { cache.patience.follower } else { cache.patience.first };
                match within(patience, from_flight(&request, &served, first)).await {
                    Ok(Some(reply)) => return reply,
                    // The page turned out to be another's own, or broke off before it began.
                    Ok(None) => way.reason = Some(Reason::UncacheableReply),
                    // It is searched for what is another's own, and does not end.
                    Err(_) => return pass(cache, ask.ask, request, Some(Reason::WaitTimeout)).await,
                }
            }
            Given::Own(reply, reason) => {
                return answer::in_part(answer::relayed(*reply, Some(reason)), &request).to(request);
            }
            Given::Failed(failure) => return answer::failed_fill(&failure),
            Given::Nothing(Instead::Pass(reason)) => {
                return pass(cache, ask.ask, request, Some(reason)).await;
            }
            Given::Nothing(Instead::LookAgain) => {}
        }
    }
    pass(cache, ask.ask, request, Some(way.reason.unwrap_or(Reason::Vary))).await
}

/// What a request has learnt on its way through the rounds.
#[derive(Default)]
struct Way {
    /// The variant that it asks for, if the page it joined told.
    wanted: Option<Vec<u8>>,
    /// Why it goes to the application by itself in the end.
    reason: Option<Reason>,
    /// Its place among those that a hit-for-miss mark lets through.
    lane: Option<Lane>,
}

/// What a request does that gets no page from a flight.
enum Instead {
    LookAgain,
    Pass(Reason),
}

/// A flight that the request has begun, or follows.
struct JoinedFlight {
    flight: Arc<Flight>,
    first: Option<First>,
    variant: Option<Vec<u8>>,
    at: Instant,
}

/// What a flight gave to the request.
enum Given {
    Page(Arc<Served>, Option<First>),
    /// The reply that is this request's own.
    Own(Box<OriginReply>, Reason),
    Failed(Failure),
    Nothing(Instead),
}

/// Joins the fetch of the page that is under way, or begins one.
async fn join(
    cache: &Arc<Cache>,
    ask: &SharedAsk,
    variant: Option<Vec<u8>>,
    mark: Option<&Marked>,
    way: &mut Way,
) -> Result<JoinedFlight, Instead> {
    let key = ask.request.key.as_bytes();
    let at = Instant::now();
    if let Some(mark) = mark {
        // A request whose reply could be stored after all tries that; one that would have to be sent twice
        // does so seldom.
        let probes = mark.try_again || !ask.request.look.trimmed;
        if probes
            && way.reason.is_none()
            && let Joined::First(ticket) = cache.flights.join(key, variant.clone())
        {
            return Ok(begin(cache, ask, ticket, Intent::Probe));
        }
        if way.lane.is_some() {
            return Err(Instead::Pass(mark.reason));
        }
        way.lane = cache.lanes.enter(key, cache.patience.follower).await;
        // Meanwhile a reply may have been stored.
        let waited = at.elapsed() > A_MOMENT;
        return Err(if waited && way.lane.is_some() {
            Instead::LookAgain
        } else {
            Instead::Pass(mark.reason)
        });
    }
    match cache.flights.join(key, variant.clone()) {
        Joined::Full => Err(Instead::Pass(Reason::TooManyWaiters)),
        Joined::Follows(flight) => Ok(JoinedFlight { flight, first: None, variant, at }),
        Joined::First(ticket) => Ok(begin(cache, ask, ticket, Intent::Page)),
    }
}

fn begin(cache: &Arc<Cache>, ask: &SharedAsk, ticket: Ticket, intent: Intent) -> JoinedFlight {
    let flight = ticket.flight.clone();
    let first = Some(flight.first_waits());
    let variant = ticket.variant().map(<[u8]>::to_vec);
    Fill::begin(cache, ticket, ask.clone(), intent);
    JoinedFlight { flight, first, variant, at: Instant::now() }
}

/// Waits for what comes of the flight, and judges whether this request may have it.
async fn outcome(cache: &Arc<Cache>, ask: &SharedAsk, joined: JoinedFlight, way: &mut Way) -> Given {
    let SharedRequest { key, look, outgoing } = &ask.request;
    let JoinedFlight { flight, first, variant, at } = joined;
    let pass = |reason| Given::Nothing(Instead::Pass(reason));
    let place = if first.is_none() { cache.flights.place() } else { None };
    if first.is_none() && place.is_none() {
        return pass(Reason::TooManyWaiters);
    }
    let patience = match first {
        Some(_) => cache.patience.first,
        None => cache.patience.of_a_follower(cache.l1.was_stored(key.as_bytes())),
    };
    let outcome = flight.outcome(patience).await;
    drop(place);
    let own = first.as_ref().and_then(First::take_reply);
    if let Some(reply) = own.filter(|reply| !look.asks_again(reply.status, &reply.headers)) {
        // The application saw all that this visitor sent.
        let reason = if let Some(flights::Outcome::Pass(reason)) = outcome { reason } else { Reason::Status };
        return Given::Own(reply, reason);
    }
    let served = match outcome {
        Some(flights::Outcome::Page(served)) => served,
        // It was made without what this visitor sent.
        Some(flights::Outcome::Pass(reason)) if first.is_some() || ask.policy.hit_for_miss.is_zero() => {
            return pass(reason);
        }
        Some(flights::Outcome::Pass(reason)) => {
            // Now there may be a mark, and so there is a bound for how many go at once.
            way.reason = Some(reason);
            return Given::Nothing(Instead::LookAgain);
        }
        Some(flights::Outcome::Failed(failure)) => return Given::Failed(failure),
        None => return pass(Reason::WaitTimeout),
    };
    if !look.may_use(&served.head.lifetime) {
        return pass(Reason::NotShared);
    }
    if at > served.head.grant.at && served.head.reach(key.as_bytes(), at) != Reach::Untouched {
        // A purge came since, perhaps before this request did: it takes no page from before, and nobody else
        // does. Out of touch it takes a page that could be used when it joined, however long that took: each
        // would ask otherwise.
        cache.flights.part_with(key.as_bytes(), variant.clone(), &flight);
        if first.is_none() {
            return Given::Nothing(Instead::LookAgain);
        }
    }
    if first.is_none() && served.head.lifetime.validate {
        // Each asks for itself, all at once.
        return pass(Reason::NoCache);
    }
    if served.was_stored() && !wanted_as_it_is(look, &served.head) {
        return pass(Reason::RequestDirective);
    }
    if first.is_none() && served.is_over_for(at) {
        // It still arrives, and could not be used any more if it were stored.
        cache.flights.part_with(key.as_bytes(), variant, &flight);
        return Given::Nothing(Instead::LookAgain);
    }
    let mine = vary::selected(&served.head.lifetime.vary, &outgoing.headers);
    if first.is_none() && mine != served.selected {
        // The page is another variant's: look again, now that the rule is known.
        way.wanted = Some(mine);
        return Given::Nothing(Instead::LookAgain);
    }
    Given::Page(served, first)
}

/// The reply for a request that joined a flight; `None` if the page is not to be had after all.
async fn from_flight(request: &Request, served: &Arc<Served>, first: Option<First>) -> Option<Reply> {
    let reader = match first.as_ref().and_then(First::take_reader) {
        Some(reader) => reader,
        None => {
            let mut reader = served.body.reader()?;
            if !reader.begun().await {
                return None;
            }
            reader
        }
    };
    Some(answer::served(request, served, reader, first.is_some()))
}

/// A page is worth storing once it has been asked for so often.
fn is_seldom_used(cache: &Cache, ask: &SharedAsk) -> bool {
    let enough = ask.policy.min_uses;
    enough > 1 && cache.l1.count_use(ask.request.key.as_bytes()) < enough
}

/// Whether the page, made for others, is new enough for what this request says.
fn wanted_as_it_is(look: &Look, page: &PageHead) -> bool {
    let now = Instant::now();
    look.wants.use_at(&page.lifetime, page.age(now)) == page.use_at(now)
}

/// A stored page that this request may have only if it still holds: it asks for itself, and waits for no
/// other.
async fn validated(
    cache: &Arc<Cache>,
    ask: SharedAsk,
    request: Request,
    page: Arc<Page>,
    reason: Reason,
) -> Reply {
    let key = ask.request.key.as_bytes();
    let grant = cache.log.alone(Instant::now());
    let answered = validate::ask(cache, &ask, std::slice::from_ref(&page), &grant).await;
    match answered {
        Ok(Answered::Holds(page)) => {
            cache.l1.insert(key, &ask.request.outgoing.headers, page.clone());
            return answer::validated(&request, &page, reason);
        }
        Ok(Answered::Reply(reply)) if http_cache::fails_refresh(reply.status) && may_stand_in(&page) => {
            return answer::stale(&request, &page, Staleness::Failing);
        }
        Err(failure) => {
            cache.application.log_failure(&request.target, &failure);
            if may_stand_in(&page) {
                return answer::stale(&request, &page, Staleness::Failing);
            }
            return answer::failed(&failure, Some(reason));
        }
        Ok(_) if reason == Reason::NoCache => cache.l1.forget(key),
        Ok(_) => {}
    }
    match answered {
        Ok(Answered::Reply(reply)) if !ask.request.look.asks_again(reply.status, &reply.headers) => {
            answer::relayed(*reply, Some(reason)).to(request)
        }
        _ => pass(cache, ask.ask, request, Some(reason)).await,
    }
}

fn may_stand_in(page: &Page) -> bool {
    page.head.use_at(Instant::now()).on_error()
}
