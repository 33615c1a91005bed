//! HPACK (RFC 7541): heads as blocks. Reading keeps the client's table; writing keeps none, so that a block
//! may be made anywhere, once for many replies.

pub mod block;
mod decoder;
mod dynamic_table;
mod huffman;
mod huffman_codes;
mod integer;
mod static_table;

pub use decoder::{CompressionError, Decoder};
