//! What an admin names as a page or as the beginning of pages: what is below a prefix is below it wherever it
//! was cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| edge::name_pages(text));
