//! `reply_buffer` of a pool: where replies wait for clients that are slower than the application.

use process::units::Size;
use serde::Deserialize;

/// `reply_buffer = { memory = "64KiB", file = "1GiB", files = "16GiB" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyBufferConfig {
    /// Bytes of one reply in memory: nginx's `uwsgi_buffers`.
    pub memory: Size,
    /// Bytes of one reply in its temporary file: nginx's `uwsgi_max_temp_file_size`. 0: the client sets the
    /// pace.
    pub file: Size,
    /// Bytes of all replies of the pool in temporary files.
    pub files: Size,
}

impl Default for ReplyBufferConfig {
    fn default() -> Self {
        Self { memory: Size::kibibytes(64), file: Size::mebibytes(1024), files: Size::mebibytes(16 * 1024) }
    }
}
