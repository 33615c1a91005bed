//! Listeners: addresses bound, connections accepted and bounded, TLS offered.

pub(crate) mod accept;
pub(crate) mod cores;
pub(crate) mod listeners;
pub(crate) mod tls;
