//! Asks `explain` and the edge itself a hundred questions, over HTTP/1 and HTTP/2: they must agree, or what
//! people are told about their site is wrong.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::{Http2, Response, Stack, both_topologies};

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]

[[edge.site]]
server_name = ["localhost"]
root = "$DIR"

[[edge.site.location]]
match = "/files/"
alias = "$DIR/"
[[edge.site.location]]
match = "/internal/"
pool = "app"
internal = true
[[edge.site.location]]
match = "/uncached/"
pool = "app"
[[edge.site.location]]
match = "/small/"
pool = "app"
max_body = "10B"
cache = { ttl = "600s" }
[[edge.site.location]]
match = "/get/"
pool = "app"
cache = { ttl = "600s", methods = ["GET"] }
[[edge.site.location]]
match = "/obeys/"
pool = "app"
cache = { ttl = "600s", honour_request = true }
[[edge.site.location]]
match = "/often/"
pool = "app"
cache = { ttl = "600s", min_uses = 3 }
[[edge.site.location]]
match = "/brief/"
pool = "app"
cache = { ttl = "1s", stale_while_revalidate = "600s", honour_request = true }
[[edge.site.location]]
match = "/over/"
pool = "app"
cache = { ttl = "1s", stale_while_revalidate = "0s", stale_if_error = "0s" }
[[edge.site.location]]
match = "/tiny/"
pool = "app"
cache = { ttl = "600s", max_object = "10B" }
[[edge.site.location]]
match = "/dead/"
pool = "dead"
cache = { ttl = "600s" }
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "600s"
stale_while_revalidate = "600s"
ignore_query = ["utm_*"]
bypass = { query = ["draft"], cookie = ["preview"] }
no_store = { query = ["once"] }
cookies = { split = ["theme"] }
fields = { split = ["X-Edition"] }

