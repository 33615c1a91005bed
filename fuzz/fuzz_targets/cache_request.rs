//! What a client sends, as the cache reads it: host, path, query, cookies, Cache-Control, Accept-Encoding,
//! conditions and ranges. A line of the input is a field; the first is the target.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_cache::conditional::{Answer, Role, SelectedRepresentation, evaluate, headers_for_304};
use http_cache::{FieldLists, FieldRules, Languages, Policy, QueryRules, RequestParts, SharedRequest, vary};
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    query: QueryRules::new(["utm_*", "x"], [], true).unwrap_or_default(),
    fields: FieldRules::new(&FieldLists { split: &["x-key".to_owned()], ..FieldLists::default() })
        .unwrap_or_default(),
    languages: Languages::new(["de", "pt-br", "en"]).unwrap_or_default(),
    honour_request: true,
    ..Policy::default()
});

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    let (mut headers, mut host) = (HeaderMap::new(), String::from("h"));
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        match (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            (Ok(name), _) if name == "host" => host = String::from_utf8_lossy(value).into_owned(),
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => {}
        }
    }
    let parts = |headers| RequestParts {
        method: &Method::GET,
        scheme: "https",
        authority: &host,
        path,
        query,
        headers,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    if let Ok(shared) = POLICY.request(&parts(&headers)) {
        // What the application sees has the same key: nothing that the key ignores is left.
        let seen = &shared.outgoing;
        let target = seen.target.as_ref();
        let at = target.iter().position(|byte| *byte == b'?');
        let (path, query) = (
            &target[..at.unwrap_or(target.len())],
            at.map(|at| &target[at + 1..]).filter(|query| !query.is_empty()),
        );
        let again = RequestParts { path, query, authority: &seen.authority, ..parts(&seen.headers) };
        let Ok(again) = POLICY.request(&again) else { panic!("passed the second time") };
        assert!(query.is_none() || again.key == shared.key, "{:?} {:?}", again.key, shared.key);
        assert!(!again.look.personal && !seen.headers.contains_key("x-forwarded-for"));
        assert_eq!(again.outgoing.headers, seen.headers, "another form of the normal form");
        let spelt = spelt_otherwise(path);
        let upper = host.to_ascii_uppercase();
        let other = RequestParts { path: &spelt, authority: &upper, query, ..parts(&headers) };
        let first = RequestParts { path, query, ..parts(&headers) };
        let key = |parts: &RequestParts<'_>| POLICY.request(parts).map(|shared| shared.key);
        assert_eq!(key(&other), key(&first), "one page has two keys");
        with_a_secret(&shared, &parts(&headers));
    }
    let names: Vec<_> = headers.keys().take(4).cloned().collect();
    assert!(vary::matches(&names, &vary::selected(&names, &headers), &headers));
    for role in [Role::Cache, Role::Origin] {
        let received = UNIX_EPOCH + Duration::from_secs(784_111_777);
        // The page has the validators of the request, so that conditions hold at times.
        let selected =
            SelectedRepresentation { status: StatusCode::OK, headers: &headers, length: 100, received, role };
        match evaluate(&Method::GET, &headers, &selected) {
            Answer::Partial(part) => assert!(part.first <= part.last && part.last < 100),
            Answer::Parts(parts) => {
                assert!(
                    parts.len() > 1 && parts.iter().all(|part| part.first <= part.last && part.last < 100)
                );
                assert!(parts.iter().map(|part| part.len()).sum::<u64>() <= 100, "more than there is");
            }
            Answer::NotModified => drop(headers_for_304(&headers)),
            _ => {}
        }
    }
});

/// The path with its letters written as escapes, each in another way. One that holds what is no escape is
/// taken as it is.
fn spelt_otherwise(path: &[u8]) -> Vec<u8> {
    let is_escape =
        |at: usize| path.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    let mut percents = path.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !percents.all(|(at, _)| is_escape(at)) {
        return path.to_vec();
    }
    let mut spelt = Vec::new();
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = rest.by_ref().take(2).map(u8::to_ascii_lowercase);
                spelt.push(b'%');
                spelt.extend(digits);
            }
            b'a'..=b'm' => spelt.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            b'A'..=b'M' | b'-' => spelt.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => spelt.push(*byte),
        }
    }
    spelt
}

/// A visitor who adds a session or a password to a request is known for it, and the application does not see
/// the session while it makes a page for all.
fn with_a_secret(shared: &SharedRequest, parts: &RequestParts<'_>) {
    let mut headers = parts.headers.clone();
    headers.append("cookie", HeaderValue::from_static("sessionid=secret"));
    headers.append("authorization", HeaderValue::from_static("Basic c2VjcmV0"));
    let Ok(known) = POLICY.request(&RequestParts { headers: &headers, ..*parts }) else { return };
    assert!(known.look.personal && known.look.authorization && known.look.trimmed);
    assert_eq!(known.key, shared.key);
    let cookies = known.outgoing.headers.get_all("cookie").iter();
    assert!(cookies.filter_map(|line| line.to_str().ok()).all(|line| !line.contains("sessionid=secret")));
}
