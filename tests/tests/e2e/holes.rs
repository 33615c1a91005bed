//! Holes of shared pages: each visitor gets the token of the own secret, and nobody another's, whatever way
//! the page takes.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Barrier;
use std::thread;

use http::Request;
use weir_tests::{Client, Http2, Response, Stack, both_topologies, until};

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
# Those who wait longer get a page of their own.
timeouts = { wait = "60s" }
[[edge.site]]
server_name = ["localhost"]
compress = true
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "10ms"
stale_while_revalidate = "60s"
stale_if_error = "60s"
[[edge.site.location]]
match = "/fields/"
pool = "app"
expires = "1h"
reply_fields = [{ set = "Cache-Control", value = "public, max-age=3600" }]
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/private/"
pool = "app"
"#;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const FORM: &str = "name=\"csrfmiddlewaretoken\" value=\"";

fn place(letter: u8) -> usize {
    LETTERS.iter().position(|known| *known == letter).unwrap_or_else(|| panic!("{letter} is in no token"))
}

/// The secret that a token stands for, as Django reads it.
fn unmasked(token: &str) -> String {
    assert_eq!(token.len(), 64, "{token}");
    let (mask, cipher) = token.as_bytes().split_at(32);
    let letter = |(mask, cipher): (&u8, &u8)| char::from(LETTERS[(place(*cipher) + 62 - place(*mask)) % 62]);
    mask.iter().zip(cipher).map(letter).collect()
}

/// A secret by its number.
fn secret(number: usize) -> String {
    format!("{number:0>4}").repeat(8)
}

fn plain(response: &Response) -> String {
    let (mut plain, coded) = (Vec::new(), &response.body[..]);
    match response.field("content-encoding") {
        None => plain.extend_from_slice(coded),
        Some("gzip") => drop(flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap()),
        Some("br") => drop(brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain).unwrap()),
        Some("zstd") => plain = zstd::stream::decode_all(coded).unwrap(),
        Some(other) => panic!("unknown coding {other}"),
    }
    String::from_utf8(plain).unwrap()
}

/// The tokens of a page, and what else there is of it.
fn taken_apart(page: &str) -> (Vec<String>, String) {
    let mut parts = page.split(FORM);
    let mut rest = parts.next().unwrap().to_owned();
    let mut tokens = Vec::new();
    for part in parts {
        let (token, after) = part.split_once('"').unwrap();
        tokens.push(token.to_owned());
        rest.push_str(after);
    }
    (tokens, rest)
}

/// The secret that the visitor of this page has: all its tokens stand for it. It is in the cookie that came
/// with the page, unless the visitor had it before.
#[track_caller]
fn secret_of(response: &Response, had: Option<&str>) -> String {
    let (tokens, _) = taken_apart(&plain(response));
    assert_eq!(tokens.len(), 2, "{response:?}");
    let secrets: HashSet<_> = tokens.iter().map(|token| unmasked(token)).collect();
    assert_eq!(secrets.len(), 1);
    let secret = secrets.into_iter().next().unwrap();
    match had {
        Some(had) => {
            assert_eq!(secret, had, "another visitor's token");
            assert_eq!(response.field("set-cookie"), None);
        }
        None => {
            let cookie = format!("csrftoken={secret}; Max-Age=31449600; Path=/; SameSite=Lax");
            assert_eq!(response.field("set-cookie"), Some(cookie.as_str()));
        }
    }
    for (name, _) in &response.fields.0 {
        assert!(
            !["weir-holes", "etag", "last-modified", "accept-ranges", "expires"].contains(&name.as_str()),
            "{name}"
        );
    }
    assert_eq!(response.field("cache-control"), Some("private, no-cache"));
    assert!(response.field("vary").unwrap_or_default().contains("Cookie"), "{:?}", response.fields);
    secret
}

fn visit(client: &mut Client, target: &str, number: usize, more: &[(&str, &str)]) -> Response {
    let cookie = format!("_ga=1; csrftoken={}", secret(number));
    let fields = [&[("Cookie", cookie.as_str())], more].concat();
    client.ask("GET", target, &fields, b"")
}

