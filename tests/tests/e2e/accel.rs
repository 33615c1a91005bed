//! X-Accel-Redirect: the application decides, a location answers that nobody reaches from outside.

use std::fs;
use std::time::{Duration, Instant};

use weir_tests::{Location, Settings, Stack, both_topologies, site};

fn settings() -> Settings {
    site([
        Location::passed("/"),
        Location::cached("/cached/", "60s"),
        Location::files("/private/", "$DIR/private/").with("internal", true),
        Location::cached("/inside/", "60s").with("internal", true),
    ])
}

fn prepare(stack: &Stack) {
    let private = stack.directory().join("private");
    fs::create_dir_all(&private).unwrap();
    fs::write(private.join("report.txt"), "for you alone\n").unwrap();
    fs::write(private.join("a b.txt"), "blank\n").unwrap();
}

/// What /count answers with a redirect to `to`, and these other fields.
fn sends_to(to: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("&h={field}")).collect();
    format!("/count/x?h=X-Accel-Redirect:{to}{fields}")
}

both_topologies!(an_internal_location_is_for_the_application_alone, settings());
fn an_internal_location_is_for_the_application_alone(stack: &Stack) {
    prepare(stack);
    for path in [
        "/private/report.txt",
        "/private/",
        "/private/missing",
        "/inside/count/x",
        "/inside/../private/report.txt",
    ] {
        stack.get(path).expect(404);
        stack.get_with(path, &[("X-Accel-Redirect", "/private/report.txt")]).expect(404);
    }
    // Two ways of hiding it.
    for path in ["//private/report.txt", "/%70rivate/report.txt"] {
        stack.get(path).expect(404);
    }
    let got = stack.get(&sends_to("/private/report.txt", &[])).expect(200);
    assert_eq!(got.text(), "for you alone\n");
    assert_eq!(got.field("x-accel-redirect"), None);
    // Neither is a page that is kept for such a location shown to others.
    let made = stack.get(&sends_to("/inside/count/page", &[])).expect(200).text();
    assert_eq!(stack.get(&sends_to("/inside/count/page", &[])).expect(200).text(), made, "kept");
    stack.get("/inside/count/page").expect(404);
    assert_eq!(stack.oracle.calls("page"), 1);
}

both_topologies!(the_application_says_how_fast_a_reply_is_sent, settings());
fn the_application_says_how_fast_a_reply_is_sent(stack: &Stack) {
    prepare(stack);
    fs::write(stack.directory().join("private/long.bin"), [b'x'; 60_000]).unwrap();
    let slow = ["X-Accel-Limit-Rate:30000"];
    for path in ["/count/x?size=60000&h=X-Accel-Limit-Rate:30000", &sends_to("/private/long.bin", &slow)] {
        let begun = Instant::now();
        let answer = stack.get(path).expect(200);
        assert_eq!((answer.body.len(), answer.field("x-accel-limit-rate")), (60_000, None), "{path}");
        // The first second's bytes are sent at once.
        assert!(begun.elapsed() > Duration::from_millis(800), "{path}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    stack.get("/count/x?size=60000&h=X-Accel-Limit-Rate:off").expect(200);
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
}

both_topologies!(the_location_answers_by_nginxs_rules, settings());
fn the_location_answers_by_nginxs_rules(stack: &Stack) {
    prepare(stack);
    // Fields that say what the application knows better go along; others are the file's own.
    let fields = [
        "Content-Disposition:attachment",
        "Cache-Control:private",
        "Set-Cookie:seen=1",
        "X-Own:dropped",
        "ETag:%22theirs%22",
    ];
    let got = stack.get(&sends_to("/private/report.txt", &fields)).expect(200);
    assert_eq!(got.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(got.field("content-disposition"), Some("attachment"));
    assert_eq!((got.field("cache-control"), got.field("set-cookie")), (Some("private"), Some("seen=1")));
    assert_eq!((got.field("x-own"), got.field("content-length")), (None, Some("14")));
    let etag = got.field("etag").unwrap().to_owned();
    assert_ne!(etag, "\"theirs\"");
    // Whatever the application's own status was; ranges and conditions are about the file.
    let to = sends_to("/private/report.txt", &[]);
    assert_eq!(stack.get(&format!("{to}&status=403")).expect(200).text(), "for you alone\n");
    assert_eq!(stack.get_with(&to, &[("Range", "bytes=4-6")]).expect(206).text(), "you");
    stack.get_with(&to, &[("If-None-Match", &etag)]).expect(304);
    assert_eq!(stack.ask("HEAD", &to, &[], b"").expect(200).field("content-length"), Some("14"));
    // The method becomes GET, the body is the application's affair.
    let post = stack.ask("POST", &to, &[("Content-Length", "2")], b"hi").expect(200);
    assert_eq!(post.text(), "for you alone\n");
    // Encoded or not.
    for path in ["/private/a%2520b.txt", "/private/a%20b.txt"] {
        assert_eq!(stack.get(&sends_to(path, &[])).expect(200).text(), "blank\n", "{path}");
    }
    // Another application's location, with its query.
    let echo =
        stack.get(&sends_to("/echo-environ?a=b", &["Content-Type:application/json"])).expect(200).json();
    assert_eq!((&echo["REQUEST_URI"], &echo["REQUEST_METHOD"]), (&"/echo-environ?a=b".into(), &"GET".into()));
}

both_topologies!(what_leads_nowhere_is_not_found, settings());
fn what_leads_nowhere_is_not_found(stack: &Stack) {
    prepare(stack);
    for to in ["/private/missing", "private/report.txt", "http://evil/", "/private/%2e%2e/%2e%2e/etc/passwd"]
    {
        let status = stack.get(&sends_to(to, &[])).status;
        assert!(matches!(status, 400 | 404), "{to}: {status}");
    }
    // As in nginx, it is the application's mistake.
    stack.get(&sends_to("@name", &[])).expect(500);
    // One that sends its requests to itself.
    stack.oracle.set("loop", "h=X-Accel-Redirect:/count/loop");
    stack.get("/count/loop").expect(500);
    assert_eq!(stack.oracle.calls("loop"), 11);
}

both_topologies!(a_redirected_reply_is_for_one_visitor, settings());
fn a_redirected_reply_is_for_one_visitor(stack: &Stack) {
    prepare(stack);
    let target = format!("/cached{}", sends_to("/private/report.txt", &["Cache-Control:max-age%3D60"]));
    for n in 1..=3 {
        let got = stack.get(&target).expect(200);
        assert_eq!(got.text(), "for you alone\n");
        assert!(stack.oracle.calls("x") >= n, "each visitor is looked at");
    }
}
