//! Where a request goes before anything answers it: the rules of its site, its location, the rules there,
//! `try_files`, index files. nginx's phases, in nginx's order.

mod ruled;
mod tried;

use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode};

use crate::Edge;
use crate::files::{self, PathKind};
use crate::handler::{AtLocation, error_pages, internal_redirect};
use crate::reply::{Reply, error};
use crate::request::path::{self, NormalPath, split};
use crate::request::{Entry, Request};
use crate::route::{Chosen, Location, Site, Sites};
use crate::variables::{Facts, RouteFacts};
use ruled::Ruled;

/// Takes the request to the place that answers it. `Err`: it is answered already, or goes elsewhere.
pub(super) async fn place<'a>(
    edge: &Edge,
    sites: &'a Sites,
    mut request: Request,
) -> Result<(Request, Chosen<'a>), AtLocation> {
    let site = sites.choose(request.listener, &request.authority);
    if request.entry == Entry::Site && !site.rules.is_empty() {
        // A changed path is looked up below.
        if let Ruled::Answer(reply) = ruled::run(&site.rules, &mut request, site, site.otherwise()).await {
            return Err(error_pages::or_instead(site.otherwise(), site, request, *reply));
        }
    }
    let path = match path_of(&request) {
        Ok(path) => path,
        Err(reply) => return Err(AtLocation::Reply(*reply)),
    };
    let location = match location(site, &request, &path) {
        Chosen::Location(_, location) => location,
        slash @ Chosen::AddSlash(_) => return Ok((request, slash)),
    };
    let here = Chosen::Location(site, location);
    if location.is_direct && location.groups.is_none() || location.internal && !request.internal {
        return index_elsewhere(edge, site, location, request, path).await.map(|request| (request, here));
    }
    if let Some(groups) = &location.groups {
        request.values.matches(groups, path.as_bytes());
    }
    match ruled::run(&location.rules, &mut request, site, location).await {
        Ruled::Stay => {}
        Ruled::Elsewhere => return Err(AtLocation::again(request, Entry::Location)),
        Ruled::Answer(reply) => return Err(error_pages::or_instead(location, site, request, *reply)),
    }
    if !allows(location, &request.method) {
        request
            .note(|| "limit_except".into(), || format!("{} is refused with 403", request_method(location)));
        return Err(error_pages::or_instead(location, site, request, error::forbidden()));
    }
    if let Some(try_files) = &location.try_files {
        request = match tried::run(edge, try_files, request, (site, location)).await {
            Ok(request) => request,
            Err(outcome) => return Err(outcome),
        };
    }
    let path = match path_of(&request) {
        Ok(path) => path,
        Err(reply) => return Err(AtLocation::Reply(*reply)),
    };
    index_elsewhere(edge, site, location, request, path).await.map(|request| (request, here))
}

/// Follows a request through rules to the place that answers it, for `explain`. `Err`: the status that a rule
/// answers with.
pub(crate) async fn follow<'a>(
    edge: &Edge,
    sites: &'a Sites,
    mut request: Request,
) -> Result<(Request, Chosen<'a>), StatusCode> {
    for _ in 0..=internal_redirect::MOST {
        request = match place(edge, sites, request).await {
            Ok(placed) => return Ok(placed),
            Err(AtLocation::Reply(reply)) => return Err(reply.status),
            Err(AtLocation::Again(again)) => again.request,
        };
    }
    Err(StatusCode::INTERNAL_SERVER_ERROR)
}

fn request_method(location: &Location) -> String {
    format!("a method other than {}", location.methods.join(", "))
}

/// The location of the path, or the named one that a rule chose.
fn location<'a>(site: &'a Site, request: &Request, path: &NormalPath<'_>) -> Chosen<'a> {
    let Entry::Named(name) = &request.entry else { return site.choose(path) };
    match site.named(name) {
        Some(location) => Chosen::Location(site, location),
        // A reload took it away since the rule named it.
        None => site.choose(path),
    }
}

/// As in nginx, `GET` allows HEAD too.
fn allows(location: &Location, method: &Method) -> bool {
    let named = |name: &str| location.methods.iter().any(|known| **known == *name);
    location.methods.is_empty() || named(method.as_str()) || *method == Method::HEAD && named("GET")
}

/// The normal path of the request's target.
pub(super) fn path_of(request: &Request) -> Result<NormalPath<'static>, Box<Reply>> {
    match path::normalise(split(&request.target).0.as_bytes()) {
        Ok(path) => Ok(path.into_owned()),
        Err(bad) => Err(Box::new(error::bad_request(&format!("The path is malformed: {bad}.")).closing())),
    }
}

/// What variables know of the request at this place.
pub(super) fn facts<'a>(
    request: &'a Request,
    path: &'a NormalPath<'_>,
    site: &'a Site,
    location: &'a Location,
) -> Facts<'a> {
    request.facts(RouteFacts {
        uri: path.as_bytes(),
        args: split(&request.target).1,
        server_name: &site.name,
        document_root: &location.document_root,
    })
}

/// As in nginx, a directory's index file is answered by the location of its own path, which may be another:
/// `location ~ \.php$`.
async fn index_elsewhere(
    edge: &Edge,
    site: &Site,
    location: &Arc<Location>,
    mut request: Request,
    path: NormalPath<'static>,
) -> Result<Request, AtLocation> {
    let files = location.files.as_ref().filter(|_| location.pool.is_none() && path.is_directory());
    let Some(files) = files.filter(|_| request.method == Method::GET || request.method == Method::HEAD)
    else {
        return Ok(request);
    };
    let candidates: Vec<_> = files
        .index()
        .iter()
        .filter_map(|name| path::resolved(&[path.as_bytes(), name.as_bytes()].concat()).ok())
        .collect();
    let leads_elsewhere = |index: &NormalPath<'_>| match site.choose(index) {
        Chosen::Location(_, other) | Chosen::AddSlash(other) => !Arc::ptr_eq(other, location),
    };
    if !candidates.iter().any(leads_elsewhere) {
        return Ok(request);
    }
    for index in candidates {
        let kind = files::kind(files, &index, SystemTime::now(), &edge.files).await;
        if !matches!(kind, Ok(Some(PathKind::File))) {
            continue;
        }
        if !leads_elsewhere(&index) {
            return Ok(request);
        }
        request.note(|| "setting index".into(), || format!("{} answers", printable(&index)));
        let query = split(&request.target).1.map(str::to_owned);
        request.rewrite_to(&index, query.as_deref().map(str::as_bytes));
        request.internal = true;
        return Err(AtLocation::again(request, Entry::Site));
    }
    Ok(request)
}

pub(super) use tried::split_query;

pub(super) fn printable(path: &NormalPath<'_>) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
