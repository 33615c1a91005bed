//! What stands before a connection's first request, as the edge reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| edge::read_proxy_header(bytes));
