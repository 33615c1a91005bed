//! A compressed reply that is decompressed for its client: no cut changes it, a bomb comes in small pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| edge::decompress(bytes));
