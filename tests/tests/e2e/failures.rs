//! Application, Redis, cache-node and Weir itself stop or misbehave: who is told what, and who notices
//! nothing.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::{
    App, Client, FakeApp, Load, Location, Pool, Settings, Setup, Stack, binary, both_topologies, site,
    split_only, until,
};

fn settings() -> Settings {
    site([
        Location::passed("/"),
        Location::cached("/cached/", "1s"),
        Location::passed("/fake/").pool("fake"),
        Location::cached("/fake/cached/", "60s").pool("fake"),
    ])
    .with("edge.timeouts.drain", "20s")
    .pool(Pool::new("app", "$APP").with("buffer_size", "32KiB").with("read_timeout", "2s"))
    .pool(Pool::new("fake", "uwsgi://127.0.0.1:$PORT"))
}

/// Parts that are lost are given up as soon as users see it.
fn impatient() -> Setup {
    Setup::from(settings()).before(App::Oracle).impatient()
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// No failure is told in more bytes than this.
const SHORT: usize = 1000;

both_topologies!(an_application_that_is_not_there_is_502, settings());
fn an_application_that_is_not_there_is_502(stack: &Stack) {
    for path in ["/fake/x", "/fake/cached/x"] {
        let response = stack.get(path).expect(502);
        assert!(response.body.len() < SHORT && response.text().contains("502"));
        assert!(response.field("proxy-status").is_some_and(|status| status.starts_with("weir")));
    }
    let server = format!("127.0.0.1:{}", stack.port);
    let log = stack.log();
    let line = log.lines().find(|line| line.contains(&server) && line.contains("connect"));
    assert!(line.is_some(), "no line says that {server} cannot be connected to:\n{log}");
    // Never cached: it is there again as soon as the application is.
    let _app = FakeApp::answering(stack.port, PAGE);
    for path in ["/fake/x", "/fake/cached/x"] {
        assert_eq!(stack.get(path).expect(200).text(), "ok");
    }
}

both_topologies!(an_application_that_is_too_slow_is_504, settings());
fn an_application_that_is_too_slow_is_504(stack: &Stack) {
    for (path, name) in [("/count/late", "late"), ("/cached/count/late2", "late2")] {
        // The application does not answer before.
        let response = stack.get(&format!("{path}?hold=1")).expect(504);
        assert!(response.body.len() < SHORT);
        stack.oracle.release_all(name);
        assert_eq!(stack.get(path).expect(200).status, 200, "the 504 was kept");
    }
    let log = stack.log();
    assert!(log.lines().any(|line| line.contains("in time") && line.contains("uwsgi://")), "{log}");
    // Late within the body: the head is gone, so the connection breaks.
    let response = stack.get("/count/stalls?size=2000&chunks=2&hold-body=1").expect(200);
    assert!(!response.whole);
    stack.oracle.release_all("stalls");
}

both_topologies!(everybody_who_waited_is_told_of_the_failure, settings());
fn everybody_who_waited_is_told_of_the_failure(stack: &Stack) {
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| stack.get("/cached/count/all?delay=8000").expect(504));
        }
    });
    let calls = stack.oracle.calls("all");
    assert!(calls <= 3, "{calls} calls: a failure must not set off a queue of retries");
}

both_topologies!(nonsense_from_the_application_is_502_and_never_kept, settings());
fn nonsense_from_the_application_is_502_and_never_kept(stack: &Stack) {
    let app = FakeApp::answering(stack.port, "nonsense\r\n\r\n");
    for path in ["/fake/x", "/fake/cached/x"] {
        let response = stack.get(path).expect(502);
        assert!(response.body.len() < SHORT);
    }
    let server = format!("127.0.0.1:{}", stack.port);
    assert!(stack.log().lines().any(|line| line.contains("WARN") && line.contains(&server)));
    drop(app);
    let _app = FakeApp::answering(stack.port, PAGE);
    for path in ["/fake/x", "/fake/cached/x"] {
        stack.get(path).expect(200);
    }
}

both_topologies!(a_request_that_may_have_had_effect_is_not_repeated, settings());
fn a_request_that_may_have_had_effect_is_not_repeated(stack: &Stack) {
    let app = FakeApp::answering(stack.port, "");
    stack.ask("POST", "/fake/x", &[("Content-Length", "2")], b"hi").expect(502);
    assert_eq!(app.asked(), 1);
}

both_topologies!(an_exception_is_the_visitors_alone, settings());
fn an_exception_is_the_visitors_alone(stack: &Stack) {
    for _ in 0..3 {
        let response = stack.get("/cached/crash?how=raise");
        assert!(response.status >= 500 && response.body.len() < SHORT, "{}", response.status);
        stack.get("/cached/count/fine").expect(200);
    }
}

