//! One look at the disk: which file answers, in which representations, and the open file to send.

use std::fs::File;
use std::io;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::coding::{Coding, Codings};
use crate::files::listing;
use crate::files::open::{Barrier, NoFile, OpenFile, open, resolve};
use crate::files::resource::{Description, Representation, Resource};
use crate::files::settings::FileSettings;
use crate::settings::autoindex::Autoindex;

/// What to look for. Runs on a thread that may wait for a disk.
pub(super) struct FileLookup {
    pub(super) settings: Arc<FileSettings>,
    pub(super) path: PathBuf,
    /// The request's path ends with a slash: an index file answers.
    pub(super) is_directory: bool,
    pub(super) accepted: Codings,
    /// The resource from an earlier look.
    pub(super) known: Option<Arc<Resource>>,
    /// Content of larger files stays on disk.
    pub(super) max_file: u64,
    pub(super) now: SystemTime,
}

pub(super) struct FoundFile {
    pub(super) resource: Arc<Resource>,
    /// The file of the representation that `accepted` chooses.
    pub(super) file: File,
}

impl FileLookup {
    pub(super) fn run(self) -> Result<FoundFile, NoFile> {
        let boundary = self.settings.boundary().map(resolve).transpose()?;
        let boundary = boundary.as_deref();
        let (path, opened) = if self.is_directory {
            self.open_index(boundary)?
        } else {
            (self.path.clone(), open(&self.path, boundary)?)
        };
        if opened.metadata.is_dir() {
            return Err(NoFile::IsDirectory);
        }
        let siblings = self.open_siblings(&path, &opened, boundary);
        let mut description = Description {
            media_type: self.settings.media_type(&path),
            coding: None,
            varies: !siblings.is_empty(),
        };
        let plain = self.load(&opened, &description)?;
        let mut chosen = None;
        let mut coded = Vec::with_capacity(siblings.len());
        for (coding, sibling) in siblings {
            description.coding = Some(coding);
            let Ok(representation) = self.load(&sibling, &description) else { continue };
            coded.push((coding, representation));
            if chosen.is_none() && self.accepted.contains(coding) {
                chosen = Some(sibling.file);
            }
        }
        let resource = Arc::new(Resource { checked: self.now, plain, coded });
        Ok(FoundFile { resource, file: chosen.unwrap_or(opened.file) })
    }

    fn open_index(&self, boundary: Option<&Path>) -> Result<(PathBuf, OpenFile), NoFile> {
        for name in self.settings.index() {
            let path = self.path.join(name);
            match open(&path, boundary) {
                Ok(opened) if opened.metadata.is_file() => return Ok((path, opened)),
                Ok(_) | Err(NoFile::NotFound) => {}
                Err(missing) => return Err(missing),
            }
        }
        // The empty name makes it an error if this is a file.
        open(&self.path.join(""), boundary)?;
        match self.settings.autoindex() {
            Autoindex::Off => Err(NoFile::Forbidden(Barrier::NoIndex)),
            _ => Err(NoFile::Listing(listing::entries(&self.path, boundary)?)),
        }
    }

    /// The precompressed siblings. A sibling that is older than the file was made from an earlier version and
    /// is ignored, as is one that cannot be read.
    fn open_siblings(
        &self,
        path: &Path,
        plain: &OpenFile,
        boundary: Option<&Path>,
    ) -> Vec<(Coding, OpenFile)> {
        if !self.settings.is_precompressed() {
            return Vec::new();
        }
        let sibling = |coding: Coding| {
            let mut name = path.as_os_str().to_owned();
            name.push(coding.extension());
            let opened = open(Path::new(&name), boundary).ok()?;
            let is_current = opened.metadata.is_file() && opened.metadata.mtime() >= plain.metadata.mtime();
            is_current.then_some((coding, opened))
        };
        Coding::ALL.into_iter().filter_map(sibling).collect()
    }

    fn load(&self, opened: &OpenFile, description: &Description) -> io::Result<Representation> {
        let known = self.known.as_deref().and_then(|known| known.in_coding(description.coding));
        Representation::load(opened, description, known, self.max_file, self.now)
    }
}
