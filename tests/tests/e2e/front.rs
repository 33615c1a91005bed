//! What clients may send and what they get for it, where other servers are more lenient, or more patient,
//! than we were.

use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use weir_tests::{Client, Http2, Location, Settings, Stack, both_topologies, once_measured_within, site};

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

fn ask(stack: &Stack, head: &str) -> (Client, weir_tests::Response) {
    let mut client = stack.connect();
    client.send(format!("{head}\r\n\r\n"));
    let response = client.response(head.split(' ').next().unwrap());
    (client, response)
}

both_topologies!(characters_that_clients_do_not_encode_are_encoded_for_the_application, SETTINGS);
fn characters_that_clients_do_not_encode_are_encoded_for_the_application(stack: &Stack) {
    let raw = r#"?filter={"a":2}&b=<c>|^`\&c=é日"#;
    let encoded = "?filter=%7B%22a%22:2%7D&b=%3Cc%3E%7C%5E%60%5C&c=%C3%A9%E6%97%A5";
    for prefix in ["", "/cached"] {
        let (_, seen) = ask(stack, &format!("GET {prefix}/echo-environ{raw} HTTP/1.1\r\nHost: localhost"));
        let seen = seen.expect(200).json();
        assert_eq!(seen["REQUEST_URI"], format!("{prefix}/echo-environ{encoded}"));
        assert_eq!(seen["QUERY_STRING"], encoded[1..]);
    }
    // One page, however it is spelt.
    stack.get(&format!("/cached/echo-environ{encoded}")).expect(200).expect_cache(&["hit"]);
    let (_, again) = ask(stack, &format!("GET /cached/echo-environ{raw} HTTP/1.1\r\nHost: localhost"));
    again.expect(200).expect_cache(&["hit"]);
    let (_, path) = ask(stack, "GET /echo-environ/{a}|b HTTP/1.1\r\nHost: localhost");
    let path = path.expect(200).json();
    assert_eq!(
        (&path["REQUEST_URI"], &path["PATH_INFO"]),
        (&"/echo-environ/%7Ba%7D%7Cb".into(), &"/echo-environ/{a}|b".into())
    );
    // curl sends what it is given; WSGI has bytes as characters of the same number.
    let (_, path) = ask(stack, "GET /echo-environ/é HTTP/1.1\r\nHost: localhost");
    let path = path.expect(200).json();
    assert_eq!(
        (&path["REQUEST_URI"], &path["PATH_INFO"]),
        (&"/echo-environ/%C3%A9".into(), &"/echo-environ/\u{c3}\u{a9}".into())
    );
}

fn strict() -> Settings {
    site([Location::passed("/")]).with("edge.strict_targets", true)
}

both_topologies!(characters_that_must_be_encoded_are_refused_where_settings_say_so, strict());
fn characters_that_must_be_encoded_are_refused_where_settings_say_so(stack: &Stack) {
    for target in [r#"/echo-environ?a={"b"}"#, "/echo-environ/|", "/echo-environ/<"] {
        ask(stack, &format!("GET {target} HTTP/1.1\r\nHost: localhost")).1.expect(400);
    }
    stack.get("/echo-environ?a=%7B").expect(200);
}

both_topologies!(heads_that_are_valid_are_taken, SETTINGS);
fn heads_that_are_valid_are_taken(stack: &Stack) {
    for (name, head) in [
        ("empty Expect", "GET /count/v HTTP/1.1\r\nHost: localhost\r\nExpect:"),
        ("empty port", "GET /count/v HTTP/1.1\r\nHost: localhost:"),
        ("no path", "GET http://localhost?x HTTP/1.1\r\nHost: localhost"),
        (
            "two If-None-Match",
            "GET /count/v HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"a\"\r\nIf-None-Match: \"b\"",
        ),
    ] {
        let (_, response) = ask(stack, head);
        let status = if name == "no path" { 404 } else { 200 };
        assert_eq!(response.status, status, "{name}: {}", response.text());
    }
    let target = "/cached/count/tags?etag=b";
    stack.get(target).expect(200);
    let (_, response) = ask(
        stack,
        &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"a\"\r\nIf-None-Match: \"b\""),
    );
    response.expect(304);
    let seen = ask(stack, "GET http://localhost?x HTTP/1.1\r\nHost: localhost").1;
    assert!(seen.text().contains("no such path"), "{}", seen.text());
}

