//! The content of small files, kept in bounded memory and compared with the disk from time to time.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::files::handles::Handles;
use crate::files::resource::Resource;
use crate::files::settings::FileSettings;
use crate::settings::files::FileCacheConfig;

/// What a representation takes beside its content: mostly headers.
const OVERHEAD: usize = 1536;

/// The assumed size of a kept file, which decides how large the table is.
const USUAL_FILE: usize = 16 * 1024;

/// Kept files, by settings and path. A hit makes no system call.
pub(crate) struct FileCache {
    resources: Cache<FileKey, Arc<Resource>, FileWeight>,
    config: FileCacheConfig,
    /// What is sent from the disk.
    pub(super) handles: Handles,
}

#[derive(Hash, PartialEq, Eq)]
struct FileKey {
    settings: u64,
    path: Box<[u8]>,
}

/// A key that is not owned. Fields and their order are those of `FileKey`, so that both hash alike.
#[derive(Hash)]
struct BorrowedKey<'a> {
    settings: u64,
    path: &'a [u8],
}

impl Equivalent<FileKey> for BorrowedKey<'_> {
    fn equivalent(&self, key: &FileKey) -> bool {
        self.settings == key.settings && *self.path == *key.path
    }
}

impl FileCache {
    pub(crate) fn new(config: FileCacheConfig) -> Self {
        // The table is cut into shards of 32 files of at least this length, so that each shard can hold some
        // of the largest files too.
        let usual = USUAL_FILE.max(config.max_file.bytes() / 8);
        let resources = Cache::with_weighter(config.memory.bytes() / usual, config.memory.0, FileWeight);
        Self { resources, config, handles: Handles::default() }
    }

    #[cfg(test)]
    pub(super) fn memory_used(&self) -> u64 {
        self.resources.weight()
    }

    /// The largest file whose content is kept.
    pub(super) fn max_file(&self) -> u64 {
        self.config.max_file.0
    }

    pub(super) fn get(&self, settings: &FileSettings, path: &[u8]) -> Option<Arc<Resource>> {
        if !settings.is_kept() {
            return None;
        }
        self.resources.get(&BorrowedKey { settings: settings.id(), path })
    }

    /// Whether it may be served without asking the disk. A clock that was set back says no.
    pub(super) fn is_valid(&self, resource: &Resource, now: SystemTime) -> bool {
        now.duration_since(resource.checked).is_ok_and(|age| age < self.config.valid.0)
    }

    /// Stores the resource if it has content to store, in place of what was known before.
    pub(super) fn keep(&self, settings: &FileSettings, path: &[u8], resource: &Arc<Resource>) {
        if !settings.is_kept() || resource.kept().next().is_none() {
            return self.forget(settings, path);
        }
        self.resources.insert(FileKey { settings: settings.id(), path: path.into() }, Arc::clone(resource));
    }

    pub(super) fn forget(&self, settings: &FileSettings, path: &[u8]) {
        self.resources.remove(&BorrowedKey { settings: settings.id(), path });
    }
}

#[derive(Clone)]
struct FileWeight;

impl Weighter<FileKey, Arc<Resource>> for FileWeight {
    fn weight(&self, key: &FileKey, resource: &Arc<Resource>) -> u64 {
        let representations = 1 + resource.coded.len();
        let content: usize = resource.kept().map(Bytes::len).sum();
        (key.path.len() + representations * OVERHEAD + content) as u64
    }
}
