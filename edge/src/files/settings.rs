//! Where the files of one location are, and which of them may be served.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

use crate::files::media_type::MediaTypes;
use crate::request::path::NormalPath;
use crate::settings::autoindex::Autoindex;
use crate::settings::files::{Charset, Symlinks};

/// What editors and tools leave beside a file. Names that begin with a dot are never served anyway.
const BACKUP_ENDINGS: [&[u8]; 4] = [b"~", b".bak", b".orig", b".swp"];

/// The files of one location. Its directories need not exist when it is made.
#[derive(Debug)]
pub(crate) struct FileSettings {
    /// Distinguishes these settings, in the cache, from all others in the process.
    id: u64,
    place: FilePlace,
    index: Vec<String>,
    symlinks: Symlinks,
    precompressed: bool,
    charset: Charset,
    /// Lists directories without an index file.
    autoindex: Autoindex,
    types: MediaTypes,
    /// The directory that must not be left, if it is not the place itself.
    boundary: Option<PathBuf>,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum FilePlace {
    /// `root`: the whole path is looked up in this directory.
    Root(PathBuf),
    /// `alias`: what follows the location's text is looked up in this directory. For an exact match it may be
    /// a file.
    Alias { to: PathBuf, literal_length: usize },
    /// `alias` of a regex: one file or directory, whatever the path is.
    Whole(PathBuf),
}

impl FileSettings {
    /// `index`: names tried in order for a path that ends with a slash. Errors are texts for the author of
    /// the settings.
    pub(crate) fn new(
        place: FilePlace,
        index: Vec<String>,
        symlinks: Symlinks,
        precompressed: bool,
    ) -> Result<Self, String> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(UNKEPT + 1);
        let directory = place.directory();
        if directory.as_os_str().is_empty() || directory.as_os_str().as_bytes().contains(&0) {
            return Err("the directory is empty or contains a NUL byte; write a path".into());
        }
        if let Some(name) =
            index.iter().find(|name| !is_served_name(name.as_bytes()) || name.contains(['/', '\0']))
        {
            return Err(format!("index: `{name}` is not a name that Weir serves; write a plain file name"));
        }
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (autoindex, types, boundary) = (Autoindex::Off, MediaTypes::default(), None);
        let charset = Charset::default();
        Ok(Self { id, place, index, symlinks, precompressed, charset, autoindex, types, boundary })
    }

    pub(crate) fn with_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    pub(crate) fn with(self, autoindex: Autoindex, types: MediaTypes) -> Self {
        Self { autoindex, types, ..self }
    }

    /// Makes settings for another place, below `boundary`. Nothing of it is kept in memory.
    pub(crate) fn at(&self, place: FilePlace, boundary: PathBuf) -> Self {
        Self {
            id: UNKEPT,
            place,
            index: self.index.clone(),
            symlinks: self.symlinks,
            precompressed: self.precompressed,
            charset: self.charset.clone(),
            autoindex: self.autoindex,
            types: self.types.clone(),
            boundary: Some(boundary),
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.id != UNKEPT
    }

    pub(super) fn autoindex(&self) -> Autoindex {
        self.autoindex
    }

    pub(super) fn media_type(&self, path: &Path) -> HeaderValue {
        self.types.of(path, &self.charset)
    }

    pub(crate) fn is_precompressed(&self) -> bool {
        self.precompressed
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn index(&self) -> &[String] {
        &self.index
    }

    /// The directory, or file, that no answer may leave; `None`: answers may come from anywhere.
    pub(super) fn boundary(&self) -> Option<&Path> {
        (self.symlinks == Symlinks::Inside)
            .then(|| self.boundary.as_deref().unwrap_or_else(|| self.directory()))
    }

    /// The file or directory for a path; `None` if names of this kind are not served. `all_names`: the
    /// application has allowed this one, whatever its name.
    pub(super) fn file_for(&self, path: &NormalPath, all_names: bool) -> Option<PathBuf> {
        let path = path.as_bytes();
        let rest = match &self.place {
            FilePlace::Root(_) => path,
            FilePlace::Alias { to, literal_length } => {
                let (before, rest) = path.split_at_checked(*literal_length)?;
                // As in nginx, "/staticx" is no file of the location "/static" with the alias "/dir".
                let is_glued = !rest.is_empty() && !rest.starts_with(b"/") && !before.ends_with(b"/");
                if is_glued && !to.as_os_str().as_bytes().ends_with(b"/") {
                    return None;
                }
                rest
            }
            FilePlace::Whole(file) => return self.whole(file),
        };
        // "/static../x" with the location "/static" leaves "../x": the check of names below refuses it.
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        if rest.is_empty() {
            return Some(self.directory().to_owned());
        }
        let mut names = rest.split(|&byte| byte == b'/').enumerate();
        let served = names.all(|(depth, name)| match name {
            b"" => true,
            // RFC 8615: what lies in /.well-known/ is for everyone.
            b".well-known" => depth == 0,
            b"." | b".." => false,
            _ if all_names => true,
            name => is_served_name(name),
        });
        served.then(|| self.directory().join(OsStr::from_bytes(rest)))
    }

    /// The file that the whole place is, if its name below the boundary may be served.
    fn whole(&self, file: &Path) -> Option<PathBuf> {
        let below = file.strip_prefix(self.boundary.as_deref().unwrap_or(file)).ok()?;
        let served = below.components().all(|part| match part {
            // RFC 8615: the settings may lead there from any depth.
            Component::Normal(name) => name == ".well-known" || is_served_name(name.as_bytes()),
            _ => false,
        });
        served.then(|| file.to_owned())
    }

    fn directory(&self) -> &Path {
        self.place.directory()
    }
}

impl FilePlace {
    fn directory(&self) -> &Path {
        match self {
            Self::Root(directory) | Self::Alias { to: directory, .. } | Self::Whole(directory) => directory,
        }
    }
}

/// The id of settings for which nothing is kept in memory.
const UNKEPT: u64 = 0;

pub(super) fn is_served_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b".") && !BACKUP_ENDINGS.iter().any(|ending| name.ends_with(ending))
}
