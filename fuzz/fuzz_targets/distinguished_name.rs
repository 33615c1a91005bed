//! The name in a client's certificate, which variables and fields may hold: one line of ASCII, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| edge::read_name(bytes));
