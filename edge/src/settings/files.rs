//! `[edge.files]`, and which symbolic links a location follows.

use process::units::{Size, Time};
use serde::Deserialize;

/// The `[edge.files]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileCacheConfig {
    /// The memory for all files together; 0: none is kept.
    pub(crate) memory: Size,
    /// Larger files are streamed from disk each time.
    pub(crate) max_file: Size,
    /// How long a kept file is served before it is compared with the disk again.
    pub(crate) valid: Time,
    /// The kernel sends large files if there is no TLS. Some file systems make it send stale bytes.
    pub(crate) sendfile: bool,
}

/// Which symbolic links are followed, in any part of the path below `root` or `alias`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symlinks {
    /// Those that end inside `root` or `alias`; everything behind other links is forbidden.
    #[default]
    Inside,
    /// All, as in nginx.
    Follow,
}

impl Default for FileCacheConfig {
    fn default() -> Self {
        Self {
            memory: Size::mebibytes(32),
            max_file: Size::kibibytes(256),
            valid: Time::from_secs(1),
            sendfile: true,
        }
    }
}
