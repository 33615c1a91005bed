//! The cache of this edge: L1, fetches under way, fills, revalidation.

pub(crate) mod fill;
pub(crate) mod flights;
pub(crate) mod head_update;
pub(crate) mod l1;
pub(crate) mod page;
pub(crate) mod shared_body;
pub(crate) mod validate;
