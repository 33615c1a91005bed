//! Purges made at this edge: what they name and how they are ordered.

pub(crate) mod order;
pub(crate) mod target;