[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[[wsgi_adapter.pool]]
name = "dead"
servers = ["127.0.0.1:$PORT"]
"#;

/// Method and target, fields, the length of the body, the verdict and why. `$` in a target is the protocol's
/// own, so that each asks for pages in the state of the table.
type Row = (&'static str, &'static [(&'static str, &'static str)], usize, &'static str);

const SESSION: (&str, &str) = ("Cookie", "sessionid=a");
const TRACKED: (&str, &str) = ("Cookie", "_ga=1");
const BASIC: (&str, &str) = ("Authorization", "Basic eA==");
const ONLY: (&str, &str) = ("Cache-Control", "only-if-cached");

const TABLE: &[Row] = &[
    // Files, and answers of the edge's own.
    ("GET /files/file.txt", &[], 0, "file"),
    ("HEAD /files/file.txt", &[], 0, "file"),
    ("GET /files/file.txt", &[("Range", "bytes=0-1")], 0, "file"),
    ("GET /get", &[], 0, "redirect: 301"),
    ("GET /internal/count/a", &[], 0, "refused: 404"),
    ("HEAD /internal/count/a", &[], 0, "refused: 404"),
    ("POST /internal/count/a", &[], 5, "refused: 404"),
    ("GET /internal/count/a", &[SESSION], 0, "refused: 404"),
    ("GET /count/%zz", &[], 0, "refused: 400"),
    ("GET /../a", &[], 0, "refused: 400"),
    ("PURGE /count/fresh$", &[], 0, "refused: 405"),
    // Bodies.
    ("POST /small/count/b", &[], 10, "bypass: request-body"),
    ("POST /small/count/b", &[], 11, "refused: 413"),
    ("PUT /small/count/b", &[], 11, "refused: 413"),
    ("GET /small/count/fresh$", &[], 11, "refused: 413"),
    ("GET /small/count/fresh$", &[], 3, "bypass: request-body"),
    ("GET /small/count/fresh$", &[], 0, "hit"),
    ("POST /uncached/count/b", &[], 3, "bypass"),
    // No cache.
    ("GET /uncached/count/a", &[], 0, "bypass"),
    ("HEAD /uncached/count/a", &[], 0, "bypass"),
    ("GET /uncached/count/a", &[SESSION], 0, "bypass"),
    ("GET /uncached/count/a", &[ONLY], 0, "bypass"),
    // Methods.
    ("GET /count/fresh$", &[], 0, "hit"),
    ("HEAD /count/fresh$", &[], 0, "hit"),
    ("GET /get/count/fresh$", &[], 0, "hit"),
    ("HEAD /get/count/fresh$", &[], 0, "bypass: method"),
    ("HEAD /get/count/none$", &[], 0, "bypass: method"),
    ("HEAD /count/head$", &[], 0, "join"),
    ("POST /count/posted$", &[], 0, "bypass: method"),
    ("POST /count/posted$", &[], 4, "bypass: request-body"),
    ("DELETE /count/posted$", &[], 0, "bypass: method"),
    ("OPTIONS /count/fresh$", &[], 0, "bypass: method"),
    ("OPTIONS /get/count/fresh$", &[], 0, "bypass: method"),
    ("GET /count/fresh$", &[], 0, "hit"),
    // Parts and conditions.
    ("GET /count/fresh$", &[("Range", "bytes=0-0")], 0, "hit"),
    ("GET /count/fresh$", &[("Range", "bytes=90-")], 0, "hit"),
    ("GET /count/fresh$", &[("If-None-Match", "\"x\"")], 0, "hit"),
    ("GET /count/tagged$", &[("If-None-Match", "\"e\"")], 0, "hit"),
    ("GET /count/tagged$", &[("If-Match", "\"x\"")], 0, "hit"),
    ("GET /count/range$", &[("Range", "bytes=0-0")], 0, "join"),
    // Keys.
    ("GET /count/fresh$?utm_source=a", &[], 0, "hit"),
    ("GET /count/fresh$?a=1", &[], 0, "join"),
    ("GET /count/./fresh$", &[], 0, "hit"),
    ("GET //count/fresh$", &[], 0, "join"),
    ("GET /count/%66resh$", &[], 0, "hit"),
    ("GET /count/fresh$", &[("Cookie", "theme=dark")], 0, "join"),
    ("GET /count/fresh$", &[("Cookie", "theme=dark")], 0, "hit"),
    ("GET /count/fresh$", &[("X-Edition", "paper")], 0, "join"),
    ("GET /count/fresh$", &[("X-Edition", "paper")], 0, "hit"),
    ("GET /count/fresh$", &[("Accept-Language", "de")], 0, "hit"),
    ("GET /count/fresh$", &[("User-Agent", "curl/8"), ("Accept", "*/*")], 0, "hit"),
    ("GET /count/varies$", &[("Accept-Language", "de")], 0, "hit"),
    ("GET /count/varies$", &[("Accept-Language", "fr")], 0, "join"),
    // Visitors.
    ("GET /count/fresh$", &[SESSION], 0, "bypass: personal-cookie"),
    ("GET /count/none$", &[SESSION], 0, "bypass: personal-cookie"),
    ("HEAD /count/fresh$", &[SESSION], 0, "bypass: personal-cookie"),
    ("GET /count/public$", &[SESSION], 0, "hit"),
    ("GET /count/fresh$", &[("Cookie", "unheard-of=1")], 0, "bypass: personal-cookie"),
    ("GET /count/fresh$", &[TRACKED], 0, "hit"),
    ("GET /count/tracked$", &[TRACKED], 0, "join"),
    ("GET /count/fresh$", &[BASIC], 0, "bypass: authorization"),
    ("GET /count/public$", &[BASIC], 0, "hit"),
    ("GET /count/fresh$", &[("X-Tenant", "a")], 0, "bypass: personal-field"),
    ("GET /count/none$", &[("X-Api-Key", "a")], 0, "bypass: personal-field"),
    // Rules.
    ("GET /count/fresh$?draft=1", &[], 0, "bypass: bypass"),
    ("GET /count/fresh$", &[("Cookie", "preview=1")], 0, "bypass: bypass"),
    ("GET /count/new$?once=1", &[], 0, "bypass: no-store-rule"),
    ("GET /count/new$?once=1", &[], 0, "bypass: no-store-rule"),
    ("GET /often/count/a$", &[], 0, "bypass: min-uses"),
    ("HEAD /often/count/a$", &[], 0, "bypass: min-uses"),
    ("GET /often/count/a$", &[SESSION], 0, "bypass: personal-cookie"),
    ("GET /often/count/a$", &[], 0, "join"),
    ("GET /often/count/a$", &[], 0, "hit"),
    // Age, and what purges did.
    ("GET /brief/count/stale$", &[], 0, "stale"),
    ("GET /brief/count/stale2$", &[("Range", "bytes=0-0")], 0, "stale"),
    ("HEAD /brief/count/stale3$", &[], 0, "stale"),
    ("GET /brief/count/stale4$", &[ONLY], 0, "stale"),
    ("GET /brief/count/stale5$", &[("Cache-Control", "max-age=3600")], 0, "revalidate: request-directive"),
    ("GET /over/count/over$", &[], 0, "join"),
    ("GET /count/purged$", &[], 0, "join"),
    ("GET /count/purged$", &[], 0, "hit"),
    ("GET /count/soft$", &[], 0, "stale"),
    ("GET /obeys/count/purged$", &[ONLY], 0, "nothing-stored: only-if-cached"),
    // What the reply says.
    ("GET /count/none$", &[], 0, "join"),
    ("GET /count/none$", &[], 0, "hit"),
    ("GET /count/kept$?h=Cache-Control:private", &[], 0, "join: private"),
    ("GET /count/kept$?h=Cache-Control:no-store", &[], 0, "join: no-store"),
    ("GET /count/kept$?h=Set-Cookie:a%3Db", &[], 0, "join: set-cookie"),
    ("GET /count/kept$?h=Set-Cookie:a%3Db", &[SESSION], 0, "bypass: personal-cookie"),
    ("GET /count/kept$?h=Vary:*", &[], 0, "join: vary-star"),
    ("GET /count/kept$?status=500", &[], 0, "join: status"),
    ("GET /count/kept$?status=404", &[], 0, "join: no-freshness"),
    ("GET /tiny/count/kept$?size=11", &[], 0, "join: too-large"),
    ("GET /tiny/count/kept$?size=10", &[], 0, "join"),
    ("GET /dead/count/kept$", &[], 0, "join: origin-failed"),
    ("GET /dead/count/kept$", &[SESSION], 0, "bypass: personal-cookie"),
    ("GET /count/asks$", &[], 0, "revalidate: no-cache"),
    ("HEAD /count/asks$", &[], 0, "revalidate: no-cache"),
    // What the request wants.
    ("GET /count/fresh$", &[("Cache-Control", "no-cache")], 0, "hit"),
    ("GET /count/fresh$", &[("Pragma", "no-cache")], 0, "hit"),
    ("GET /count/only$", &[ONLY], 0, "join"),
    ("GET /obeys/count/fresh$", &[ONLY], 0, "hit"),
    ("GET /obeys/count/none$", &[ONLY], 0, "nothing-stored: only-if-cached"),
    ("HEAD /obeys/count/none$", &[ONLY], 0, "nothing-stored: only-if-cached"),
    ("GET /obeys/count/fresh$", &[ONLY, SESSION], 0, "nothing-stored: only-if-cached"),
    ("GET /obeys/count/fresh$", &[("Cache-Control", "max-age=3600")], 0, "hit"),
    ("GET /obeys/count/fresh$", &[("Cache-Control", "no-store")], 0, "hit"),
    ("GET /obeys/count/new$", &[("Cache-Control", "no-store")], 0, "bypass: request-no-store"),
    ("GET /obeys/count/fresh$", &[("Cache-Control", "no-cache")], 0, "revalidate: request-directive"),
    ("GET /obeys/count/fresh$", &[("Pragma", "no-cache")], 0, "revalidate: request-directive"),
    ("GET /obeys/count/fresh$", &[("Cache-Control", "min-fresh=6000")], 0, "revalidate: request-directive"),
];

/// Stored beforehand.
const STORED: &[&str] = &[
    "/small/count/fresh",
    "/count/fresh",
    "/get/count/fresh",
    "/obeys/count/fresh",
    "/count/tagged",
    "/count/public",
    "/count/purged",
    "/count/soft",
    "/count/asks",
    "/obeys/count/purged",
    "/brief/count/stale",
    "/brief/count/stale2",
    "/brief/count/stale3",
    "/brief/count/stale4",
    "/brief/count/stale5",
    "/over/count/over",
];

fn prepare(stack: &Stack, protocol: &str) {
    fs::write(stack.directory().join("file.txt"), "a file").unwrap();
    for (name, parameters) in [
        ("tagged", "etag=e"),
        ("public", "h=Cache-Control:public,max-age%3D600"),
        ("asks", "h=Cache-Control:no-cache&etag=e"),
        ("varies", "h=Vary:Accept-Language"),
    ] {
        stack.oracle.set(&format!("{name}{protocol}"), parameters);
    }
    stack.get_with(&format!("/count/varies{protocol}"), &[("Accept-Language", "de")]).expect(200);
    for target in STORED {
        stack.get(&format!("{target}{protocol}")).expect(200).expect_cache(&["stored"]);
    }
    let url = |target: &str| format!("http://localhost{target}{protocol}");
    let hard = json!({"urls": [url("/count/purged"), url("/obeys/count/purged")]});
    let soft = json!({"urls": [url("/count/soft")], "soft": true});
    for purge in [hard, soft] {
        stack.ask_admin("POST", "/api/v1/purge", &purge.to_string()).expect(200);
    }
}

/// What `explain` says: "bypass: personal-cookie", "refused: 404".
fn explained(stack: &Stack, method: &str, target: &str, fields: &[(String, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let question = json!({"url": format!("http://localhost{target}"), "method": method, "fields": fields});
    let answer = stack.ask_admin("POST", "/api/v1/explain", &question.to_string()).expect(200).json();
    let word = answer["verdict"].as_str().unwrap();
    match (&answer["reason"], &answer["status"]) {
        (Value::String(reason), _) => format!("{word}: {reason}"),
        (_, Value::Number(status)) => format!("{word}: {status}"),
        _ => word.to_owned(),
    }
}

/// What the edge did, by what it answered. A request that bypasses the cache and one whose reply is not
/// stored look alike from outside.
fn done(response: &Response) -> String {
    let parameters: Vec<_> = response.cache_status().split(';').map(str::trim).collect();
    let parameter = |name: &str| {
        let found = parameters.iter().find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
        found.map(|value| value.trim_matches('"').split(':').next().unwrap().to_owned())
    };
    let has = |word: &str| parameters.contains(&word);
    match (response.status, parameter("fwd"), parameter("detail")) {
        (504, None, Some(reason)) => format!("nothing-stored: {reason}"),
        (_, Some(_), Some(reason)) if matches!(&*reason, "no-cache" | "request-directive") => {
            format!("revalidate: {reason}")
        }
        (_, Some(_), Some(reason)) => format!("forwarded: {reason}"),
        (_, Some(fwd), None) if has("stored") => {
            if fwd == "request" {
                fwd
            } else {
                "join".into()
            }
        }
        (_, None, None) if parameter("ttl").is_some_and(|ttl| ttl.starts_with('-')) => "stale".into(),
        (_, None, None) if has("hit") => "hit".into(),
        (301, None, None) => "redirect: 301".into(),
        (200 | 206, None, None) if response.field("last-modified").is_some() => "file".into(),
        (200, None, None) => "bypass".into(),
        (status, None, None) => format!("refused: {status}"),
        (status, fwd, reason) => format!("{status} {fwd:?} {reason:?}"),
    }
}

/// The verdict as far as [`done`] can see it.
fn visible(verdict: &str) -> String {
    match verdict.split_once(": ") {
        Some(("join" | "bypass", reason)) => format!("forwarded: {reason}"),
        _ => verdict.to_owned(),
    }
}

both_topologies!(explain_and_the_edge_agree, SETTINGS);
fn explain_and_the_edge_agree(stack: &Stack) {
    let mut wrong = Vec::new();
    for protocol in ["-h1", "-h2"] {
        prepare(stack, protocol);
        // The pages of /brief/ and /over/ outlive their second.
        thread::sleep(Duration::from_millis(1500));
        for (line, fields, body, expected) in TABLE {
            let (method, target) = line.split_once(' ').unwrap();
            let target = target.replace('$', protocol);
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            if *body > 0 || method == "POST" {
                fields.push(("Content-Length".into(), body.to_string()));
            }
            let explained = explained(stack, method, &target, &fields);
            let answer = asked(stack, protocol, (method, &target), &fields, *body);
            let done = done(&answer);
            if explained != *expected || done != visible(expected) {
                let fields = &answer.fields.0;
                wrong.push(format!(
                    "{protocol} {line}: expected {expected}, explained {explained}, done {done}: {} {fields:?}",
                    answer.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The edge's own answer.
fn asked(
    stack: &Stack,
    protocol: &str,
    (method, target): (&str, &str),
    fields: &[(String, String)],
    body: usize,
) -> Response {
    let body = vec![b'x'; body];
    if protocol == "-h1" {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        return stack.ask(method, target, &fields, &body);
    }
    let url = format!("http://localhost{target}");
    let request = http::Request::builder().method(method).uri(url);
    let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
    Http2::connect(stack.http()).ask(request.body(()).unwrap(), &body).unwrap()
}