both_topologies!(the_application_restarts_under_load, settings());
fn the_application_restarts_under_load(stack: &Stack) {
    // The page is stale while the application is away, and nobody notices.
    stack.get("/cached/count/hot").expect(200);
    let load = Load::start(stack.http(), 4, |_, _| "/cached/count/hot".into());
    load.wait_for(50);
    stack.app.stop();
    std::thread::sleep(Duration::from_millis(2_500));
    load.wait_for(50);
    stack.app.start();
    let before = stack.oracle.calls("hot");
    until("the page is made again", || (stack.oracle.calls("hot") > before).then_some(()));
    let troubles = load.end();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

fn with_stale_pages() -> Settings {
    let page = Location::cached("/fake/", "200ms").pool("fake");
    let page = page.cache("stale_while_revalidate", "0s").cache("stale_if_error", "60s");
    site([Location::passed("/"), page])
        .pool(Pool::new("app", "$APP").with("buffer_size", "32KiB"))
        .pool(Pool::new("fake", "uwsgi://127.0.0.1:$PORT"))
}

both_topologies!(a_reply_that_breaks_off_does_not_take_the_stale_page_away, with_stale_pages());
fn a_reply_that_breaks_off_does_not_take_the_stale_page_away(stack: &Stack) {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (n, broken) in [begun.to_owned(), format!("{begun}half of it")].iter().enumerate() {
        let path = format!("/fake/{n}");
        let app = FakeApp::answering(stack.port, PAGE);
        assert_eq!(stack.get(&path).expect(200).text(), "ok");
        drop(app);
        std::thread::sleep(Duration::from_millis(400));
        let app = FakeApp::answering(stack.port, broken.as_str());
        // Who has read some of the new page cannot be given the old one any more.
        let first = stack.get(&path);
        assert!(n > 0 || first.whole && first.status == 200 && first.text() == "ok", "{}", first.text());
        for _ in 0..5 {
            let answer = stack.get(&path).expect(200);
            assert_eq!(answer.text(), "ok", "{path}");
        }
        assert!(app.asked() <= 2, "{} calls", app.asked());
    }
    // Without such a page it is the failure that it is, told once.
    let app = FakeApp::answering(stack.port, begun);
    stack.get("/fake/none").expect(502);
    assert_eq!(app.asked(), 1);
}

fn shared() -> Settings {
    site([Location::cached("/", "200ms")
        .cache("stale_while_revalidate", "1s")
        .cache("stale_if_error", "60s")])
}

split_only!(a_failure_that_another_edge_has_seen_leaves_the_stale_page, shared());
fn a_failure_that_another_edge_has_seen_leaves_the_stale_page(stack: &Stack) {
    let (_second, at) = stack.another_edge();
    // Both edges have it, before it is too old to be shared.
    let page = until("both have one page", || {
        let page = stack.get("/count/shared").expect(200).text();
        (Client::connect(at).get("/count/shared").expect(200).text() == page).then_some(page)
    });
    let calls = stack.oracle.calls("shared");
    stack.oracle.set("shared", "status=500&delay=3000");
    std::thread::sleep(Duration::from_millis(300));
    // Both begin to make it anew, the second edge by waiting for the first.
    stack.get("/count/shared").expect(200);
    stack.oracle.wait_for_calls("shared", calls + 1);
    Client::connect(at).get("/count/shared").expect(200);
    // Past the time in which the old page is given at once, a visitor waits for what was begun.
    std::thread::sleep(Duration::from_millis(1_200));
    let response = Client::connect(at).get("/count/shared").expect(200);
    assert_eq!(response.text(), page);
}

/// Some visitors of one page, some of pages nobody has asked for yet.
fn mixed_load(stack: &Stack) -> Load {
    Load::start(stack.http(), 6, |visitor, n| match visitor % 2 {
        0 => "/cached/count/hot".to_owned(),
        _ => format!("/cached/count/cold{visitor}-{n}"),
    })
}

split_only!(redis_is_killed_under_load, impatient());
fn redis_is_killed_under_load(stack: &Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let load = mixed_load(stack);
    load.wait_for(100);
    redis.process.kill();
    load.wait_for(200);
    let troubles = load.end();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

split_only!(redis_hangs_under_load, impatient());
fn redis_hangs_under_load(stack: &Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let load = mixed_load(stack);
    load.wait_for(100);
    redis.process.stop();
    load.wait_for(100);
    redis.process.go_on();
    load.wait_for(100);
    let troubles = load.end();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

split_only!(the_cache_node_is_killed_under_load, impatient());
fn the_cache_node_is_killed_under_load(stack: &Stack) {
    let load = mixed_load(stack);
    load.wait_for(100);
    stack.cache_node.as_ref().unwrap().kill();
    load.wait_for(200);
    let troubles = load.end();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
    // And still there is one call for all who ask at once, for a page that takes longer than it may be kept,
    // too.
    let calls = stack.oracle.calls("alone");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| stack.get("/cached/count/alone?delay=1300").expect(200));
        }
    });
    assert_eq!(stack.oracle.calls("alone") - calls, 1);
}

