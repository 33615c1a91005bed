//! The FastCGI wire format in the responder role, sans-io: bytes in, values out. No socket, clock, lock or
//! async; "need more bytes" is a value.
//!
//! A request is written with [`opening`], [`Params`] and [`stdin`]; what the server sends back is read with
//! [`record::Decoder`]. One request per connection, so every record carries the id 1.

mod params;
pub mod record;

pub use params::Params;
pub use record::{opening, stdin};
