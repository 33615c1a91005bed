//! Where the files of a location are.

use std::sync::Arc;

use crate::files::media_type::MediaTypes;
use crate::files::{FilePlace, FileSettings};
use crate::route::build::SiteBuilder;
use crate::route::build::outer::OuterPlace;
use crate::route::varying_files::{VaryingFiles, VaryingKind, boundary};
use crate::variables::Template;

/// Whether an index is the name of a file, whatever is asked for.
pub(super) fn is_plain_index(name: &str) -> bool {
    !name.starts_with('/') && !name.contains('$')
}

/// Where the files of a place are.
pub(super) enum FilesAt {
    Root(Template),
    Alias(Template, usize),
    Whole(Template),
}

impl SiteBuilder<'_> {
    pub(super) fn files(
        &mut self,
        path: &str,
        inner: &OuterPlace<'_>,
        files_at: Option<FilesAt>,
        types: &MediaTypes,
    ) -> (Option<Arc<FileSettings>>, Option<VaryingFiles>) {
        let Some(files_at) = files_at else { return (None, None) };
        let (key, template) = match &files_at {
            FilesAt::Root(root) => ("root", root),
            FilesAt::Alias(alias, _) | FilesAt::Whole(alias) => ("alias", alias),
        };
        let (path, place) = (inner.at(path, key), &inner.place);
        template.check(&path, &self.variables.names, self.mistakes);
        let constant = template.constant();
        let directory = constant.map_or_else(|| boundary(template), Into::into);
        let at = match (&files_at, constant) {
            (FilesAt::Alias(_, literal_length), Some(_)) => {
                FilePlace::Alias { to: directory, literal_length: *literal_length }
            }
            (FilesAt::Whole(_), Some(_)) => FilePlace::Whole(directory),
            _ => FilePlace::Root(directory),
        };
        let mut index = place.index.clone().unwrap_or_else(|| vec!["index.html".into()]);
        index.retain(|name| is_plain_index(name));
        let (symlinks, precompressed) =
            (place.symlinks.unwrap_or_default(), place.precompressed.unwrap_or(false));
        let settings = match FileSettings::new(at, index, symlinks, precompressed) {
            Ok(settings) => {
                let settings = settings.with_charset(place.charset.clone().unwrap_or_default());
                Arc::new(settings.with(place.autoindex.unwrap_or_default(), types.clone()))
            }
            Err(text) => {
                self.mistakes.push(path, text);
                return (None, None);
            }
        };
        if constant.is_some() {
            return (Some(settings), None);
        }
        let kind = match files_at {
            FilesAt::Root(_) => VaryingKind::Root,
            FilesAt::Alias(_, literal_length) => VaryingKind::Alias { literal_length },
            FilesAt::Whole(_) => VaryingKind::Whole,
        };
        let definitions = self.variables.definitions.clone();
        (None, Some(VaryingFiles::new(settings, template.clone(), kind, definitions)))
    }
}
