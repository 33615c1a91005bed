//! A purge from an edge or from the log in Redis: within its bounds, and it reaches what it names.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cache_node::read_purge(bytes));
