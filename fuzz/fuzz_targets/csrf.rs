//! The search for a CSRF token in a page: no cut changes what it finds, plain or packed.
#![no_main]

use http_cache::csrf::Scanner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Scanner::new();
    let found = whole.feed(bytes);
    assert_eq!(found, whole.reason().is_some());
    for size in [1, 2, 7] {
        let mut pieces = Scanner::new();
        let any = bytes.chunks(size).map(|piece| pieces.feed(piece)).last().unwrap_or(false);
        assert_eq!((any, pieces.reason()), (found, whole.reason()), "in pieces of {size}");
    }
});