both_topologies!(heads_that_are_not_valid_are_refused, SETTINGS);
fn heads_that_are_not_valid_are_refused(stack: &Stack) {
    let (_, pri) = ask(stack, "PRI /count/pri HTTP/1.1\r\nHost: localhost");
    pri.expect(405);
    for extension in ["", "b@d", "a=", "a b", "a=\"b\"c"] {
        let mut client = stack.connect();
        client.send(format!(
            "POST /count/ext HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;{extension}\r\nx\r\n0\r\n\r\n"
        ));
        client.response("POST").expect(400);
    }
    let mut two = Http2::connect(stack.http());
    let pri = Request::builder().method("PRI").uri(url(stack, "/count/pri")).body(()).unwrap();
    two.ask(pri, b"").unwrap().expect(405);
    assert_eq!(stack.oracle.names(), [""; 0], "reached the application");
}

fn url(stack: &Stack, path: &str) -> String {
    format!("http://localhost:{}{path}", stack.http().port())
}

const LONG: usize = 6_000_000;

const LONG_PAGES: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
max_object = "1MiB"
"#;

both_topologies!(one_who_reads_nothing_holds_up_nobody_who_joined_the_same_page, LONG_PAGES);
fn one_who_reads_nothing_holds_up_nobody_who_joined_the_same_page(stack: &Stack) {
    let mut round = 0;
    once_measured_within(Duration::from_secs(8), "the page of who joined", || {
        round += 1;
        let (name, mut idle) = (format!("long{round}"), stack.connect());
        let target = format!("/count/{name}?size={LONG}&nolength=1&chunks=60&gap=20");
        idle.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        stack.oracle.wait_for_calls(&name, 1);
        let begun = Instant::now();
        assert_eq!(stack.get(&target).expect(200).body.len(), LONG);
        begun.elapsed()
    });
}

both_topologies!(who_waits_for_a_searched_page_never_gets_a_part_of_it, LONG_PAGES);
fn who_waits_for_a_searched_page_never_gets_a_part_of_it(stack: &Stack) {
    let target = "/count/late?body=html-with-csrf&chunks=10&gap=60&nolength=1";
    thread::scope(|scope| {
        let first = scope.spawn(|| stack.get(target));
        stack.oracle.wait_for_calls("late", 1);
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| stack.get(target))).collect();
        let mut tokens = vec![first.join().unwrap().expect(200).text()];
        tokens.extend(others.into_iter().map(|other| other.join().unwrap().expect(200).text()));
        assert!(tokens.iter().all(|page| page.ends_with("</form>\n")), "{tokens:?}");
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 5, "two got the same token");
    });
}

both_topologies!(a_range_of_a_page_that_is_not_kept_yet_is_answered, SETTINGS);
fn a_range_of_a_page_that_is_not_kept_yet_is_answered(stack: &Stack) {
    let range = |target: &str| stack.connect().ask("GET", target, &[("range", "bytes=100-199")], b"");
    for target in ["/cached/count/kept?size=1000", "/cached/count/own?size=1000&h=Set-Cookie:a%3Db"] {
        let part = range(target).expect(206);
        assert_eq!(
            (part.body.len(), part.field("content-range")),
            (100, Some("bytes 100-199/1000")),
            "{target}"
        );
        let beyond = stack.connect().ask("GET", target, &[("range", "bytes=2000-")], b"");
        assert_eq!(beyond.status, if target.contains("own") { 200 } else { 416 }, "{target}");
    }
    let mut two = Http2::connect(stack.http());
    let request =
        Request::builder().uri(url(stack, "/cached/count/two?size=1000")).header("range", "bytes=-10");
    two.ask(request.body(()).unwrap(), b"").unwrap().expect(206);
    // The page was kept as a whole.
    stack.get("/cached/count/kept?size=1000").expect(200).expect_cache(&["hit"]);
}
