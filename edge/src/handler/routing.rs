//! Where a request goes before anything answers it: the rules of its site, its location, the rules there,
//! `try_files`, index files. nginx's phases, in nginx's order.

mod index;
mod ruled;
mod tried;

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, RANGE};
use http::{HeaderMap, StatusCode};

use crate::Edge;
use crate::access::secure_link::{LinkVerdict, SecureLink};
use crate::coding::{Coding, Codings};
use crate::handler::admit::{self, AdmissionCheck, Credentials};
use crate::handler::auth_check::AuthRefusal;
use crate::handler::place::{SiteLocation, check_searches, facts, path_of, printable};
use crate::handler::visit::Visit;
use crate::handler::{AtLocation, auth_check, error_pages, finish, internal_redirect, returned};
use crate::reply::error;
use crate::request::forwarded;
use crate::request::path::{NormalPath, split};
use crate::request::{Entry, Request};
use crate::route::pool_path::PoolPath;
use crate::route::server_names::name_of;
use crate::route::{Location, RouteMatch, Site, Sites};
use crate::variables::expression::EndlessSearch;
use ruled::RulesOutcome;

/// Groups of the site's name, where that is a regular expression, are variables from here on.
fn name_host_groups(site: &Site, request: &mut Request) -> Result<(), EndlessSearch> {
    if site.host_groups.is_empty() {
        return Ok(());
    }
    let host = name_of(&request.authority).into_owned();
    for groups in &site.host_groups {
        if request.values.matches(groups, host.as_bytes())? {
            break;
        }
    }
    Ok(())
}

/// Takes the request to the place that answers it, if it is admitted there. `Err`: it is answered already, or
/// goes elsewhere. Without a visit, nothing is counted, and everybody is admitted.
pub(super) async fn place<'a>(
    edge: &Edge,
    sites: &'a Sites,
    mut request: Box<Request>,
    admitting: Option<AdmissionCheck<'_>>,
) -> Result<(Box<Request>, RouteMatch<'a>), AtLocation> {
    let visit = admitting.map(|admitting| admitting.visit);
    let site = sites.choose(request.listener, &request.authority);
    if request.entry == Entry::Site {
        let named = name_host_groups(site, &mut request);
        named.map_err(|endless| AtLocation::Reply(returned::endless(endless, &request)))?;
    }
    if request.entry == Entry::Site && (site.sets.is_some() || !site.rules.is_empty()) {
        request = Box::pin(rules_of_site(request, site, visit)).await?;
    }
    if is_misnamed(site, &request) {
        return Err(AtLocation::Reply(error::internal()));
    }
    let mut path = path_of(&request).map_err(AtLocation::Reply)?;
    let location = match location(site, &request, &path) {
        RouteMatch::Location(_, location) => location,
        slash @ RouteMatch::AddSlash(location) => {
            reached(&request, location, visit);
            return Ok((request, slash));
        }
    };
    if sites.has_error_logs() && admitting.is_some() {
        edge.log.own.say_here(&request, location);
    }
    let here = RouteMatch::Location(site, location);
    if most_ranges(location, &request).is_some_and(|most| most < ranges(&request.headers)) {
        request.headers.remove(RANGE);
    }
    name_client(edge, location, &mut request);
    if location.internal && !request.is_sent_on() {
        return Ok((request, here));
    }
    // As in nginx, no rule answers a method that is refused.
    let is_allowed = admit::allows(location, &request.method);
    if location.acts() && is_allowed {
        request = Box::pin(rules_of_location(request, &path, SiteLocation { site, location }, visit)).await?;
    } else {
        reached(&request, location, visit);
    }
    // Nobody learns what there is before it is known that they may: files are looked for below.
    if let Some(admitting) = admitting.filter(|_| !request.is_check()) {
        request = admitted(request, &path, SiteLocation { site, location }, admitting).await?;
    }
    if !is_allowed {
        let refused = admit::refused_method(location, &request);
        return Err(error_pages::or_instead(location, site, request, refused));
    }
    if let Some(try_files) = &location.try_files {
        request = Box::pin(tried::run(edge, try_files, request, SiteLocation { site, location })).await?;
    }
    let mut is_rewritten = false;
    if location.acts() || location.try_files.is_some() {
        let now = path_of(&request).map_err(AtLocation::Reply)?;
        is_rewritten = now != path;
        path = now;
    }
    if let Some(at_pool) = location.pool_path.as_ref().filter(|_| !is_rewritten) {
        at_pool_path(at_pool, &mut request, &path);
    } else if location.files.is_some() && location.pool.is_none() && path.is_directory() {
        request =
            Box::pin(index::index_elsewhere(edge, SiteLocation { site, location }, request, path)).await?;
        reached(&request, location, visit);
    }
    check_searches(&request).map_err(|reply| AtLocation::Reply(reply.at(location)))?;
    Ok((request, here))
}

