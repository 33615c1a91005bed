//! A stored entry's bytes, as they come back from a store: a miss, or a page that is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cache_node::read_record(bytes));
