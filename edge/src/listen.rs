//! Listeners: bind addresses, accept and bound connections, offer TLS.
//!
//! `listeners` binds the sockets, `accept` counts connections and finds out what each client speaks, `cores`
//! accepts on each core separately (`runtime = "per_core"`), and `tls` chooses the certificate.

pub(crate) mod accept;
pub(crate) mod cores;
pub(crate) mod listeners;
mod proxy_protocol;
pub(crate) mod room;
pub(crate) mod tls;
