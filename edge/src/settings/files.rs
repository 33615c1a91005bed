//! `[edge.files]`, and which symbolic links a location follows.

use process::units::{Size, Time};
use serde::Deserialize;

/// `[edge.files]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileCacheConfig {
    /// For all files together; 0: none is kept.
    pub(crate) memory: Size,
    /// Larger files are streamed from disk each time.
    pub(crate) max_file: Size,
    /// A kept file is served so long before the disk is asked whether it changed.
    pub(crate) valid: Time,
    /// Large ones are sent by the kernel where there is no TLS. Some file systems have it send stale bytes.
    pub(crate) sendfile: bool,
}

/// Which symbolic links are followed, in any part of the path below `root` or `alias`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symlinks {
    /// Those that end inside `root` or `alias`; behind the others everything is forbidden.
    #[default]
    Inside,
    /// All, as nginx does.
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