both_topologies!(each_visitor_gets_the_own_token_in_each_coding_and_protocol, SETTINGS);
fn each_visitor_gets_the_own_token_in_each_coding_and_protocol(stack: &Stack) {
    let mut tokens = HashSet::new();
    for (shape, fixed) in
        [("", true), ("&chunks=7", true), ("&nolength=1&chunks=50", false), ("&fill=100000", true)]
    {
        let name = format!("codings{}", shape.len());
        let target =
            format!("/count/{name}?body=html-with-holes&fill=5000&etag=v1&h=Accept-Ranges:bytes{shape}");
        let mut rests = HashSet::new();
        for round in 0..2 {
            for coding in ["", "gzip", "br", "zstd"] {
                for number in 0..3 {
                    let had = (number > 0).then(|| secret(number));
                    let cookie = had.as_ref().map(|had| format!("csrftoken={had}"));
                    let mut fields = vec![("accept-encoding", coding)];
                    fields.extend(cookie.iter().map(|cookie| ("cookie", cookie.as_str())));
                    let first = stack.connect().ask("GET", &target, &fields, b"").expect(200);
                    let mut request = Request::get(format!("http://localhost{target}"));
                    for (name, value) in &fields {
                        request = request.header(*name, *value);
                    }
                    let second = Http2::connect(stack.http()).ask(request.body(()).unwrap(), b"").unwrap();
                    for response in [first, second] {
                        let (page, rest) = taken_apart(&plain(&response));
                        secret_of(&response, had.as_deref());
                        rests.insert(rest);
                        for token in &page {
                            tokens.insert(token.clone());
                        }
                        assert_eq!(page[0], page[1], "one mask in one page, as in Django");
                        // What is stored is kept in pieces of gzip, and in no other coding.
                        let expected = Some(coding).filter(|coding| *coding == "gzip");
                        if round > 0 {
                            assert_eq!(response.field("content-encoding"), expected);
                        }
                        let length = response.field("content-length");
                        if response.field("content-encoding").is_none() && (fixed || round > 0) {
                            assert_eq!(length, Some(response.body.len().to_string().as_str()));
                        }
                        if round > 0 {
                            response.expect_cache(&["hit"]);
                        }
                    }
                }
            }
        }
        let all = stack.get_with(&target, &[("accept-encoding", "gzip, deflate, br, zstd")]).expect(200);
        assert_eq!(all.field("content-encoding"), Some("gzip"));
        assert_eq!(all.field("content-length"), Some(all.body.len().to_string().as_str()));
        assert!(all.body.len() < plain(&all).len() / 4, "{} bytes", all.body.len());
        secret_of(&all, None);
        assert_eq!(rests.len(), 1, "but for the tokens it is one page");
        // One call for each coding that the application may choose.
        assert!(stack.oracle.calls(&name) <= 2, "{}", stack.oracle.calls(&name));
    }
    assert_eq!(tokens.len(), 4 * 2 * 4 * 3 * 2, "a mask of its own each time");
}

both_topologies!(heads_conditions_and_ranges, SETTINGS);
fn heads_conditions_and_ranges(stack: &Stack) {
    let target =
        "/count/heads?body=html-with-holes&etag=v1&h=Accept-Ranges:bytes&h=Cache-Control:public,max-age%3D60";
    let first = visit(&mut stack.connect(), target, 1, &[]).expect(200);
    assert_eq!(secret_of(&first, Some(&secret(1))), secret(1));
    let mut client = stack.connect();
    for (name, value) in [
        ("If-None-Match", "\"v1\""),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT"),
        ("Range", "bytes=0-9"),
        ("Range", "bytes=0-9,20-29"),
        ("Range", "bytes=99999-"),
    ] {
        let whole = visit(&mut client, target, 2, &[(name, value)]).expect(200);
        secret_of(&whole, Some(&secret(2)));
        assert_eq!(whole.body.len(), first.body.len(), "{name}: {value}");
    }
    for (cookie, sets) in
        [("csrftoken=bad", true), ("x=1", true), (&format!("csrftoken={}", secret(3)), false)]
    {
        let head = client.ask("HEAD", target, &[("Cookie", cookie)], b"").expect(200);
        assert_eq!(head.field("content-length"), Some(first.body.len().to_string().as_str()));
        assert_eq!((head.field("set-cookie").is_some(), head.body.len()), (sets, 0), "{cookie}");
        assert_eq!(head.field("cache-control"), Some("private, no-cache"));
    }
    // Before Django 4.1 the cookie held a token.
    let (tokens, _) = taken_apart(&plain(&first));
    let old = client.ask("GET", target, &[("Cookie", &format!("csrftoken={}", tokens[0]))], b"");
    secret_of(&old, Some(&secret(1)));
    assert_eq!(stack.oracle.calls("heads"), 1);
    assert_eq!(stack.oracle.field("heads", 0, "HTTP_WEIR_HOLES").as_deref(), Some("csrf, value, nonce"));
}

both_topologies!(those_who_wait_for_one_page_get_their_own_tokens, SETTINGS);
fn those_who_wait_for_one_page_get_their_own_tokens(stack: &Stack) {
    const VISITORS: usize = 12;
    for (name, more) in [
        ("collapsed", ""),
        ("streamed", "&chunks=40&gap=3&nolength=1"),
        ("public", "&chunks=9&gap=5&h=Cache-Control:public,max-age%3D60"),
    ] {
        let target = format!("/count/{name}?body=html-with-holes&fill=3000&hold=1{more}");
        let together = Barrier::new(VISITORS);
        thread::scope(|scope| {
            let (together, target) = (&together, &target);
            let visitors: Vec<_> = (0..VISITORS)
                .map(|number| {
                    scope.spawn(move || {
                        let mut client = stack.connect();
                        together.wait();
                        let coding = ["", "gzip", "br", "zstd"][number % 4];
                        let reply = visit(&mut client, target, number, &[("Accept-Encoding", coding)]);
                        secret_of(&reply.expect(200), Some(&secret(number)));
                    })
                })
                .collect();
            stack.oracle.wait_for_calls(name, 1);
            stack.oracle.release_all(name);
            visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
        });
        assert!(stack.oracle.calls(name) <= 2, "{name}: {}", stack.oracle.calls(name));
    }
}

