//! Which site and location answers a request, as nginx would choose; and files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use weir_tests::{Response, Stack, both_topologies};

/// Each site and location says which it is by the redirect or file it gives: files named `who` in folders of
/// their own.
const SITES: &str = r#"
[[edge.site]]
server_name = ["first.example"]
root = "$DIR/first"
[[edge.site]]
server_name = ["exact.example.com"]
root = "$DIR/exact"
[[edge.site]]
server_name = ["*.example.com"]
root = "$DIR/wildcard"
[[edge.site]]
server_name = ["www.*"]
root = "$DIR/www"
[[edge.site]]
server_name = ["~^shop[0-9]+\\.example\\.net$"]
root = "$DIR/regex"
"#;

fn write(stack: &Stack, path: &str, content: &str) -> PathBuf {
    let file = stack.directory().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    file
}

fn from(stack: &Stack, host: &str, target: &str) -> Response {
    let mut client = stack.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response("GET")
}

both_topologies!(server_names_choose_the_site, SITES);
fn server_names_choose_the_site(stack: &Stack) {
    for site in ["first", "exact", "wildcard", "www", "regex"] {
        write(stack, &format!("{site}/who"), site);
    }
    let cases = [
        ("exact.example.com", "exact"),
        ("EXACT.example.COM:8080", "exact"),
        ("exact.example.com.", "exact"),
        ("a.example.com", "wildcard"),
        ("a.b.example.com", "wildcard"),
        ("www.example.com", "wildcard"),
        ("www.example.org", "www"),
        ("shop12.example.net", "regex"),
        ("shop.example.net", "first"),
        ("example.com", "first"),
        ("unknown.example", "first"),
        ("127.0.0.1", "first"),
    ];
    for (host, site) in cases {
        assert_eq!(from(stack, host, "/who").expect(200).text(), site, "{host}");
    }
}

const LOCATIONS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
alias = "$DIR/slash/"
[[edge.site.location]]
match = "= /exact/who"
alias = "$DIR/equal/who"
[[edge.site.location]]
match = "/images/"
alias = "$DIR/prefix/"
[[edge.site.location]]
match = "^~ /images/raw/"
alias = "$DIR/noregex/"
[[edge.site.location]]
match = "~ \\.gif$"
root = "$DIR/regex"
[[edge.site.location]]
match = "~* \\.(png|gif)$"
root = "$DIR/anycase"
"#;

both_topologies!(the_five_kinds_of_match_choose_the_location, LOCATIONS);
fn the_five_kinds_of_match_choose_the_location(stack: &Stack) {
    for path in
        ["slash/who", "slash/exact/who2", "equal/who", "prefix/who", "prefix/raw.txt", "noregex/a.gif"]
    {
        write(stack, path, path);
    }
    for path in ["regex/images/a.gif", "anycase/images/a.PNG", "anycase/a.GIF"] {
        write(stack, path, path);
    }
    let cases = [
        ("/who", "slash/who"),
        ("/exact/who", "equal/who"),
        ("/exact/who2", "slash/exact/who2"),
        ("/images/who", "prefix/who"),
        ("/images/raw.txt", "prefix/raw.txt"),
        // The longest prefix says that no regex is asked.
        ("/images/raw/a.gif", "noregex/a.gif"),
        // The first regex counts, before any prefix.
        ("/images/a.gif", "regex/images/a.gif"),
        ("/images/a.PNG", "anycase/images/a.PNG"),
        ("/a.GIF", "anycase/a.GIF"),
        // As normalised: encoded, doubled slashes, dots.
        ("/%69mages/who", "prefix/who"),
        ("//images//who", "prefix/who"),
        ("/x/../images/./who?a=/../b", "prefix/who"),
    ];
    for (target, file) in cases {
        assert_eq!(stack.get(target).expect(200).text(), file, "{target}");
    }
    stack.get("/exact/none").expect(404);
    stack.get("/images").expect(404);
}

const FILES: &str = r#"
[[edge.site]]
server_name = ["localhost"]
root = "$DIR/www"
index = ["index.html", "index.htm"]
[[edge.site.location]]
match = "/static/"
alias = "$DIR/static/"
expires = "max"
access_log = false
[[edge.site.location]]
match = "/epoch/"
expires = "epoch"
[[edge.site.location]]
match = "/hour/"
expires = "1h"
[[edge.site.location]]
match = "/negative/"
expires = "-1"
[[edge.site.location]]
match = "/off/"
expires = "off"
[[edge.site.location]]
match = "/quiet/"
log_not_found = false
"#;

