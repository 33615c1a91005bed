//! docs/settings.md as data: every setting with its type, default and meaning.
//!
//! `weir/tests/settings_doc.rs` holds the document to the settings types, so that what is made from the
//! document (`weir show`, the JSON Schema of `weir schema`) is true of the types as well.

mod cells;
mod links;
mod schema;
mod tables;

pub use cells::{backticked, parts};
pub use links::{Form, Link};
pub use schema::schema;
pub use tables::{Row, TableId, TableOfSettings, tables};

/// The whole document. The file here is a link to it: a source package holds what is below each crate.
pub const TEXT: &str = include_str!("settings.md");
