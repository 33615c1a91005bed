//! A request of HTTP/2, written as one of HTTP/1 for the one reader of heads: names and values, each ended
//! by NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| edge::read_twin(bytes));
