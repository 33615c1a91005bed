//! The field Weir-Holes (a structured field), and a page whose marks are replaced: no cut changes the page.
//! The first line is the field; the page follows, with the marks in it where it says `@`.
#![no_main]

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_cache::holes::filler::Filler;
use http_cache::holes::{Holes, Mark, WEIR_HOLES};
use libfuzzer_sys::fuzz_target;

/// Two that begin alike, for those which a field does not name.
const DECLARED: &str = "csrf;mark=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\";cookie=\"c\", \
                        csrf;mark=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\";cookie=\"d\"";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (field, page) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let holes = HeaderValue::from_bytes(field).ok().and_then(declared);
    let Some(holes) = holes.or_else(|| declared(HeaderValue::from_static(DECLARED))) else {
        panic!("no holes")
    };
    let marks: Vec<Mark> = holes.iter().map(|hole| hole.mark.clone()).collect();
    let mut marked = Vec::new();
    for (number, piece) in page.split(|byte| *byte == b'@').enumerate() {
        if number > 0 {
            marked.extend_from_slice(marks[number % marks.len()].as_bytes());
        }
        marked.extend_from_slice(piece);
    }
    let whole = filled(&marks, &marked, marked.len().max(1));
    for size in [1, 7, 63, 64, 65] {
        assert_eq!(filled(&marks, &marked, size), whole, "in pieces of {size}");
    }
});

fn declared(field: HeaderValue) -> Option<Holes> {
    Holes::of(&HeaderMap::from_iter([(WEIR_HOLES, field)])).ok()?
}

fn filled(marks: &[Mark], page: &[u8], size: usize) -> Vec<u8> {
    let mut filler = Filler::new(marks.iter().map(|mark| (mark.clone(), Bytes::from_static(b"<value>"))));
    let mut out = VecDeque::new();
    page.chunks(size).for_each(|piece| filler.feed(Bytes::copy_from_slice(piece), &mut out));
    filler.end(&mut out);
    out.iter().flatten().copied().collect()
}
