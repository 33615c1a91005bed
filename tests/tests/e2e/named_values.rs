//! Named values in shared pages: each visitor gets the text that the application has signed for this visitor,
//! as HTML, and nobody another's, whatever way the page takes.

use std::fs;
use std::io::Read;
use std::sync::Barrier;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use http::Request;
use ring::hmac;
use weir_tests::{Client, Http2, Response, Stack, both_topologies};

const KEY: &str = "the key of these tests, which is long enough";
const OLD_KEY: &str = "a key that the application has used before it";

fn settings(topology: &str) -> String {
    // Both topologies may be set up at once.
    let directory = std::env::temp_dir();
    let file = directory.join(format!("weir-values-{}-{}", std::process::id(), topology.replace(':', "-")));
    let new = file.with_extension(format!("{:?}", thread::current().id()));
    fs::write(&new, format!("{KEY}\n{OLD_KEY}\n")).unwrap();
    fs::rename(&new, &file).unwrap();
    format!(
        r#"
listen = [{{ address = "$HTTP", http2 = true }}]
values_key_file = "{}"
# Those who wait longer get a page of their own, which has no places to fill.
timeouts = {{ wait = "60s" }}
[[edge.site]]
server_name = ["localhost"]
compress = true
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/replaced/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[edge.site.location.replace]
texts = [["TITLE", "title"]]
[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "10ms"
stale_while_revalidate = "60s"
"#,
        file.display()
    )
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = (0..=three.len()).map(|at| LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
        text.extend(letters.map(char::from));
    }
    text
}

/// A cookie as an application signs it. `left`: seconds until it expires.
fn cookie(key: &str, name: &str, left: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let payload = base64url(format!("{}\0name\0{name}", now + left).as_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mac = hmac::sign(&key, format!("weir-values\0weir_values\0{payload}").as_bytes());
    format!("weir_values={payload}.{}", base64url(mac.as_ref()))
}

fn visitor(number: usize) -> String {
    // Lengths differ, and HTML takes some of it for something else.
    format!("Ann{number} <{}>", "&x".repeat(number))
}

/// The text that the page greets, in the attribute and in the paragraph alike.
#[track_caller]
fn greeted(response: &Response) -> String {
    let (mut plain, coded) = (Vec::new(), &response.body[..]);
    match response.field("content-encoding") {
        None => plain.extend_from_slice(coded),
        Some("gzip") => drop(flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap()),
        Some(other) => panic!("a name was put into {other}"),
    }
    let page = String::from_utf8(plain).unwrap();
    let (_, rest) = page.split_once("<p title='").unwrap();
    let (title, rest) = rest.split_once("'>Hello ").unwrap();
    assert_eq!(rest.strip_suffix("</p>"), Some(title), "{page}");
    if let Some(length) = response.field("content-length") {
        assert_eq!(length, response.body.len().to_string());
    }
    assert_eq!(response.field("cache-control"), Some("private, no-cache"));
    assert!(response.field("vary").unwrap_or_default().contains("Cookie"));
    for name in ["weir-holes", "etag", "last-modified"] {
        assert_eq!(response.field(name), None);
    }
    let text = title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    assert!(!title.contains(['<', '>', '"', '\'']), "{title}");
    text
}

fn hello(client: &mut Client, target: &str, cookie: &str, more: &[(&str, &str)]) -> Response {
    let fields = [&[("Cookie", cookie)], more].concat();
    client.ask("GET", target, &fields, b"").expect(200)
}

both_topologies!(a_page_whose_body_is_changed_is_still_for_one_visitor, settings(module_path!()));
fn a_page_whose_body_is_changed_is_still_for_one_visitor(stack: &Stack) {
    for number in [0, 1, 0] {
        let signed = cookie(KEY, &visitor(number), 60);
        for coding in ["", "gzip", "br"] {
            let target = "/replaced/count/changed?body=html-with-values&etag=v1";
            let reply = hello(&mut stack.connect(), target, &signed, &[("Accept-Encoding", coding)]);
            assert_eq!(greeted(&reply), visitor(number), "{coding} {reply:?}");
        }
    }
    assert_eq!(stack.oracle.calls("changed"), 1);
}

both_topologies!(each_visitor_is_greeted_by_the_own_name, settings(module_path!()));
fn each_visitor_is_greeted_by_the_own_name(stack: &Stack) {
    for (name, shape) in
        [("whole", ""), ("pieces", "&chunks=7"), ("unknown", "&nolength=1&chunks=9"), ("long", "&fill=90000")]
    {
        let target = format!("/count/{name}?body=html-with-values&fill=3000&etag=v1{shape}");
        for round in 0..2 {
            for coding in ["", "gzip", "br", "zstd", "gzip, br, zstd"] {
                for number in 0..4 {
                    let signed = cookie(KEY, &visitor(number), 60);
                    let fields = [("accept-encoding", coding)];
                    let first = hello(&mut stack.connect(), &target, &format!("_ga=1; {signed}"), &fields);
                    let request = Request::get(format!("http://localhost{target}"))
                        .header("accept-encoding", coding)
                        .header("cookie", &signed);
                    let second = Http2::connect(stack.http()).ask(request.body(()).unwrap(), b"").unwrap();
                    for response in [first, second] {
                        assert_eq!(greeted(&response), visitor(number), "{name} {coding} {number}");
                        if round > 0 {
                            let response = response.expect_cache(&["hit"]);
                            let is_coded = coding.contains("gzip");
                            assert_eq!(response.field("content-encoding").is_some(), is_coded, "{coding}");
                            assert!(response.field("content-length").is_some());
                        }
                    }
                }
            }
        }
        assert!(stack.oracle.calls(name) <= 2, "{}", stack.oracle.calls(name));
    }
}

both_topologies!(what_was_not_signed_is_never_filled, settings(module_path!()));
fn what_was_not_signed_is_never_filled(stack: &Stack) {
    let target = "/count/forged?body=html-with-values";
    let good = cookie(KEY, "Ann", 60);
    let (payload, mac) = good.strip_prefix("weir_values=").unwrap().split_once('.').unwrap();
    let eve = cookie(KEY, "Eve", 60);
    let (other, _) = eve.strip_prefix("weir_values=").unwrap().split_once('.').unwrap();
    let mut client = stack.connect();
    assert_eq!(greeted(&hello(&mut client, target, &good, &[])), "Ann");
    assert_eq!(greeted(&hello(&mut client, target, &cookie(OLD_KEY, "Ann", 60), &[])), "Ann");
    for forged in [
        "_ga=1".to_owned(),
        "weir_values=Ann".to_owned(),
        cookie("some other key, which is long enough too", "Ann", 60),
        cookie("", "Ann", 60),
        cookie(KEY, "Ann", -1),
        cookie(KEY, "Ann", 0),
        format!("weir_values={other}.{mac}"),
        format!("weir_values={payload}.{}", &mac[1..]),
        format!("weir_values={payload}."),
        format!("{good}; weir_values=x"),
        good.replace("weir_values=", "_ga="),
    ] {
        let reply = hello(&mut client, target, &forged, &[]).expect_cache(&["hit"]);
        assert_eq!(greeted(&reply), "<friend>", "{forged}");
    }
    // HEAD tells the length that GET has; conditions and ranges are not about what this visitor holds.
    for number in 0..3 {
        let signed = cookie(KEY, &visitor(number), 60);
        let whole = hello(&mut client, target, &signed, &[]);
        let head = client.ask("HEAD", target, &[("Cookie", &signed)], b"").expect(200);
        assert_eq!(head.field("content-length"), Some(whole.body.len().to_string().as_str()));
        assert!(head.body.is_empty());
        for condition in [("If-None-Match", "*"), ("Range", "bytes=0-9")] {
            assert_eq!(greeted(&hello(&mut client, target, &signed, &[condition])), visitor(number));
        }
    }
    assert_eq!(stack.oracle.calls("forged"), 1);
}

both_topologies!(those_who_wait_and_those_who_get_stale_pages_have_their_own_names, settings(module_path!()));
fn those_who_wait_and_those_who_get_stale_pages_have_their_own_names(stack: &Stack) {
    const VISITORS: usize = 12;
    for (name, more) in
        [("collapsed", ""), ("streamed", "&chunks=40&gap=3&nolength=1"), ("sized", "&chunks=9&gap=5")]
    {
        let target = format!("/count/{name}?body=html-with-values&fill=3000&hold=1{more}");
        let together = Barrier::new(VISITORS);
        thread::scope(|scope| {
            let (together, target) = (&together, &target);
            let visitors: Vec<_> = (0..VISITORS)
                .map(|number| {
                    scope.spawn(move || {
                        let mut client = stack.connect();
                        together.wait();
                        let coding = ["", "gzip", "br", "gzip, zstd"][number % 4];
                        let signed = cookie(KEY, &visitor(number), 60);
                        let reply = hello(&mut client, target, &signed, &[("Accept-Encoding", coding)]);
                        assert_eq!(greeted(&reply), visitor(number), "{reply:?}");
                    })
                })
                .collect();
            stack.oracle.wait_for_calls(name, 1);
            stack.oracle.release_all(name);
            visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
        });
        assert!(stack.oracle.calls(name) <= 2, "{name}: {}", stack.oracle.calls(name));
    }
    let mut client = stack.connect();
    for number in 0..20 {
        let signed = cookie(KEY, &visitor(number % 5), 60);
        let reply = hello(&mut client, "/short/count/stale?body=html-with-values", &signed, &[]);
        assert_eq!(greeted(&reply), visitor(number % 5), "{reply:?}");
    }
}
