//! Looks for the files of a `try_files`.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::Edge;
use crate::files::{self, FileSettings, PathKind};
use crate::handler::place::{SiteLocation, facts, path_of, printable, split_query};
use crate::handler::{AtLocation, error_pages};
use crate::reply::error;
use crate::request::path::{self, NormalPath, split};
use crate::request::{Entry, Request};
use crate::route::try_files::{TryFile, TryFiles, TryLast};
use crate::route::{Location, Site};
use crate::variables::Facts;

/// Goes on with the first file that exists. `Err`: there is none, and what stands last answers.
pub(super) async fn run(
    edge: &Edge,
    try_files: &TryFiles,
    mut request: Box<Request>,
    SiteLocation { site, location }: SiteLocation<'_>,
) -> Result<Box<Request>, AtLocation> {
    let path = path_of(&request).map_err(AtLocation::Reply)?;
    if let Some(settings) = settings(&request, &path, site, location) {
        for file in &try_files.files {
            let found = match find(edge, file, &facts(&request, &path, site, location), &settings).await {
                Ok(found) => found,
                Err(failed) => {
                    tracing::error!(target = request.target, error = %failed, "cannot look for the file");
                    return Err(error_pages::or_instead(location, site, request, error::internal()));
                }
            };
            if let Some(found) = found {
                request.note(|| "setting try_files".into(), || format!("{} exists", printable(&found)));
                if found != path {
                    let query = split(&request.target).1.map(str::to_owned);
                    request.rewrite_to(&found, query.as_deref().map(str::as_bytes));
                }
                return Ok(request);
            }
        }
    }
    Err(last(try_files, request, &path, site, location))
}

/// Where the files of the location are.
fn settings(
    request: &Request,
    path: &NormalPath<'_>,
    site: &Site,
    location: &Location,
) -> Option<Arc<FileSettings>> {
    if let Some(settings) = &location.files {
        return Some(settings.clone());
    }
    let varying = location.varying.as_ref()?;
    varying.settings(&facts(request, path, site, location)).map(Arc::new)
}

/// The path of the file, if there is one.
async fn find(
    edge: &Edge,
    file: &TryFile,
    facts: &Facts<'_>,
    settings: &Arc<FileSettings>,
) -> io::Result<Option<NormalPath<'static>>> {
    let value = file.path.value(facts).into_owned();
    let Ok(wanted) = path::resolved(&value) else { return Ok(None) };
    let kind = if file.is_directory { PathKind::Directory } else { PathKind::File };
    let found = files::kind(settings, &wanted, SystemTime::now(), &edge.files).await?;
    Ok((found == Some(kind)).then_some(wanted))
}

fn last(
    try_files: &TryFiles,
    mut request: Box<Request>,
    path: &NormalPath<'_>,
    site: &Site,
    location: &Arc<Location>,
) -> AtLocation {
    let rule = || "setting try_files".to_owned();
    match &try_files.last {
        TryLast::Status(status) => {
            request.note(rule, || format!("no file exists: {}", status.as_u16()));
            if location.log_not_found && status.as_u16() == 404 {
                tracing::info!(target = request.target, site = &*location.site, "file not found");
            }
            error_pages::or_instead(location, site, request, error::of_status(*status))
        }
        TryLast::Named(name) => {
            request.note(rule, || format!("no file exists: {name}"));
            request.internal = true;
            AtLocation::again(request, Entry::Named(name.clone()))
        }
        TryLast::Page(page) => {
            let value = page.value(&facts(&request, path, site, location)).into_owned();
            let (page, query) = split_query(&value);
            let Ok(page) = path::resolved(page) else {
                return AtLocation::Reply(error::bad_request("The path is malformed.").at(location));
            };
            request.note(rule, || format!("no file exists: {}", printable(&page)));
            request.rewrite_to(&page, query);
            request.internal = true;
            AtLocation::again(request, Entry::Site)
        }
    }
}
