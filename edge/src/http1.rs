//! HTTP/1.1 to clients: one connection, its requests, and how replies are written.
//!
//! `connection` reads heads and sends fast-path hits itself (`send_hit`, `joined`). For other requests it
//! runs the handler, while `duplex` and `upload` move the body up and `write` or `send_file` sends the reply.
//! `abandon` notices clients that leave.

pub(crate) mod abandon;
pub(crate) mod connection;
mod duplex;
mod exchanged;
mod interim;
pub(crate) mod joined;
pub(crate) mod linger;
mod send_file;
pub(crate) mod send_hit;
mod tunnel;
mod upload;
pub(crate) mod write;
