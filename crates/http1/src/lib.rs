//! HTTP/1.1 without I/O: strict readers of heads and chunked bodies. "Need more bytes" is a value, never an error.

pub mod chunked;
pub mod head;
pub mod write;
