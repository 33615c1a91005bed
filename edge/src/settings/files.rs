//! `[edge.files]`, which symbolic links a location follows, and which charset it names.

use process::units::{Size, Time};
use serde::Deserialize;

/// The `[edge.files]` table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileCacheConfig {
    /// The memory for all files together; 0: none is kept.
    pub memory: Size,
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

/// `charset` of a location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8 where a file cannot say its own encoding, such as plain text; nothing where it can.
    #[default]
    Usual,
    /// No file's type names one, as in nginx without `charset`.
    Off,
    /// All text has this one.
    Named(String),
}

impl<'de> Deserialize<'de> for Charset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
        match name.as_str() {
            "off" => Ok(Self::Off),
            _ if !name.is_empty() && name.bytes().all(is_token) => Ok(Self::Named(name)),
            _ => Err(serde::de::Error::custom(format!(
                "`{name}` is not the name of a charset, such as \"utf-8\""
            ))),
        }
    }
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
