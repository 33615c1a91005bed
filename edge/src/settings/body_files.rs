//! `body_file`: which request bodies go to a temporary file before the application gets them.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFiles {
    #[default]
    Off,
    /// Those that are longer than `body_buffer`.
    Long,
    All,
    /// All, and the files stay.
    Keep,
}
