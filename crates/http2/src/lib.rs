//! The server's half of HTTP/2 (RFC 9113) and HPACK (RFC 7541), from bytes alone: no socket, no clock, no
//! task.
//!
//! A [`Connection`] takes the bytes of a client and gives requests, keeps streams and windows of both
//! directions, and gathers what is to be sent in an [`Outbox`]. Whoever waits for a stream is told through
//! [`Waiters`]. Deadlines and rates are the caller's: [`Counts`] says what there is to judge.

mod closed;
mod connection;
mod error;
mod fields;
mod frame;
mod hpack;
mod message;
mod outbox;
mod settings;
mod stream;

pub use connection::{Arrival, Connection, Counts, Limits};
pub use error::ErrorCode;
pub use fields::FieldList;
pub use hpack::{CompressionError, Decoder, block};
pub use message::{MalformedFields, RequestFields};
pub use outbox::Outbox;
pub use stream::{BodyProgress, LostStream, Waiters};

/// RFC 9113 section 3.4: the client's first bytes.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's header (RFC 9113 section 4.1).
pub const FRAME_HEADER: usize = 9;
