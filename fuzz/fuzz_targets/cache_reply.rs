//! What an application sends, as the cache reads it: Cache-Control, targeted fields, dates and ages, Vary,
//! entity tags, cache tags, groups and the references that a POST makes invalid. A line of the input is a
//! field; an empty one begins a second reply.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        let verdict = POLICY.reply(&parts, now);
        forbidden(&parts, now, &verdict);
        let Verdict::Store(lifetime) = verdict else { continue };
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
    let conditional = revalidate::make_conditional(&mut request, &[reply, newer], now);
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

/// Fields that come before Cache-Control.
const TARGETED: [&str; 3] = ["x-accel-expires", "weir-cache-control", "cdn-cache-control"];

/// No reply is stored, or for more people, because a field is added that forbids it.
fn forbidden(reply: &ReplyParts<'_>, now: SystemTime, before: &Verdict) {
    let with = |name: &'static str, value: &'static str| {
        let mut headers = reply.headers.clone();
        headers.append(name, HeaderValue::from_static(value));
        POLICY.reply(&ReplyParts { headers: &headers, ..*reply }, now)
    };
    assert!(matches!(with("vary", "*"), Verdict::DoNotStore(_)));
    if !TARGETED.iter().any(|name| reply.headers.contains_key(*name)) {
        assert!(matches!(with("cache-control", "private"), Verdict::DoNotStore(_)));
    }
    for (name, value) in [("set-cookie", "a=b"), ("vary", "cookie"), ("cache-control", "no-cache")] {
        match (before, with(name, value)) {
            (_, Verdict::DoNotStore(_)) => {}
            (Verdict::Store(before), Verdict::Store(after)) => {
                assert!(before.shared || !after.shared, "{name}: {value}");
                assert!(after.ttl <= before.ttl, "{name}: {value}");
            }
            (Verdict::DoNotStore(reason), Verdict::Store(_)) => panic!("{name}: {value} lifts {reason:?}"),
        }
    }
}
