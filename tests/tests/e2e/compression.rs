//! Replies that are compressed on the fly: which, for whom, and that they are the same replies.

use std::fs;
use std::io::Read;
use std::thread;
use std::time::{Duration, SystemTime};

use http::Request;
use weir_tests::{Client, Http2, Nginx, Response, Stack, both_topologies};

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
compress = true
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/off/"
pool = "app"
compress = false
[[edge.site.location]]
match = "/bold/"
pool = "app"
compress = { personal = true, codings = ["gzip"] }
[[edge.site.location]]
match = "/small/"
pool = "app"
compress = { min_length = 0, types = ["*"] }
[[edge.site.location]]
match = "/gunzip/"
pool = "app"
compress = false
gunzip = true
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/files/"
alias = "$DIR/"
"#;

const ALL: &str = "gzip, deflate, br, zstd";

fn ask(stack: &Stack, target: &str, accept: &str) -> Response {
    stack.get_with(target, &[("accept-encoding", accept)])
}

/// The body as the client decodes it.
fn plain(response: &Response) -> Vec<u8> {
    let (mut plain, coded) = (Vec::new(), &response.body[..]);
    if coded.is_empty() {
        return plain;
    }
    match response.field("content-encoding") {
        None => plain = response.body.clone(),
        Some("gzip") => {
            flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap();
        }
        Some("br") => {
            brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain).unwrap();
        }
        Some("zstd") => plain = zstd::stream::decode_all(coded).unwrap(),
        Some(other) => panic!("unknown coding {other}"),
    }
    plain
}

#[track_caller]
fn expect_coded(response: Response, coding: Option<&str>) -> Response {
    let response = response.expect(200);
    assert_eq!(response.field("content-encoding"), coding, "{:?}", response.fields);
    response
}