/// Who the client is by the proxies that the location trusts. As in nginx, an earlier location's word stays.
fn name_client(edge: &Edge, location: &Location, request: &mut Request) {
    let is_told = request.internal && forwarded::names_client(request);
    if let Some(real_ip) = location.real_ip.as_ref().filter(|_| !is_told)
        && let Some(client) = forwarded::client_by(request, real_ip.trusted(edge.settings.trusted()))
    {
        request.client = client;
    }
}

/// `set` and rules of a site. A changed path is looked up afterwards.
async fn rules_of_site(
    mut request: Box<Request>,
    site: &Site,
    visit: Option<&Visit>,
) -> Result<Box<Request>, AtLocation> {
    let otherwise = site.otherwise();
    if let Some(sets) = &site.sets {
        let path = path_of(&request).map_err(AtLocation::Reply)?;
        request.values = sets.apply(&facts(&request, &path, site, otherwise));
    }
    if site.rules.is_empty() {
        return Ok(request);
    }
    match ruled::run(&site.rules, &mut request, SiteLocation { site, location: otherwise }).await {
        RulesOutcome::Answer(reply) => {
            reached(&request, otherwise, visit);
            Err(error_pages::or_instead(otherwise, site, request, reply))
        }
        RulesOutcome::Named(name) => Err(AtLocation::again(request, Entry::Named(name))),
        RulesOutcome::Stay | RulesOutcome::Elsewhere => Ok(request),
    }
}

/// `set` and rules of a location.
async fn rules_of_location(
    mut request: Box<Request>,
    path: &NormalPath<'_>,
    SiteLocation { site, location }: SiteLocation<'_>,
    visit: Option<&Visit>,
) -> Result<Box<Request>, AtLocation> {
    if let Some(groups) = &location.groups
        && let Err(endless) = request.values.matches(groups, path.as_bytes())
    {
        let reply = returned::endless(endless, &request);
        return Err(error_pages::or_instead(location, site, request, reply));
    }
    if let Some(sets) = &location.sets {
        request.values = sets.apply(&facts(&request, path, site, location));
    }
    // A page of an error is not what the link was made for; another location may want a link of its own.
    let is_judged =
        |link: &Arc<SecureLink>| request.for_error.is_some() && request.link.as_ref() == Some(link);
    if let Some(link) = location.secure_link.as_ref().filter(|link| !request.is_check() && !is_judged(link)) {
        request.link = Some(link.clone());
        let (verdict, values) = link.check(&facts(&request, path, site, location), SystemTime::now());
        request.values = values;
        let refused = match verdict {
            LinkVerdict::Wrong if link.refuse => Some(error::forbidden()),
            LinkVerdict::Expired if link.refuse => Some(error::of_status(StatusCode::GONE)),
            _ => None,
        };
        if let Some(refused) = refused {
            request.note(|| "setting secure_link".into(), || format!("{verdict:?}: {}", refused.status));
            reached(&request, location, visit);
            return Err(error_pages::or_instead(location, site, request, refused));
        }
    }
    let ruled = ruled::run(&location.rules, &mut request, SiteLocation { site, location }).await;
    reached(&request, location, visit);
    match ruled {
        RulesOutcome::Stay => Ok(request),
        RulesOutcome::Elsewhere => Err(AtLocation::again(request, Entry::Location)),
        RulesOutcome::Named(name) => Err(AtLocation::again(request, Entry::Named(name))),
        RulesOutcome::Answer(reply) => Err(error_pages::or_instead(location, site, request, reply)),
    }
}

/// Whether the application has sent it to a location that is not there.
fn is_misnamed(site: &Site, request: &Request) -> bool {
    let Entry::Named(name) = &request.entry else { return false };
    let names_place = request.upstream.as_deref().is_some_and(|earlier| earlier.names_place);
    let is_misnamed = names_place && site.named(name).is_none();
    if is_misnamed {
        tracing::warn!(target = request.target, name = &**name, "X-Accel-Redirect names no location");
    }
    is_misnamed
}

/// The most ranges of a request that count; `None`: those that files and pages bear.
fn most_ranges(location: &Location, request: &Request) -> Option<usize> {
    let is_gunzipped =
        || location.changes.gunzip && !Codings::accepted_by(&request.headers).contains(Coding::Gzip);
    let is_whole = location.changes.need_whole_bodies() || is_gunzipped();
    if is_whole { Some(0) } else { location.max_ranges }
}

