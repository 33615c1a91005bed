//! Files in a directory whose name depends on the request: `root = "/srv/$host"`, or an `alias` with the
//! groups of a regex.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{FilePlace, FileSettings};
use crate::variables::document_root::{boundary, directory_of};
use crate::variables::{Definitions, DirectoryUse, Facts, RouteFacts, Template};

#[derive(Clone, Debug)]
pub(crate) struct VaryingFiles {
    /// What all directories have in common, and what only differs in the directory.
    like: Arc<FileSettings>,
    directory: Template,
    /// What stands before the first variable, up to its last slash: no file outside is served.
    boundary: PathBuf,
    directory_use: DirectoryUse,
    /// What the settings define for all sites.
    definitions: Arc<Definitions>,
}

impl VaryingFiles {
    /// `like` is made for the boundary.
    pub(crate) fn new(
        like: Arc<FileSettings>,
        directory: Template,
        directory_use: DirectoryUse,
        definitions: Arc<Definitions>,
    ) -> Self {
        let boundary = boundary(&directory);
        Self { like, directory, boundary, directory_use, definitions }
    }

    /// The settings for one request; `None`: its values lead to no directory that may be served.
    pub(crate) fn settings(&self, facts: &Facts<'_>) -> Option<FileSettings> {
        let route = RouteFacts { definitions: Some(&*self.definitions), ..facts.route };
        let facts = Facts { route, ..*facts };
        let directory = PathBuf::from(OsString::from_vec(directory_of(&self.directory, &facts)?));
        let place = match self.directory_use {
            DirectoryUse::Root => FilePlace::Root(directory),
            DirectoryUse::Alias { literal_length } => FilePlace::Alias { to: directory, literal_length },
            DirectoryUse::Whole => FilePlace::Whole(directory),
        };
        Some(self.like.at(place, self.boundary.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_ends_before_the_first_variable() {
        for (directory, expected) in [
            ("/srv/$host/www", "/srv/"),
            ("/srv/site-$1", "/srv/"),
            ("/srv/static/$1", "/srv/static/"),
            ("$document_root/x", "/"),
        ] {
            assert_eq!(
                boundary(&Template::parse(directory).unwrap()),
                PathBuf::from(expected),
                "{directory}"
            );
        }
    }
}
