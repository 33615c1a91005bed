//! Listeners: bind addresses, accept and bound connections, offer TLS.
//!
//! `listeners` binds the sockets, `accept` finds out what each client speaks, `crowd` counts connections and
//! gives each client a share, `floor` says where that runs: on all threads, or on each core separately
//! (`cores`, for `runtime = "per_core"`). `generation` is what a reload replaces, and `tls` chooses the
//! certificate. `parking` keeps connections that are idle.

pub(crate) mod accept;
mod cores;
pub(crate) mod crowd;
pub(crate) mod floor;
pub(crate) mod generation;
pub(crate) mod listeners;
mod open_socket;
mod parking;
pub(crate) mod proxy_protocol;
pub(crate) mod room;
mod seat;
pub(crate) mod tls;