split_only!(the_cache_node_hangs_under_load, impatient());
fn the_cache_node_hangs_under_load(stack: &Stack) {
    let node = stack.cache_node.as_ref().unwrap();
    let load = mixed_load(stack);
    load.wait_for(100);
    node.stop();
    load.wait_for(60);
    node.go_on();
    load.wait_for(100);
    let troubles = load.end();
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

split_only!(nothing_is_there_but_the_edge, impatient());
fn nothing_is_there_but_the_edge(stack: &Stack) {
    stack.get("/cached/count/kept").expect(200);
    stack.wsgi_adapter.as_ref().unwrap().kill();
    let response = stack.get("/count/gone");
    assert!(matches!(response.status, 502 | 503) && response.body.len() < SHORT, "{}", response.status);
    // Its own memory is left.
    std::thread::sleep(Duration::from_millis(1_300));
    assert_eq!(stack.get("/cached/count/kept").expect(200).text(), "1\n");
}

both_topologies!(running_requests_finish_before_the_end, settings());
fn running_requests_finish_before_the_end(stack: &Stack) {
    let (mut slow, mut idle, mut streamed, mut coming) =
        (stack.connect(), stack.connect(), stack.connect(), stack.connect());
    idle.get("/count/idle").expect(200);
    slow.send("GET /count/slow?delay=1500 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    streamed
        .send("GET /cached/count/streamed?size=300000&chunks=3&gap=700 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    coming.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello ");
    stack.oracle.wait_for_calls("slow", 1);
    stack.oracle.wait_for_calls("streamed", 1);
    stack.edge.terminate_without_waiting();
    until("the edge drains", || (stack.admin("/readyz").status == 503).then_some(()));
    assert_eq!(stack.admin("/livez").status, 200);
    idle.expect_closed();
    coming.send("world");
    assert_eq!(coming.response("POST").expect(200).json()["length"], 11);
    let response = slow.response("GET").expect(200);
    assert_eq!((response.text().as_str(), response.field("connection")), ("1\n", Some("close")));
    slow.expect_closed();
    let response = streamed.response("GET").expect(200);
    assert!(response.whole && response.body.len() == 300_000);
    let status = stack.edge.wait();
    assert_eq!(status.code(), Some(0), "all work was finished");
}

split_only!(the_other_services_end_well_too, settings());
fn the_other_services_end_well_too(stack: &Stack) {
    stack.get("/cached/count/x").expect(200);
    assert_eq!(stack.edge.terminate().code(), Some(0));
    assert_eq!(stack.wsgi_adapter.as_ref().unwrap().terminate().code(), Some(0));
    assert_eq!(stack.cache_node.as_ref().unwrap().terminate().code(), Some(0));
}

#[test]
fn a_settings_file_is_told_all_that_is_wrong_with_it() {
    const WRONG: &str = r#"[edge]
lisen = ["127.0.0.1:8080"]
admin = "nowhere"
[edge.timeouts]
head = "soon"
[[edge.site]]
server_name = ["~("]
[[edge.site.location]]
match = "~ ["
pool = "jango"
[edge.site.location.cache]
ttl = { "2000" = "1s" }
[[edge.site.location]]
match = "/shop/"
pool = "django"
variables = "shop"
[[wsgi_adapter.pool]]
name = "django"
servers = ["http//x"]
"#;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("wrong.toml");
    std::fs::write(&file, WRONG).unwrap();
    let expected = [
        (2, "listen"),
        (3, "admin"),
        (5, "head"),
        (7, "server_name"),
        (9, "match"),
        (10, "django"),
        (12, "ttl"),
        (16, "variable_sets.shop"),
        (19, "servers"),
    ];
    for arguments in [&["check"][..], &["run", "--config"]] {
        let output = Command::new(binary("weir")).args(arguments).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let missing: Vec<_> = expected
            .iter()
            .filter(|(line, word)| {
                let place = format!("wrong.toml:{line}:");
                !text.lines().any(|told| told.contains(&place) && told.contains(word))
            })
            .collect();
        assert!(missing.is_empty(), "not told (line, word): {missing:?}\n{text}");
    }
}

#[test]
fn wrong_use_is_exit_code_2_and_a_missing_file_1() {
    for name in ["weir", "edge", "cache-node", "wsgi-adapter"] {
        let code =
            |arguments: &[&str]| Command::new(binary(name)).args(arguments).output().unwrap().status.code();
        assert_eq!(code(&["--no-such-flag"]), Some(2), "{name}");
        let arguments: &[&str] = if name == "weir" {
            &["run", "--config", "/no/such/file"]
        } else {
            &["--config", "/no/such/file"]
        };
        assert_eq!(code(arguments), Some(1), "{name}");
    }
}

both_topologies!(an_address_that_is_taken_is_one_line, settings());
fn an_address_that_is_taken_is_one_line(stack: &Stack) {
    let name = if stack.edge.name() == "weir" { "weir" } else { "edge" };
    let mut command = Command::new(binary(name));
    if name == "weir" {
        command.arg("run");
    }
    let output = command.arg("--config").arg(stack.directory().join("weir.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&stack.http().to_string()) || text.contains("edge."), "{text}");
}