/// How many ranges the request asks for.
fn ranges(headers: &HeaderMap) -> usize {
    let lines = headers.get_all(RANGE).iter();
    lines.map(|line| line.as_bytes().split(|byte| *byte == b',').count()).sum()
}

/// Keeps what variables need when the reply is there.
fn reached(request: &Request, location: &Location, visit: Option<&Visit>) {
    let Some(visit) = visit.filter(|visit| visit.kept.is_some()) else { return };
    let Ok(path) = path_of(request) else { return };
    visit.reached(request, path.as_bytes(), &location.document_root);
}

/// Answers a CORS preflight, and refuses those who may not ask here, or not so often.
async fn admitted(
    mut request: Box<Request>,
    path: &NormalPath<'_>,
    SiteLocation { site, location }: SiteLocation<'_>,
    AdmissionCheck { edge, visit }: AdmissionCheck<'_>,
) -> Result<Box<Request>, AtLocation> {
    if let Some(check) = &location.auth_check {
        auth_check::forget_claims(check, &mut request);
    }
    if let Some(answer) = finish::preflight(location, &request) {
        return Err(AtLocation::Reply(answer.at(location)));
    }
    if !location.is_guarded() {
        return Ok(request);
    }
    let route = facts(&request, path, site, location).route;
    let admitted =
        match Box::pin(admit::admit(location, &request, route, AdmissionCheck { edge, visit })).await {
            Ok(admitted) => admitted,
            Err(refused) => {
                request.limited = refused.limited;
                delay(location, refused.reply.status).await;
                return Err(error_pages::or_instead(location, site, request, refused.reply));
            }
        };
    request.limited = admitted.limited;
    if let Credentials::Ours = admitted.credentials {
        request.credentials = request.headers.remove(AUTHORIZATION);
    }
    let Some(check) = location.auth_check.as_ref().filter(|_| admitted.is_asked) else { return Ok(request) };
    match Box::pin(auth_check::pass(
        AdmissionCheck { edge, visit },
        check,
        request,
        SiteLocation { site, location },
    ))
    .await
    {
        Ok(passed) => {
            // The page that decided was reached meanwhile.
            reached(&passed, location, Some(visit));
            Ok(passed)
        }
        Err(refused) => {
            let AuthRefusal { request, reply } = *refused;
            let reply = match admitted.challenge {
                Some(challenge) => auth_check::or_by_password(reply, challenge),
                None => reply,
            };
            delay(location, reply.status).await;
            reached(&request, location, Some(visit));
            Err(error_pages::or_instead(location, site, request, reply))
        }
    }
}

/// Lets those wait who guess passwords: nginx's `auth_delay`.
async fn delay(location: &Location, status: StatusCode) {
    if status == StatusCode::UNAUTHORIZED && !location.auth_delay.is_zero() {
        tokio::time::sleep(location.auth_delay).await;
    }
}

/// Follows a request through rules to the place that answers it, for `explain`. `Err`: the status that a rule
/// answers with.
pub(crate) async fn follow<'a>(
    edge: &Edge,
    sites: &'a Sites,
    mut request: Box<Request>,
) -> Result<(Box<Request>, RouteMatch<'a>), StatusCode> {
    for _ in 0..=internal_redirect::MOST {
        request = match place(edge, sites, request, None).await {
            Ok(placed) => return Ok(placed),
            Err(AtLocation::Reply(reply)) => return Err(reply.status),
            Err(AtLocation::Again(again)) => again.request,
        };
    }
    Err(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The location of the path, or the named one that a rule chose.
fn location<'a>(site: &'a Site, request: &Request, path: &NormalPath<'_>) -> RouteMatch<'a> {
    let Entry::Named(name) = &request.entry else { return site.choose(path) };
    match site.named(name) {
        Some(location) => RouteMatch::Location(site, location),
        // A reload took it away since the rule named it.
        None => site.choose(path),
    }
}

/// The application is asked for another path.
fn at_pool_path(at_pool: &PoolPath, request: &mut Request, path: &NormalPath<'_>) {
    if at_pool.leaves(split(&request.target).0, path) {
        return;
    }
    let Some(replaced) = at_pool.replace(path) else { return };
    let query = split(&request.target).1.map(str::to_owned);
    request.note(|| "setting pool_path".into(), || format!("asked for as {}", printable(&replaced)));
    request.rewrite_to(&replaced, query.as_deref().map(str::as_bytes));
}
