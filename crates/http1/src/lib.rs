//! HTTP/1.1 without I/O: strict readers of heads and bodies, of requests and replies. "Need more bytes" is a
//! value, never an error.

pub mod accept_encoding;
pub mod chunked;
pub mod head;
pub mod hop_by_hop;
pub mod octets;
pub mod path;
pub mod repeats;
pub mod reply;
pub mod uri;
pub mod write;
