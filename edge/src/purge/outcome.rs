//! How a purge has ended.

use std::collections::BTreeSet;

use serde::Serialize;

/// The result of a purge.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PurgeOutcome {
    /// The purge is complete: nobody serves a page from before it.
    pub complete: bool,
    /// Names of edges and nodes.
    pub acknowledged: BTreeSet<String>,
    /// Names of edges and nodes that may still serve a page from before it.
    pub missing: BTreeSet<String>,
    pub milliseconds: f64,
    /// One plain line for each thing that went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}