both_topologies!(a_date_does_not_tell_codings_apart, SETTINGS);
fn a_date_does_not_tell_codings_apart(stack: &Stack) {
    const DATE: &str = "Mon, 01 Jan 2024 00:00:00 GMT";
    let modified = DATE.replace(' ', "%20");
    let named = format!("/cached/count/dated?size=4000&modified={modified}");
    let rest = |target: &str, accept: &str, range: &str| {
        let fields = [("accept-encoding", accept), ("range", range), ("if-range", DATE)];
        stack.get_with(target, &fields)
    };
    // While it is made, and when it is stored.
    for (target, before) in [(named.clone(), false), (format!("{named}&etag=a"), true)] {
        if before {
            ask(stack, &target, "gzip").expect(200);
        }
        for range in ["bytes=20-", "bytes=20-30", "bytes=0-1,20-30"] {
            let whole = rest(&target, "gzip", range).expect(200);
            assert_eq!(whole.field("content-encoding"), Some("gzip"), "{range}");
            assert_eq!((plain(&whole).len(), whole.field("content-range")), (4000, None), "{range}");
            assert!(whole.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
        }
        // Who takes no coding holds none.
        let part = rest(&target, "identity", "bytes=20-").expect(206);
        assert_eq!(part.body.len(), 3980);
    }
    // A part that the application itself cuts is one of the page as it is, too.
    let own = format!("/count/own?size=4000&ranges=1&modified={modified}");
    let whole = rest(&own, "gzip", "bytes=20-").expect(200);
    assert_eq!(whole.field("content-encoding"), Some("gzip"));
    assert_eq!((plain(&whole).len(), whole.field("content-range")), (4000, None));
    for (target, accept) in [(own.clone(), "identity"), (format!("{own}&type=image/png"), "gzip")] {
        let part = rest(&target, accept, "bytes=20-");
        assert_eq!((part.status, part.body.len()), (206, 3980), "{target}: {:?}", part.fields);
    }
    assert_eq!(stack.get_with(&own, &[("accept-encoding", "gzip"), ("range", "bytes=20-")]).status, 206);
}

both_topologies!(each_client_gets_the_coding_that_it_wants_most, SETTINGS);
fn each_client_gets_the_coding_that_it_wants_most(stack: &Stack) {
    for prefix in ["/cached", ""] {
        let target = format!("{prefix}/count/codings?size=20000&etag=v1");
        let known = stack.get(&target).expect(200);
        assert_eq!((known.field("etag"), known.field("vary")), (Some("\"v1\""), Some("Accept-Encoding")));
        for (accept, coding) in [
            (ALL, Some("br")),
            ("gzip", Some("gzip")),
            ("zstd, gzip", Some("zstd")),
            ("gzip, br;q=0.5", Some("gzip")),
            ("gzip;q=0", None),
            ("identity", None),
            ("", None),
        ] {
            for _ in 0..3 {
                let reply = expect_coded(ask(stack, &target, accept), coding);
                let expected = if prefix.is_empty() { reply.body.len() } else { known.body.len() };
                assert_eq!(reply.field("vary"), Some("Accept-Encoding"), "{accept}");
                if coding.is_some() {
                    assert_eq!(reply.field("etag"), Some("W/\"v1\""));
                    assert!(reply.body.len() < 1000, "{} bytes", reply.body.len());
                    assert_eq!(plain(&reply).len(), 20000);
                } else {
                    assert_eq!((reply.field("etag"), reply.body.len()), (Some("\"v1\""), expected));
                }
                if !prefix.is_empty() {
                    assert_eq!(plain(&reply), known.body, "{accept}");
                    reply.expect_cache(&["hit"]);
                }
            }
        }
    }
    let metrics = stack.admin("/metrics").text();
    let used = metrics.lines().find(|line| line.contains("compressed_bytes") && !line.starts_with('#'));
    assert!(used.is_some_and(|line| !line.ends_with(" 0")), "{used:?}");
}

both_topologies!(only_what_suits_is_compressed, SETTINGS);
fn only_what_suits_is_compressed(stack: &Stack) {
    for (target, coded) in [
        ("/count/a?size=5000", true),
        ("/count/b?size=200", false),
        ("/small/count/c?size=200", true),
        ("/count/d?size=5000&type=image/png", false),
        ("/small/count/e?size=5000&type=image/png", true),
        ("/count/f?size=5000&type=application/json", true),
        ("/off/count/g?size=5000", false),
        ("/count/h?size=5000&h=Content-Encoding:br", false),
        ("/count/i?size=5000&h=Cache-Control:no-transform", false),
        ("/count/j?size=5000&h=Set-Cookie:a%3Db", false),
        ("/bold/count/k?size=5000&h=Set-Cookie:a%3Db", true),
        ("/count/l?size=5000&h=Cache-Control:private", false),
        ("/count/m?size=5000&body=html-with-csrf", false),
        ("/bold/count/n?size=5000&body=html-with-csrf", true),
        ("/cached/count/o?size=5000&body=html-with-csrf", false),
        ("/count/p?size=5000&nolength=1", true),
        ("/count/q?size=5000&h=Content-Digest:sha-256%3D:x:", false),
        ("/small/count/r?size=5000&type=text/event-stream", false),
    ] {
        let coding = target.contains("h=Content-Encoding").then_some("br");
        let coding = if coded { Some("gzip") } else { coding };
        for _ in 0..2 {
            let reply = expect_coded(ask(stack, target, "gzip"), coding);
            if coded {
                assert_eq!(plain(&reply).len(), if target.contains("size=200") { 200 } else { 5000 });
            }
        }
    }
    let status = |code: u16| ask(stack, &format!("/count/s?size=5000&status={code}"), "gzip");
    for (code, coding) in [(404, Some("gzip")), (403, Some("gzip")), (500, None), (201, None)] {
        assert_eq!(status(code).field("content-encoding"), coding, "{code}");
    }
    // A client of HTTP/1.0 may not know where a body of unknown length ends, or what a coding is.
    let mut old = stack.connect();
    old.send("GET /count/t?size=5000 HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    expect_coded(old.response("GET"), None);
    let asks = [("accept-encoding", "gzip"), ("cache-control", "no-transform")];
    expect_coded(stack.get_with("/count/u?size=5000", &asks), None);
}

both_topologies!(what_is_one_visitors_own_is_not_compressed, SETTINGS);
fn what_is_one_visitors_own_is_not_compressed(stack: &Stack) {
    for (name, value, coded) in [
        ("cookie", "sessionid=1", false),
        ("cookie", "never-heard-of=1", false),
        ("cookie", "_ga=1", true),
        ("authorization", "Bearer x", false),
    ] {
        for (prefix, coded) in [("", coded), ("/bold", true)] {
            let fields = [("accept-encoding", "gzip"), (name, value)];
            let reply = stack.get_with(&format!("{prefix}/count/own?size=5000"), &fields);
            expect_coded(reply, coded.then_some("gzip"));
        }
    }
}

both_topologies!(conditions_and_ranges_hold, SETTINGS);
fn conditions_and_ranges_hold(stack: &Stack) {
    let target = "/cached/count/conditions?size=5000&etag=v1";
    expect_coded(ask(stack, target, "gzip"), Some("gzip"));
    for _ in 0..2 {
        expect_coded(ask(stack, target, "gzip"), Some("gzip")).expect_cache(&["hit"]);
        for held in ["W/\"v1\"", "\"v1\""] {
            let fields = [("accept-encoding", "gzip"), ("if-none-match", held)];
            let reply = stack.get_with(target, &fields).expect(304);
            assert_eq!(
                (reply.field("etag"), reply.field("vary")),
                (Some("W/\"v1\""), Some("Accept-Encoding"))
            );
        }
        let part = stack.get_with(target, &[("accept-encoding", "gzip"), ("range", "bytes=0-9")]).expect(206);
        assert_eq!((part.body.len(), part.field("content-encoding")), (10, None));
        assert_eq!((part.field("etag"), part.field("vary")), (Some("\"v1\""), Some("Accept-Encoding")));
        let fields = [("accept-encoding", "gzip"), ("range", "bytes=0-9"), ("if-range", "W/\"v1\"")];
        expect_coded(stack.get_with(target, &fields), Some("gzip"));
    }
    let whole = ask(stack, target, "gzip");
    let head = stack.ask("HEAD", target, &[("accept-encoding", "gzip")], b"").expect(200);
    for name in ["content-encoding", "etag", "vary", "content-length", "content-type", "accept-ranges"] {
        assert_eq!(head.field(name), whole.field(name), "{name}");
    }
    let head = stack.ask("HEAD", "/count/head?size=5000", &[("accept-encoding", "gzip")], b"").expect(200);
    assert_eq!((head.field("content-encoding"), head.field("content-length")), (Some("gzip"), None));
}

both_topologies!(a_stream_arrives_as_it_is_sent, SETTINGS);
fn a_stream_arrives_as_it_is_sent(stack: &Stack) {
    for coding in ["gzip", "br", "zstd"] {
        let target =
            format!("/count/stream-{coding}?size=400&nolength=1&chunks=4&hold-body=1&type=application/json");
        let mut client = stack.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let mut reply = client.head().expect(200);
        assert_eq!(reply.field("content-encoding"), Some(coding));
        // The application makes each piece when the one before has come.
        for piece in 1..=4 {
            let chunk = client.chunk().filter(|chunk| !chunk.is_empty());
            reply.body.extend(chunk.unwrap_or_else(|| panic!("{coding}: piece {piece}")));
            stack.oracle.release(&format!("stream-{coding}"), piece);
        }
        while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
            reply.body.extend(chunk);
        }
        assert_eq!(plain(&reply).len(), 400);
    }
}

both_topologies!(files_are_compressed_small_ones_once, SETTINGS);
fn files_are_compressed_small_ones_once(stack: &Stack) {
    let css = "a { color: red }\n".repeat(500);
    let large = "0123456789 abcdef ".repeat(100_000);
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, content) in [("a.css", css.as_bytes()), ("large.txt", large.as_bytes()), ("b.png", &noise)] {
        let path = stack.directory().join(name);
        fs::write(&path, content).unwrap();
        // What changed just now is not kept in memory.
        let before = SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    }
    for round in 0..3 {
        for (accept, coding) in
            [(ALL, Some("br")), ("gzip", Some("gzip")), ("zstd", Some("zstd")), ("", None)]
        {
            let reply = expect_coded(ask(stack, "/files/a.css", accept), coding);
            assert_eq!(plain(&reply), css.as_bytes(), "{accept} {round}");
            let tag = reply.field("etag").unwrap();
            assert_eq!(tag.starts_with("W/"), coding.is_some());
            let held = [("accept-encoding", accept), ("if-none-match", tag)];
            let again = stack.get_with("/files/a.css", &held).expect(304);
            assert_eq!(again.field("etag"), Some(tag));
            let head = stack.ask("HEAD", "/files/a.css", &[("accept-encoding", accept)], b"").expect(200);
            assert_eq!(head.field("content-encoding"), coding);
            assert_eq!(head.field("content-length"), reply.field("content-length"));
        }
    }
    let reply = expect_coded(ask(stack, "/files/large.txt", "gzip"), Some("gzip"));
    assert!(plain(&reply) == large.as_bytes() && reply.body.len() < large.len() / 10);
    expect_coded(ask(stack, "/files/b.png", ALL), None);
}

