//! The place that a request has reached, what its path is called there, and what variables know of both.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::reply::{Reply, error};
use crate::request::Request;
use crate::request::path::{self, NormalPath, split};
use crate::route::{Location, Site};
use crate::variables::expression::EndlessSearch;
use crate::variables::{Facts, RouteFacts};

/// A location, and the site that it is of.
#[derive(Clone, Copy)]
pub(super) struct SiteLocation<'a> {
    pub(super) site: &'a Site,
    pub(super) location: &'a Arc<Location>,
}

/// The normal path of the request's target.
pub(crate) fn path_of(request: &Request) -> Result<NormalPath<'static>, Reply> {
    match path::normalise(split(&request.target).0.as_bytes()) {
        Ok(path) => Ok(path.into_owned()),
        Err(bad) => Err(error::bad_request(&format!("The path is malformed: {bad}.")).closing()),
    }
}

/// `Err`: a variable that was needed has no value, because a regular expression could not be searched to its
/// end.
pub(super) fn check_searches(request: &Request) -> Result<(), Reply> {
    if request.endless.load(Relaxed) {
        tracing::warn!(target = request.target, "{EndlessSearch}");
        return Err(error::internal());
    }
    Ok(())
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
        document_root: Some(&location.document_root),
        definitions: Some(&*site.definitions),
    })
}

/// Path and query of a page that a setting names. An empty query is none.
pub(super) fn split_query(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    match value.iter().position(|byte| *byte == b'?') {
        Some(mark) => {
            let query = value.get(mark + 1..).unwrap_or_default();
            (value.get(..mark).unwrap_or_default(), (!query.is_empty()).then_some(query))
        }
        None => (value, None),
    }
}

pub(super) fn printable(path: &NormalPath<'_>) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
