//! Where the files of a location are.

use std::sync::Arc;

use crate::files::media_type::MediaTypes;
use crate::files::{FilePlace, FileSettings};
use crate::route::build::SiteBuilder;
use crate::route::build::outer::OuterPlace;
use crate::route::varying_files::VaryingFiles;
use crate::variables::document_root::boundary;
use crate::variables::expression;
use crate::variables::{DirectoryUse, DocumentRoot, Needs, Template};

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

impl FilesAt {
    fn parts(&self) -> (&Template, DirectoryUse) {
        match self {
            Self::Root(root) => (root, DirectoryUse::Root),
            Self::Alias(alias, literal_length) => {
                (alias, DirectoryUse::Alias { literal_length: *literal_length })
            }
            Self::Whole(file) => (file, DirectoryUse::Whole),
        }
    }
}

impl SiteBuilder<'_> {
    /// What variables tell of the files.
    pub(super) fn document_root(
        &mut self,
        path: &str,
        inner: &OuterPlace<'_>,
        files_at: Option<&FilesAt>,
    ) -> DocumentRoot {
        let place = &inner.place;
        let split_path_info = place.fastcgi_split_path_info.as_deref().and_then(|pattern| {
            let split = expression::build(pattern, false).and_then(|split| match split.groups() {
                0 | 1 => Err("needs two groups: the script's name, and what follows it".to_owned()),
                _ => Ok(split),
            });
            split.map_err(|text| self.mistakes.push(inner.at(path, "fastcgi_split_path_info"), text)).ok()
        });
        let cached = place.pool.is_some() && place.cache.as_ref().is_some_and(|cache| cache.enabled);
        // What only one visitor's requests say is not told to an application that makes pages for all.
        let may_be_told = |(directory, _): &(&Template, DirectoryUse)| {
            !cached || !directory.needs(&self.variables.names).has(Needs::VISITOR.and(Needs::QUERY))
        };
        let (directory, directory_use) = files_at.map(FilesAt::parts).filter(may_be_told).unzip();
        DocumentRoot {
            split_path_info,
            index: place.fastcgi_index.as_deref().unwrap_or_default().into(),
            ..DocumentRoot::new(directory.cloned(), directory_use.unwrap_or_default())
        }
    }

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
        let (template, directory_use) = files_at.parts();
        let definitions = self.variables.definitions.clone();
        (None, Some(VaryingFiles::new(settings, template.clone(), directory_use, definitions)))
    }
}