both_topologies!(files_are_served_from_root_alias_and_index, FILES);
fn files_are_served_from_root_alias_and_index(stack: &Stack) {
    write(stack, "www/index.html", "front");
    write(stack, "www/old/index.htm", "old");
    write(stack, "www/a b.txt", "space");
    write(stack, "www/bare/x", "x");
    write(stack, "static/app.css", "css");
    for (target, text) in [
        ("/", "front"),
        ("/index.html", "front"),
        ("/old/", "old"),
        ("/a%20b.txt", "space"),
        ("/static/app.css", "css"),
    ] {
        assert_eq!(stack.get(target).expect(200).text(), text);
    }
    assert_eq!(
        stack.get("/static/app.css").field("content-type").map(|kind| kind.starts_with("text/css")),
        Some(true)
    );
    let redirect = stack.get("/old?a=b").expect(301);
    assert!(redirect.field("location").unwrap().ends_with("/old/?a=b"), "{:?}", redirect.fields);
    // Never to another host.
    let redirect = stack.get("//old");
    assert!(redirect.field("location").is_none_or(|to| !to.starts_with("//")), "{:?}", redirect.fields);
    assert!(matches!(stack.get("/bare/").status, 403 | 404), "a folder is not listed");
    stack.get("/none").expect(404);
    let response = stack.ask("POST", "/index.html", &[("Content-Length", "0")], b"").expect(405);
    assert!(response.field("allow").is_some_and(|allow| allow.contains("GET")));
}

both_topologies!(expires_says_how_long_a_file_may_be_kept, FILES);
fn expires_says_how_long_a_file_may_be_kept(stack: &Stack) {
    let cases: &[(&str, Option<&str>, Option<&str>)] = &[
        ("static", Some("max-age=315360000"), Some("Thu, 31 Dec 2037 23:55:55 GMT")),
        ("epoch", Some("no-cache"), Some("Thu, 01 Jan 1970 00:00:01 GMT")),
        ("hour", Some("max-age=3600"), None),
        ("negative", Some("no-cache"), None),
        ("off", None, None),
    ];
    for (folder, control, expires) in cases {
        let root = if *folder == "static" { "" } else { "www/" };
        write(stack, &format!("{root}{folder}/a.txt"), "a");
        let file = stack.get(&format!("/{folder}/a.txt")).expect(200);
        assert_eq!(file.field("cache-control"), *control, "{folder}");
        if expires.is_some() {
            assert_eq!(file.field("expires"), *expires, "{folder}");
        }
        assert_eq!(file.field("expires").is_some(), control.is_some(), "{folder}");
    }
    // As in nginx not on errors.
    assert_eq!(stack.get("/static/none").expect(404).field("expires"), None);
}

both_topologies!(files_answer_conditions_ranges_and_head, FILES);
fn files_answer_conditions_ranges_and_head(stack: &Stack) {
    write(stack, "www/ten.txt", "0123456789");
    // A date of the same second is a weak validator.
    thread::sleep(Duration::from_millis(1100));
    let file = stack.get("/ten.txt").expect(200);
    let (etag, modified) = (file.field("etag").unwrap(), file.field("last-modified").unwrap());
    let with = |fields: &[(&str, &str)]| stack.get_with("/ten.txt", fields);
    for fields in [[("If-None-Match", etag)], [("If-None-Match", "*")], [("If-Modified-Since", modified)]] {
        let response = with(&fields).expect(304);
        assert_eq!(response.field("etag"), Some(etag));
    }
    with(&[("If-None-Match", "\"other\""), ("If-Modified-Since", modified)]).expect(200);
    with(&[("If-Match", "\"other\"")]).expect(412);
    with(&[("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:01 GMT")]).expect(412);
    for (range, text, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
    ] {
        let part = with(&[("Range", range)]).expect(206);
        assert_eq!((part.text().as_str(), part.field("content-range")), (text, Some(content_range)));
        with(&[("Range", range), ("If-Range", etag)]).expect(206);
        with(&[("Range", range), ("If-Range", "\"other\"")]).expect(200);
    }
    assert_eq!(with(&[("Range", "bytes=10-")]).expect(416).field("content-range"), Some("bytes */10"));
    for nonsense in ["bytes=", "bytes=a-b", "lines=1-2", "bytes=4-2"] {
        assert!(matches!(with(&[("Range", nonsense)]).status, 200 | 416), "{nonsense}");
    }
    let mut client = stack.connect();
    let head = client.ask("HEAD", "/ten.txt", &[], b"").expect(200);
    assert_eq!((head.field("content-length"), head.field("etag")), (Some("10"), Some(etag)));
    assert_eq!(client.get("/ten.txt").expect(200).text(), "0123456789");
}

