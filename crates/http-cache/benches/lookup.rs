//! What a hit costs here: the policy's look at a request, the stored page's lifetime and variant, conditions,
//! Cache-Status.
//!
//! `cargo bench -p http-cache`; a plain stopwatch, since only the order of magnitude matters: 2 µs at most.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_cache::cache_status::{CacheOutcome, CacheStatus};
use http_cache::conditional::{Role, SelectedRepresentation, evaluate};
use http_cache::{Policy, QueryRules, ReplyParts, RequestParts, TargetUri, Use, Verdict, vary};

/// The best of many short batches: the others were disturbed.
const BATCHES: u32 = 400;
const ROUNDS: u32 = 500;

/// As a browser sends them.
const REQUEST: &[(&str, &str)] = &[
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de-CH,de;q=0.8,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    (
        "cookie",
        "_ga=GA1.1.123.456; _ga_ABC=GS1.1.789; django_language=de; csrftoken=abcdef; OptanonConsent=x",
    ),
    ("referer", "https://www.example.com/"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("upgrade-insecure-requests", "1"),
    ("if-none-match", "\"other\""),
];

fn main() {
    let policy = Policy {
        query: QueryRules { ignore: globs(&["utm_*", "fbclid", "gclid"]), ..QueryRules::default() },
        ..Policy::default()
    };
    let request_headers = headers(REQUEST);
    let request = RequestParts {
        method: &Method::GET,
        scheme: "https",
        authority: "www.example.com",
        path: b"/news/2026/11/23/article-about-something",
        query: Some(b"page=2&utm_source=newsletter"),
        headers: &request_headers,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let reply_headers = twenty_fields();
    let reply = ReplyParts {
        status: StatusCode::OK,
        headers: &reply_headers,
        authorization: false,
        personal: false,
        request_time: SystemTime::UNIX_EPOCH,
    };
    let Verdict::Store(lifetime) = policy.reply(&reply, SystemTime::UNIX_EPOCH) else { return };
    let selected = vary::selected(&lifetime.vary, &policy.outgoing(&request).headers);
    let mut key = Vec::with_capacity(256);

    measure("hit: key, variant, lifetime, conditions, Cache-Status", || {
        key.clear();
        let look = policy.look(black_box(&request), &mut key);
        let age = Duration::from_millis(300);
        let usable =
            look.is_ok_and(|look| look.may_use(&lifetime) && look.wants.use_at(&lifetime, age) == Use::Fresh);
        let mine = vary::matches(&lifetime.vary, &selected, &request_headers);
        let page = SelectedRepresentation {
            status: StatusCode::OK,
            headers: black_box(&reply_headers),
            length: 20_000,
            received: SystemTime::UNIX_EPOCH,
            role: Role::Cache,
        };
        let answer = evaluate(&Method::GET, &request_headers, &page);
        let status = CacheStatus { ttl: Some(lifetime.ttl_at(age)), ..CacheStatus::new(CacheOutcome::Hit) };
        black_box((usable, mine, answer, status.to_value(), &key));
    });
    measure("key alone", || {
        key.clear();
        let cookies = request_headers.get_all("cookie").iter().map(HeaderValue::as_bytes);
        let RequestParts { authority, path, query, .. } = request;
        let target = TargetUri { scheme: "https", authority, path, query: black_box(query) };
        let _ = black_box(policy.key(target, cookies, &mut key));
    });
    measure("miss: what the application may see", || {
        black_box(policy.outgoing(black_box(&request)));
    });
    measure("store: verdict", || {
        black_box(policy.reply(black_box(&reply), SystemTime::UNIX_EPOCH));
    });
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
fn measure(what: &str, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..BATCHES {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        best = best.min(start.elapsed());
    }
    println!("{:>6} ns  {what}", best.as_nanos() / u128::from(ROUNDS));
}

fn twenty_fields() -> HeaderMap {
    let mut reply = headers(&[
        ("content-type", "text/html; charset=utf-8"),
        ("vary", "Accept-Language, Cookie, Accept-Encoding"),
        ("etag", "\"0123456789abcdef\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("cache-control", "max-age=60, stale-while-revalidate=30"),
        ("content-language", "de"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ]);
    for n in reply.len()..20 {
        if let Ok(name) = HeaderName::try_from(format!("x-field-{n}")) {
            reply.insert(name, HeaderValue::from_static("a value of some length"));
        }
    }
    reply
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn globs(patterns: &[&str]) -> Vec<http_cache::Glob> {
    patterns.iter().filter_map(|pattern| http_cache::Glob::new(pattern).ok()).collect()
}