both_topologies!(who_waits_for_the_same_page_gets_it_coded_too, SETTINGS);
fn who_waits_for_the_same_page_gets_it_coded_too(stack: &Stack) {
    for (name, body) in [("text", "number"), ("html", "html")] {
        let target = format!("/cached/count/waited-{name}?size=60000&delay=500&body={body}");
        let replies: Vec<_> = thread::scope(|scope| {
            let asking: Vec<_> = (0..12)
                .map(|n| {
                    let (accept, target) = ([ALL, "gzip", "zstd", "identity"][n % 4], &target);
                    scope.spawn(move || (accept, ask(stack, target, accept).expect(200)))
                })
                .collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        // A page is fetched once for those who take gzip and once for those who do not.
        let mut pages: Vec<_> = replies.iter().map(|(_, reply)| plain(reply)).collect();
        pages.sort();
        pages.dedup();
        assert!(pages.iter().all(|page| page.len() == 60000) && pages.len() <= 2, "{} pages", pages.len());
        let coded = |(accept, reply): &&(&str, Response)| {
            reply.field("content-encoding").is_none() && *accept != "identity"
        };
        // Who has it made may get it before it is known that it holds no token.
        assert!(replies.iter().filter(coded).count() <= usize::from(body == "html"), "{name}");
        let kept = |(accept, reply): &(&str, Response)| *accept != "identity" || reply.body.len() == 60000;
        assert!(replies.iter().all(kept));
    }
}

both_topologies!(http2_gets_the_same, SETTINGS);
fn http2_gets_the_same(stack: &Stack) {
    let mut two = Http2::connect(stack.http());
    for target in ["/cached/count/two?size=40000&etag=v1", "/count/two?size=40000&nolength=1"] {
        let url = format!("http://localhost:{}{target}", stack.http().port());
        for (accept, coding) in
            [(ALL, Some("br")), ("gzip", Some("gzip")), ("identity", None), (ALL, Some("br"))]
        {
            let request = Request::get(&url).header("accept-encoding", accept).body(()).unwrap();
            let reply = expect_coded(two.ask(request, b"").unwrap(), coding);
            assert_eq!(plain(&reply).len(), 40000, "{accept}");
            assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
        }
    }
}

const LIKE_NGINX: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
alias = "$DIR/"
compress = { codings = ["gzip"], min_length = 20, types = ["text/html", "text/css", "application/json"] }
"#;

/// Fields that must be equal, but for what a table in docs/settings.md names.
const COMPARED: [&str; 4] = ["content-encoding", "content-type", "vary", "etag"];

both_topologies!(nginx_compresses_the_same_replies, LIKE_NGINX);
fn nginx_compresses_the_same_replies(stack: &Stack) {
    let root = stack.directory().to_owned();
    let nginx = Nginx::start(&format!(
        "root {}; gzip on; gzip_vary on; gzip_proxied any; gzip_types text/css application/json;\n\
         types {{ text/html html; text/css css; application/json json; image/png png; }}",
        root.display()
    ));
    for (name, length) in
        [("a.html", 5000), ("b.css", 5000), ("c.json", 300), ("d.png", 5000), ("e.html", 19)]
    {
        fs::write(root.join(name), "<p>x</p>\n".repeat(length / 9 + 1).split_at(length).0).unwrap();
    }
    let mut compared = 0;
    for name in ["a.html", "b.css", "c.json", "d.png", "e.html"] {
        for accept in
            ["gzip", "gzip;q=0", "gzip;q=0.5, br", "deflate", "", "*", "x-gzip", "GZIP", "gzip, *;q=0"]
        {
            for method in ["GET", "HEAD"] {
                let mut clients = [stack.connect(), nginx.connect()];
                let ask = |client: &mut Client| {
                    client.ask(method, &format!("/{name}"), &[("accept-encoding", accept)], b"").expect(200)
                };
                let [ours, theirs] = clients.each_mut().map(ask);
                // nginx takes neither "*" nor "x-gzip" for gzip; RFC 9110 section 12.5.3 does.
                let differs = matches!(accept, "*" | "x-gzip");
                for field in COMPARED {
                    let bare = |reply: &Response| {
                        let value = reply.field(field).unwrap_or("").to_ascii_lowercase();
                        match field {
                            "etag" => value.starts_with("w/").to_string(),
                            _ => value.split(';').next().unwrap_or("").to_owned(),
                        }
                    };
                    if !(differs && matches!(field, "content-encoding" | "etag")) {
                        assert_eq!(bare(&ours), bare(&theirs), "{method} {name} {accept}: {field}");
                    }
                }
                if !differs {
                    assert_eq!(plain(&ours), plain(&theirs), "{method} {name} {accept}");
                }
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 90);
}

both_topologies!(what_is_compressed_for_everybody_is_decompressed_for_some, SETTINGS);
fn what_is_compressed_for_everybody_is_decompressed_for_some(stack: &Stack) {
    let target = "/gunzip/count/a?gzip=1&size=300000&etag=x";
    for round in 0..2 {
        let coded = ask(stack, target, "gzip").expect(200);
        assert_eq!((coded.field("content-encoding"), coded.field("etag")), (Some("gzip"), Some("\"x\"")));
        let varies = |reply: &Response| reply.field("vary").map(str::to_ascii_lowercase);
        assert_eq!(varies(&coded).as_deref(), Some("accept-encoding"));
        let whole = ask(stack, target, "identity").expect(200);
        assert!(round == 0 || whole.cache_status().contains("hit"), "{}", whole.cache_status());
        assert_eq!((whole.field("content-encoding"), whole.field("etag")), (None, Some("W/\"x\"")));
        assert_eq!((varies(&whole).as_deref(), whole.body.len()), (Some("accept-encoding"), 300_000));
        assert!(whole.text().starts_with("2\n....") || whole.text().starts_with("1\n...."));
    }
    // A part of what it would get is no part of what is stored.
    let part = stack.get_with(target, &[("range", "bytes=0-9")]).expect(200);
    assert_eq!(part.body.len(), 300_000);
    let head = stack.ask("HEAD", target, &[("accept-encoding", "br")], b"").expect(200);
    assert_eq!((head.field("content-encoding"), head.field("content-length")), (None, None));
    let mut client = Http2::connect(stack.http());
    let request = Request::get(format!("http://localhost{target}")).body(()).unwrap();
    assert_eq!(client.ask(request, b"").unwrap().expect(200).body.len(), 300_000);
    // What breaks off does not end as if it were whole.
    let mut client = stack.connect();
    client.send("GET /gunzip/count/b?gzip=cut&size=300000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.try_response("GET").is_none_or(|cut| !cut.whole));
}
