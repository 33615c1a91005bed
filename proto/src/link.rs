//! The links between services: gRPC over HTTP/2, on `h2` alone.
//!
//! [`client`] opens a connection to a peer and makes calls, [`server`] answers them. [`body`] is what both do
//! with a message's bytes, and [`gathered`] their socket, which writes once in a turn.

mod body;
mod client;
mod gathered;
mod keep_alive;
mod server;

pub use client::{Channel, ChannelSettings};
pub use server::{LinkSettings, serve};

/// An extension of a call that must not be made twice. Nothing of it but its head is sent before it is
/// certain that the peer will answer; without that, the caller may make it elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct OnceOnly;

/// HPACK makes much of little: what a head may take when it is read.
const MAX_HEAD: u32 = 16 << 10;
/// Bytes that wait for the peer's window, of one stream.
const MAX_SEND_BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests;