both_topologies!(no_path_leads_out_of_the_root, FILES);
fn no_path_leads_out_of_the_root(stack: &Stack) {
    write(stack, "www/in.txt", "in");
    write(stack, "static/in.txt", "in");
    let secret = write(stack, "secret.txt", "SECRET");
    write(stack, "static-other/in.txt", "SECRET");
    symlink(&secret, stack.directory().join("www/link.txt")).unwrap();
    symlink(stack.directory(), stack.directory().join("www/up")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(stack.directory().join("www/fifo"))
            .status()
            .unwrap()
            .success()
    );
    let targets = [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/x/../../secret.txt",
        "/x/%2e./%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/....//secret.txt",
        "/..%c0%afsecret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/secret.txt%00.html",
        "/in.txt%00",
        "//etc/passwd",
        "/static../secret.txt",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static-other/in.txt",
        "/static/../static-other/in.txt",
        "/link.txt",
        "/up/secret.txt",
        "/in.txt/",
        "/in.txt/..%2f..%2fsecret.txt",
        "/fifo",
    ];
    for target in targets {
        let response = stack.get(target);
        assert!(
            matches!(response.status, 400 | 403 | 404),
            "{target}: {} {}",
            response.status,
            response.text()
        );
        assert!(!response.text().contains("SECRET") && !response.text().contains("root:"), "{target}");
    }
    assert_eq!(stack.get("/in.txt").expect(200).text(), "in");
}

both_topologies!(locations_may_stay_out_of_the_logs, FILES);
fn locations_may_stay_out_of_the_logs(stack: &Stack) {
    write(stack, "static/silent.css", "a");
    write(stack, "www/told.txt", "a");
    stack.get("/static/silent.css").expect(200);
    stack.get("/quiet/missing-quietly").expect(404);
    stack.get("/missing-loudly").expect(404);
    stack.get("/told.txt").expect(200);
    weir_tests::until("the access log is written", || {
        stack.edge.output().contains("/told.txt").then_some(())
    });
    let (output, log) = (stack.edge.output(), stack.edge.log());
    assert!(!output.contains("silent.css"), "{output}");
    assert!(log.contains("missing-loudly") && !log.contains("missing-quietly"), "{log}");
}

both_topologies!(a_large_file_comes_whole_and_slowly_too, FILES);
fn a_large_file_comes_whole_and_slowly_too(stack: &Stack) {
    large_files_come(stack);
}

const READ_FILES: &str = r#"
[edge.files]
sendfile = false
[[edge.site]]
server_name = ["localhost"]
root = "$DIR/www"
"#;

both_topologies!(large_files_come_without_sendfile_too, READ_FILES);
fn large_files_come_without_sendfile_too(stack: &Stack) {
    large_files_come(stack);
}

/// One after the other over one connection, with small ones between them.
fn large_files_come(stack: &Stack) {
    let content = "0123456789".repeat(2_000_000);
    write(stack, "www/large.bin", &content);
    write(stack, "www/small.txt", "small");
    let mut client = stack.connect();
    for pause in [0, 300] {
        client.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
        // Much longer than what waits in the sockets meanwhile.
        thread::sleep(Duration::from_millis(pause));
        let mut response = client.head().expect(200);
        client.body(&mut response, "GET");
        assert!(response.whole && response.body == content.as_bytes());
        assert_eq!(client.response("GET").expect(200).text(), "small");
    }
    let head = client.ask("HEAD", "/large.bin", &[], b"").expect(200);
    assert_eq!((head.field("content-length"), head.body.len()), (Some("20000000"), 0));
    for (range, expected) in [("bytes=19999990-", "0123456789"), ("bytes=5-1000004", &content[5..1_000_005])]
    {
        let part = client.ask("GET", "/large.bin", &[("Range", range)], b"").expect(206);
        assert!(part.text() == expected, "{range}");
    }
}
