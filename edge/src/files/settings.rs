//! Where the files of one location are, and which of them may be served.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::request::path::NormalPath;
use crate::settings::files::{Charset, Symlinks};
use crate::settings::pattern::Pattern;

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
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum FilePlace {
    /// `root`: the whole path is looked up in this directory.
    Root(PathBuf),
    /// `alias`: what follows the location's text is looked up in this directory. For an exact match it may be
    /// a file.
    Alias { to: PathBuf, literal_length: usize },
}

impl FilePlace {
    pub(crate) fn alias(to: impl Into<PathBuf>, pattern: &Pattern) -> Result<Self, String> {
        match pattern.literal_length() {
            Some(literal_length) => Ok(Self::Alias { to: to.into(), literal_length }),
            None => {
                Err("`alias` cannot be used with a regex; use `root`, or a match such as \"/static/\"".into())
            }
        }
    }
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
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let (FilePlace::Root(directory) | FilePlace::Alias { to: directory, .. }) = &place;
        if directory.as_os_str().is_empty() || directory.as_os_str().as_bytes().contains(&0) {
            return Err("the directory is empty or contains a NUL byte; write a path".into());
        }
        if let Some(name) =
            index.iter().find(|name| !is_served_name(name.as_bytes()) || name.contains(['/', '\0']))
        {
            return Err(format!("index: `{name}` is not a name that Weir serves; write a plain file name"));
        }
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, place, index, symlinks, precompressed, charset: Charset::default() })
    }

    pub(crate) fn with_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    pub(super) fn charset(&self) -> &Charset {
        &self.charset
    }

    pub(crate) fn is_precompressed(&self) -> bool {
        self.precompressed
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn index(&self) -> &[String] {
        &self.index
    }

    /// The directory, or file, that no answer may leave; `None`: answers may come from anywhere.
    pub(super) fn boundary(&self) -> Option<&Path> {
        (self.symlinks == Symlinks::Inside).then_some(self.directory())
    }

    /// The file or directory for a path; `None` if names of this kind are not served. `all_names`: the
    /// application has allowed this one, whatever its name.
    pub(super) fn file_for(&self, path: &NormalPath, all_names: bool) -> Option<PathBuf> {
        let path = path.as_bytes();
        let rest = match &self.place {
            FilePlace::Root(_) => path,
            FilePlace::Alias { literal_length, .. } => path.get(*literal_length..)?,
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

    fn directory(&self) -> &Path {
        let (FilePlace::Root(directory) | FilePlace::Alias { to: directory, .. }) = &self.place;
        directory
    }
}

fn is_served_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b".") && !BACKUP_ENDINGS.iter().any(|ending| name.ends_with(ending))
}
