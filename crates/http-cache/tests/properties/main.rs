//! Properties that hold for any input: parsers never panic, keys keep pages apart, and a second
//! implementation agrees.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod any_input;
mod keys;
mod revalidation;
mod second_opinion;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

/// Field lines with the names given and any value that HTTP allows, often made of what parsers look for.
fn fields(names: &'static [&'static str]) -> impl Strategy<Value = HeaderMap> {
    let value = prop_oneof![
        proptest::collection::vec(
            any::<u8>().prop_filter("a field value", |b| *b >= b' ' && *b != 0x7f),
            0..40
        ),
        proptest::collection::vec(
            prop::sample::select(vec![
                "max-age", "s-maxage", "private", "no-cache", "=", "\"", ",", ";", " ", "\\", "1", "0", "-",
                "*", "W/", "\"a\"", "bytes=", "q=", "gzip", "a", "@", ":", "//", "/", "?", "(", ")",
                "\u{e9}",
            ]),
            0..12
        )
        .prop_map(|parts| parts.concat().into_bytes()),
    ];
    proptest::collection::vec((prop::sample::select(names), value), 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    })
}
