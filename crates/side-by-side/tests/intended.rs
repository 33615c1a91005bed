//! What is on purpose is named, and only that.
#![allow(clippy::unwrap_used)] // a test that panics has failed

use side_by_side::{Comparison, Probe, Reply};

type Fields = &'static [(&'static str, &'static str)];

fn owned(fields: Fields) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn reply(status: u16, fields: Fields, body: &str) -> Reply {
    Reply { status, fields: owned(fields), body: body.as_bytes().to_vec() }
}

/// What differs, each with the beginning of its name if it is on purpose.
fn found(method: &str, target: &str, asked: Fields, (nginx, weir): (&Reply, Option<&Reply>)) -> Vec<String> {
    let probe = Probe {
        listen: String::new(),
        secure: false,
        method: method.to_owned(),
        host: "a.example".to_owned(),
        target: target.to_owned(),
        fields: owned(asked),
    };
    let comparison =
        Comparison { probe: &probe, nginx: Some(nginx), weir, again: Some(nginx), is_decoded: true };
    let differences = comparison.differences();
    differences.iter().map(|one| format!("{}: {}", one.what, one.intended.unwrap_or("NOT"))).collect()
}

#[test]
fn statuses() {
    let range: Fields = &[("Range", "bytes=0-1")];
    let tags: Fields = &[("If-None-Match", "\"a\""), ("IF-NONE-MATCH", "*")];
    let cases: &[(&str, &str, Fields, u16, u16, &str)] = &[
        ("HEAD", "/a", range, 206, 200, "Range is for GET alone"),
        ("GET", "/a", range, 206, 200, "conditions and ranges"),
        ("GET", "/a", tags, 400, 200, "lists of entity tags"),
        ("GET", "/a", &[("If-None-Match", "*")], 400, 200, "NOT"),
        ("GET", "/a", &[("If-Modified-Since", "x")], 200, 304, "If-Modified-Since"),
        ("GET", "/a", &[], 200, 304, "NOT"),
        ("GET", "/caf\u{e9}", &[], 200, 400, "a path with bytes"),
        ("GET", "/.git/x", &[], 200, 404, "files whose names"),
        ("GET", "/a", &[], 200, 404, "NOT"),
        ("TRACE", "/%00", &[], 400, 405, "a request that is wrong"),
        ("GET", "/a", &[], 400, 405, "NOT"),
    ];
    for (method, target, asked, nginx, weir, name) in cases {
        let (nginx, weir) = (reply(*nginx, &[], "x"), reply(*weir, &[], "x"));
        let found = found(method, target, asked, (&nginx, Some(&weir)));
        assert_eq!(found.len(), 1, "{target}: {found:?}");
        assert!(found[0].starts_with(&format!("status: {name}")), "{method} {target}: {found:?}");
    }
    let answered = reply(200, &[], "x");
    let padded = found("GET", "/", &[("Authorization", "Basic ")], (&answered, None));
    assert!(padded[0].contains("HTTP/2 fields that begin or end"), "{padded:?}");
    assert_eq!(found("GET", "/", &[], (&answered, None)), ["status: NOT"]);
}

#[test]
fn fields() {
    let cases: &[(Fields, Fields, &[&str])] = &[
        (
            &[("expires", "Mon, 30 Nov 2026 00:47:57 GMT")],
            &[("expires", "Mon, 30 Nov 2026 00:47:59 GMT")],
            &[],
        ),
        (
            &[("expires", "Mon, 30 Nov 2026 00:47:57 GMT")],
            &[("expires", "Tue, 01 Dec 2026 00:47:57 GMT")],
            &["expires: NOT"],
        ),
        (&[("cache-control", "max-age=60")], &[("cache-control", "max-age=58")], &[]),
        (&[("cache-control", "max-age=60")], &[("cache-control", "max-age=6")], &["cache-control: NOT"]),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], &[]),
        (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], &["etag: NOT"]),
        (&[("x-a", "1"), ("x-a", "2")], &[("x-a", "2"), ("x-a", "1")], &["x-a: fields of outer places"]),
        (&[("x-a", "1")], &[("x-a", "2")], &["x-a: NOT"]),
        (&[("location", "/a?<b>")], &[("location", "/a?%3Cb%3E")], &["location: characters that must"]),
        (&[("location", "/a")], &[("location", "/b")], &["location: NOT"]),
    ];
    for (nginx, weir, expected) in cases {
        let (nginx, weir) = (reply(200, nginx, "x"), reply(200, weir, "x"));
        let found = found("GET", "/a", &[], (&nginx, Some(&weir)));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(*expected).all(|(found, name)| found.starts_with(name)), "{found:?}");
    }
}

#[test]
fn ports_have_names_wherever_they_stand() {
    let body = [b"caf\xe9 at 40123 and ".as_slice(), b"40123"].concat();
    let reply = Reply { status: 200, fields: vec![("location".into(), "http://a:40123/".into())], body };
    let named = reply.with_port(40123, "PORT");
    assert_eq!(named.field("location").unwrap(), "http://a:PORT/");
    assert_eq!(named.body, b"caf\xe9 at PORT and PORT");
}
