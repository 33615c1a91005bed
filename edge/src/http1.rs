//! HTTP/1.1 towards clients: one connection, its requests, and how replies are written.

pub(crate) mod abandon;
pub(crate) mod connection;
mod duplex;
mod joined;
pub(crate) mod linger;
mod send_file;
pub(crate) mod send_hit;
mod tunnel;
mod upload;
pub(crate) mod write;
