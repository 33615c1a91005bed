//! The index files of a directory, and which location answers for them.

use std::sync::Arc;
use std::time::SystemTime;

use http::Method;

use crate::Edge;
use crate::files::{self, FileSettings, PathKind};
use crate::handler::AtLocation;
use crate::handler::place::{SiteLocation, facts, printable};
use crate::request::path::{self, NormalPath, split};
use crate::request::{Entry, Request};
use crate::route::RouteMatch;

/// As in nginx, a directory's index file is answered by the location of its own path, which may be another:
/// `location ~ \.php$`.
pub(super) async fn index_elsewhere(
    edge: &Edge,
    SiteLocation { site, location }: SiteLocation<'_>,
    mut request: Box<Request>,
    path: NormalPath<'static>,
) -> Result<Box<Request>, AtLocation> {
    let files = location.files.as_ref().filter(|_| location.pool.is_none() && path.is_directory());
    let Some(files) = files.filter(|_| [Method::GET, Method::HEAD, Method::POST].contains(&request.method))
    else {
        return Ok(request);
    };
    let candidates = index_pages(&request, SiteLocation { site, location }, files, &path);
    let leads_elsewhere = |index: &NormalPath<'_>| match site.choose(index) {
        RouteMatch::Location(_, other) | RouteMatch::AddSlash(other) => !Arc::ptr_eq(other, location),
    };
    // Where nobody asks for the name of the file, the look for it can wait.
    let is_told = location.needs_whole_request() || !location.index.is_empty();
    if !is_told && !candidates.iter().any(|page| leads_elsewhere(&page.path)) {
        return Ok(request);
    }
    for page in candidates {
        if !page.is_page {
            let kind = files::kind(files, &page.path, SystemTime::now(), &edge.files).await;
            if !matches!(kind, Ok(Some(PathKind::File))) {
                continue;
            }
        }
        let elsewhere = page.is_page || leads_elsewhere(&page.path);
        if !elsewhere && !is_told {
            return Ok(request);
        }
        request.note(|| "setting index".into(), || format!("{} answers", printable(&page.path)));
        let query = split(&request.target).1.map(str::to_owned);
        request.rewrite_to(&page.path, query.as_deref().map(str::as_bytes));
        if !elsewhere {
            return Ok(request);
        }
        request.internal = true;
        return Err(AtLocation::again(request, Entry::Site));
    }
    Ok(request)
}

/// What may answer for a directory.
struct IndexPage {
    path: NormalPath<'static>,
    /// Another page, wherever it is, and not a file of this directory.
    is_page: bool,
}

fn index_pages(
    request: &Request,
    SiteLocation { site, location }: SiteLocation<'_>,
    files: &FileSettings,
    path: &NormalPath<'_>,
) -> Vec<IndexPage> {
    let page = |name: &[u8]| {
        let is_page = name.starts_with(b"/");
        let whole = if is_page { name.to_vec() } else { [path.as_bytes(), name].concat() };
        path::resolved(&whole).ok().map(|path| IndexPage { path, is_page })
    };
    if location.index.is_empty() {
        return files.index().iter().filter_map(|name| page(name.as_bytes())).collect();
    }
    let known = facts(request, path, site, location);
    location.index.iter().filter_map(|name| page(&name.value(&known))).collect()
}
