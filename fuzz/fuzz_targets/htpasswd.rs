//! A file of passwords: each of its lines is a user or a mistake. Only hashes that are quick are tried.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| edge::read_passwords(text));
