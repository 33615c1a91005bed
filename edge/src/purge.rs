//! Purges made at this edge: what they name, and how they are ordered.
//!
//! A purge goes to one node of each log; the node answers when all edges and nodes have acknowledged it. What
//! a purge matches is decided in `crates/purge`.

pub(crate) mod next_process;
pub(crate) mod order;
pub(crate) mod outcome;
pub(crate) mod pace;
pub(crate) mod recent;
pub(crate) mod target;
