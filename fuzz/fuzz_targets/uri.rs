//! Paths, queries and Accept-Encoding: a normal form is its own normal form, no path leads out of its root,
//! and the order of the lines of Accept-Encoding does not matter.
#![no_main]

use http1::accept_encoding::weights;
use http1::{path, uri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(normal) = path::normalise(bytes) {
        assert!(normal.as_bytes().starts_with(b"/") && !path::has_dot_segment(normal.as_bytes()));
        assert!(!normal.as_bytes().windows(2).any(|pair| pair == b"//") && !normal.as_bytes().contains(&0));
        let again = path::resolved(normal.as_bytes()).expect("resolved before");
        assert_eq!(again.as_bytes(), normal.as_bytes());
    }
    for normal in [uri::normal_path, uri::normal_query] {
        if let Some(once) = normal(bytes) {
            assert_eq!(normal(&once).as_deref(), Some(&*once));
        }
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let codings = ["br", "gzip", "zstd"];
    let there = weights(lines.iter().copied(), codings);
    assert!(there.codings.iter().chain([&there.identity]).all(|weight| *weight <= 1000));
    assert_eq!(weights(lines.iter().rev().copied(), codings).codings, there.codings);
});