both_topologies!(stale_purged_and_refreshed_pages, SETTINGS);
fn stale_purged_and_refreshed_pages(stack: &Stack) {
    let purge = |order: &str| drop(stack.ask_admin("POST", "/api/v1/purge", order).expect(200));
    let mut client = stack.connect();
    let mut number = 0;
    let mut next = |target: &str, word: &str| {
        number += 1;
        let reply = visit(&mut client, target, number, &[]).expect(200).expect_cache(&[word]);
        secret_of(&reply, Some(&secret(number)));
        taken_apart(&plain(&reply)).1
    };
    // On a busy machine a head goes out before it is known that its page is stored.
    let target = "/count/purged?body=html-with-holes";
    let one = next(target, "fwd-status=200");
    assert_eq!(next(target, "hit"), one);
    purge(r#"{"urls": ["http://localhost/count/purged?body=html-with-holes"], "soft": true}"#);
    assert_eq!(next(target, "hit"), one, "stale");
    until("it is made anew", || (next(target, "hit") != one).then_some(()));
    purge(r#"{"all": true}"#);
    let three = next(target, "fwd-status=200");
    assert_eq!(next(target, "hit"), three);
    // Past its lifetime: stale while one request refreshes it, and if the application fails.
    let target = "/short/count/stale?body=html-with-holes";
    next(target, "fwd-status=200");
    for _ in 0..10 {
        next(target, "hit");
    }
    stack.oracle.set("stale", "status=500&body=number");
    for _ in 0..10 {
        next(target, "hit");
    }
    // One that still holds: the application sends no body, and no new holes.
    stack.oracle.set("valid", "etag=v1&body=html-with-holes");
    next("/short/count/valid", "fwd-status=200");
    let calls = stack.oracle.calls("valid");
    until("it was revalidated", || {
        next("/short/count/valid", "hit");
        (stack.oracle.calls("valid") > calls + 2).then_some(())
    });
}

#[test]
fn another_edge_fills_what_the_node_has() {
    let stack = Stack::split(SETTINGS);
    let target = "/count/node?body=html-with-holes&fill=90000";
    secret_of(&visit(&mut stack.connect(), target, 1, &[]).expect(200), Some(&secret(1)));
    let (_edge, at) = stack.another_edge();
    let mut client = Client::connect(at);
    for number in 2..6 {
        let reply = visit(&mut client, target, number, &[("Accept-Encoding", "gzip")]).expect(200);
        secret_of(&reply.expect_cache(&["hit"]), Some(&secret(number)));
    }
    let new = client.ask("GET", target, &[], b"").expect(200);
    secret_of(&new, None);
    assert_eq!(stack.oracle.calls("node"), 1);
}

both_topologies!(what_is_no_hole_stays_private, SETTINGS);
fn what_is_no_hole_stays_private(stack: &Stack) {
    // A token that stands where no hole was declared.
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let reply = stack.get("/count/both?body=html-with-both").expect(200);
        let (tokens, _) = taken_apart(&plain(&reply));
        assert!(seen.insert(tokens[1].clone()), "another visitor's token");
    }
    // What makes no sense cannot be filled.
    let reply = stack.get("/count/odd?body=html&h=Weir-Holes:other").expect(200);
    assert_eq!((reply.field("weir-holes"), stack.oracle.calls("odd")), (None, 1));
    assert!(reply.cache_status().contains("detail=holes"), "{}", reply.cache_status());
    // A visitor cannot say what the edge can fill, nor what there is to fill.
    let declared = format!("csrf;mark=\"{}\";cookie=\"csrftoken\"", "m".repeat(64));
    let fields = [("Weir-Holes", declared.as_str())];
    for target in ["/count/said?body=field:Weir-Holes", "/private/count/said?body=field:Weir-Holes"] {
        let reply = stack.get_with(target, &fields).expect(200);
        let said = if target.starts_with("/private") { "None" } else { "csrf, value, nonce" };
        assert!(reply.text().ends_with(&format!("Weir-Holes={said}\n")), "{}", reply.text());
        assert_eq!(reply.field("set-cookie"), None);
    }
    // A reply for one visitor has holes too, if the page was asked for as a shared one.
    for number in 1..3 {
        let target = "/count/own?body=html-with-holes&h=Cache-Control:private";
        let reply = visit(&mut stack.connect(), target, number, &[]).expect(200);
        let (tokens, _) = taken_apart(&plain(&reply));
        assert!(tokens.len() == 2 && !reply.cache_status().contains("stored"));
    }
}

both_topologies!(settings_do_not_make_it_public, SETTINGS);
fn settings_do_not_make_it_public(stack: &Stack) {
    for _ in 0..2 {
        let reply = stack.get("/fields/count/fields?body=html-with-holes").expect(200);
        secret_of(&reply, None);
    }
}
