//! Visitors of one URL whom settings lead to different places, or of whom they tell the application different
//! things: none gets the page that was made for another.

use std::net::SocketAddr;

use http::Request;
use weir_tests::{Client, Http2, Response, Stack, both_topologies};

/// Each place tells the application which it is.
const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }, "127.0.0.1:$PORT"]
trusted_proxies = ["127.0.0.1/32"]

[[edge.site]]
server_name = ["localhost"]
default_server = ["$HTTP"]
location = [
  { match = "/", pool = "app", request_fields = [{ set = "X-Place", value = "usual" }], cache = { ttl = "60s", methods = ["GET"], cookies = { ignore = ["beta"] } }, rule = [
    { when = { cookie = { beta = "1" } }, location = "@other" },
    { when = { address = "10.0.0.0/8" }, location = "@other" },
    { when = { header = { User-Agent = "~ mobile" } }, location = "@other" },
  ] },
  { match = "/guarded/", pool = "app", request_fields = [{ set = "X-Place", value = "guarded" }], access = ["allow 10.0.0.0/8", "deny all"], error_page = { "403" = "=200 @other" }, cache = { ttl = "60s" } },
  { match = "@other", pool = "app", request_fields = [{ set = "X-Place", value = "other" }], cache = { ttl = "60s", methods = ["GET"], cookies = { ignore = ["beta"] } } },

  { match = "~ ^/by/(?<whom>[a-z]+)/", pool = "app" },
  { match = "/told/", internal = true, pool = "app", request_fields = [{ set = "X-Whom", value = "$whom" }], cache = { ttl = "60s" } },
  { match = "/rooted/", internal = true, pool = "app", root = "/srv/$whom", request_fields = [{ set = "X-Root", value = "$document_root" }], cache = { ttl = "60s" } },
  { match = "/sent/", internal = true, pool = "app", request_fields = [{ set = "X-Sent", value = "$upstream_http_x_whom" }], cache = { ttl = "60s" } },
  { match = "/hosted/", internal = true, pool = "app", pool_request = { host = "$upstream_http_x_whom" }, cache = { ttl = "60s" } },
]

[[edge.site]]
server_name = ["second.example"]
default_server = ["$PORT"]
location = [{ match = "/", pool = "app", request_fields = [{ set = "X-Place", value = "second" }], cache = { ttl = "60s" } }]
"#;

/// What the application was told: "1 usual" for "1 X-Place=usual".
fn told(response: Response) -> String {
    let text = response.expect(200).text();
    let (number, field) = text.trim().split_once(' ').unwrap();
    format!("{number} {}", field.rsplit('=').next().unwrap())
}

fn ask(at: SocketAddr, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    Client::connect(at).ask(method, target, fields, b"")
}

both_topologies!(the_place_that_a_rule_chooses_has_pages_of_its_own, SETTINGS);
fn the_place_that_a_rule_chooses_has_pages_of_its_own(stack: &Stack) {
    let others: [&[(&str, &str)]; 3] =
        [&[("Cookie", "beta=1")], &[("X-Forwarded-For", "10.1.2.3")], &[("User-Agent", "a mobile thing")]];
    for (number, other) in others.into_iter().enumerate() {
        for first in ["usual", "other"] {
            let target = format!("/count/{first}{number}?body=field:X-Place");
            let told = |fields| told(ask(stack.http(), "GET", &target, fields));
            let in_turn: [(&[_], &str); 2] = match first {
                "usual" => [(&[], "1 usual"), (other, "2 other")],
                _ => [(other, "1 other"), (&[], "2 usual")],
            };
            for _ in 0..2 {
                for (fields, expected) in in_turn {
                    assert_eq!(told(fields), expected, "{target} {fields:?}");
                }
            }
        }
    }
    let mut client = Http2::connect(stack.http());
    for (address, expected) in [("10.1.2.3", "other"), ("192.0.2.1", "usual"), ("10.1.2.3", "other")] {
        let request = Request::get("http://localhost/count/h2?body=field:X-Place");
        let request = request.header("x-forwarded-for", address).body(()).unwrap();
        let told = told(client.ask(request, b"").unwrap());
        assert!(told.ends_with(expected), "{address}: {told}");
    }
}

both_topologies!(who_is_refused_gets_no_page_of_those_who_are_not, SETTINGS);
fn who_is_refused_gets_no_page_of_those_who_are_not(stack: &Stack) {
    let staff: &[_] = &[("X-Forwarded-For", "10.1.2.3")];
    for (target, in_turn) in [
        ("/guarded/count/a?body=field:X-Place", [(staff, "1 guarded"), (&[], "2 other")]),
        ("/guarded/count/b?body=field:X-Place", [(&[], "1 other"), (staff, "2 guarded")]),
    ] {
        for _ in 0..2 {
            for (fields, expected) in in_turn {
                assert_eq!(told(ask(stack.http(), "GET", target, fields)), expected, "{target} {fields:?}");
            }
        }
    }
}

both_topologies!(what_an_earlier_place_has_found_out_tells_pages_apart, SETTINGS);
fn what_an_earlier_place_has_found_out_tells_pages_apart(stack: &Stack) {
    for (page, variable) in [
        ("told/count/t?body=field:X-Whom", "whom"),
        ("rooted/count/r?body=field:X-Root", "root"),
        ("sent/count/s?body=field:X-Sent", "sent"),
        ("hosted/count/h?body=variable:HTTP_HOST", "host"),
    ] {
        for whom in ["ann", "bob", "ann", "bob"] {
            let lead = page.replace('?', "%3F").replace('&', "%26");
            let target = format!("/by/{whom}/count/x?h=X-Accel-Redirect:/{lead}&h=X-Whom:{whom}");
            let told = told(ask(stack.http(), "GET", &target, &[]));
            assert!(told.ends_with(whom), "{variable} of {whom}: {told}");
        }
        let name = page.split(['/', '?']).nth(2).unwrap();
        assert_eq!(stack.oracle.calls(name), 2, "{variable}: a page for each of both");
    }
}

both_topologies!(a_head_says_nothing_of_another_places_page, SETTINGS);
fn a_head_says_nothing_of_another_places_page(stack: &Stack) {
    let target = "/count/head?body=field:X-Place";
    assert_eq!(told(ask(stack.http(), "GET", target, &[])), "1 usual");
    // What this HEAD is told of its own page would make the other one stale.
    stack.oracle.set("head", "size=99&h=X-New:1");
    ask(stack.http(), "HEAD", target, &[("User-Agent", "a mobile thing")]).expect(200);
    let kept = ask(stack.http(), "GET", target, &[]).expect_cache(&["hit"]);
    assert_eq!(kept.field("x-new"), None);
    assert_eq!(told(kept), "1 usual");
}

both_topologies!(hosts_that_no_site_names_have_pages_of_each_listener, SETTINGS);
fn hosts_that_no_site_names_have_pages_of_each_listener(stack: &Stack) {
    let second = SocketAddr::from(([127, 0, 0, 1], stack.port));
    let told_at = |at: SocketAddr| {
        let mut client = Client::connect(at);
        client.send("GET /count/host?body=field:X-Place HTTP/1.1\r\nHost: unknown.example\r\n\r\n");
        told(client.response("GET"))
    };
    for _ in 0..2 {
        assert_eq!((told_at(stack.http()), told_at(second)), ("1 usual".into(), "2 second".into()));
    }
}
