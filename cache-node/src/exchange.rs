//! `Exchange`: one stream is one request's dealings with the cache, from the lookup to the end of a store.

pub(crate) mod flight;
pub(crate) mod lease;
pub(crate) mod look_up;
pub(crate) mod receive;
pub(crate) mod replies;
