//! What an application sends, as the cache reads it: Cache-Control, targeted fields, dates and ages, Vary,
//! entity tags, cache tags, groups and the references that a POST makes invalid. A line of the input is a
//! field; an empty one begins a second reply.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_cache::{Policy, ReplyParts, RequestParts, Use, Verdict, fields, revalidate, tags};
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

fuzz_target!(|bytes: &[u8]| {
    let mut replies = [HeaderMap::new(), HeaderMap::new()];
    let mut second = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        match (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            (Ok(name), Ok(value)) => drop(replies[second].append(name, value)),
            _ if line.is_empty() => second = 1,
            _ => {}
        }
    }
    let [reply, newer] = &replies;
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    for personal in [false, true] {
        let parts = ReplyParts {
            status: StatusCode::OK,
            headers: reply,
            authorization: personal,
            personal,
            request_time: now,
        };
        let Verdict::Store(lifetime) = POLICY.reply(&parts, now) else { continue };
        assert!(lifetime.use_at(lifetime.age) != Use::Dead, "stored, and dead at once");
        assert!(lifetime.shared || !personal, "one visitor's page is for all");
        let stored = fields::stored_headers(reply, now);
        assert!(!stored.contains_key("set-cookie") && !stored.contains_key("connection"));
        assert!(tags::tags(b"https://h", reply).is_ok());
    }
    if let Some(updated) = revalidate::freshen(reply, newer, true, now) {
        assert_eq!(updated.get("content-type"), reply.get("content-type"));
        assert!(updated.contains_key("date"));
    }
    let mut request = HeaderMap::new();
    let conditional = revalidate::make_conditional(&mut request, &[reply, newer]);
    assert_eq!(conditional, !request.is_empty());
    let post = RequestParts {
        method: &Method::POST,
        scheme: "https",
        authority: "h",
        path: b"/a/b",
        query: Some(b"c"),
        headers: &request,
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    };
    let invalid = POLICY.invalidation(&post, StatusCode::OK, reply);
    for url in invalid.target.iter().chain(&invalid.named) {
        assert!(url.starts_with(b"https://h/"), "another origin's page");
    }
});
