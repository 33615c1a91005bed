//! One call per page and lifetime, for all: coalescing, lifetimes, stale pages, what is never kept, what
//! clients are told.

use std::thread;
use std::time::Duration;

use weir_tests::{FakeApp, Stack, both_topologies, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]

[[edge.site.location]]
match = "/"
pool = "app"

[[edge.site.location]]
match = "/long/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
max_object = "1MiB"

[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "0s"
stale_if_error = "60s"

[[edge.site.location]]
match = "/stale/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "60s"

[[edge.site.location]]
match = "/bystatus/"
pool = "app"
[edge.site.location.cache]
ttl = { "200" = "60s", "404" = "60s" }

[[edge.site.location]]
match = "/fake/"
pool = "fake"
[edge.site.location.cache]
ttl = "60s"

[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[[wsgi_adapter.pool]]
name = "fake"
servers = ["uwsgi://127.0.0.1:$PORT"]
"#;

/// Longer than the lifetime of /short/ and /stale/.
const PAST_A_SECOND: Duration = Duration::from_millis(1_300);

both_topologies!(fifty_visitors_of_a_cold_page_cost_one_call, SETTINGS);
fn fifty_visitors_of_a_cold_page_cost_one_call(stack: &Stack) {
    for length in ["", "&nolength=1"] {
        let name = format!("cold{}", length.len());
        let target = format!("/long/count/{name}?delay=700&size=100000{length}");
        let responses = stack.at_once(50, &target);
        assert_eq!(stack.oracle.calls(&name), 1);
        let first = &responses[0].body;
        assert!(first.starts_with(b"1\n") && first.len() == 100_000);
        for response in &responses {
            assert!(response.status == 200 && response.whole && response.body == *first);
        }
        let asked = responses.iter().filter(|response| {
            response.cache_status().contains("fwd=") && !response.cache_status().contains("collapsed")
        });
        assert_eq!(asked.count(), 1, "who says that it asked the application");
    }
}

both_topologies!(waiters_get_the_page_while_it_is_being_made, SETTINGS);
fn waiters_get_the_page_while_it_is_being_made(stack: &Stack) {
    for length in ["", "&nolength=1"] {
        let name = format!("made{}", length.len());
        let request = format!(
            "GET /long/count/{name}?size=2000&chunks=2&hold-body=1{length} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let (mut first, mut second) = (stack.connect(), stack.connect());
        first.send(&request);
        stack.oracle.wait_for_calls(&name, 1);
        second.send(&request);
        let mut response = second.head().expect(200);
        if length.is_empty() {
            assert_eq!(second.take(1000).len(), 1000);
        } else {
            assert!(second.chunk().is_some_and(|chunk| !chunk.is_empty()));
        }
        // The rest of the page is made after that.
        stack.oracle.release_all(&name);
        if !length.is_empty() {
            second.body(&mut response, "GET");
            assert!(response.whole);
        }
        assert_eq!(stack.oracle.calls(&name), 1);
    }
}

both_topologies!(stored_is_said_of_what_is_stored, SETTINGS);
fn stored_is_said_of_what_is_stored(stack: &Stack) {
    let ask = |target: &str| stack.get(target).expect(200).cache_status().to_owned();
    for kind in ["body=html", "body=number", "body=html&nolength=1"] {
        let target = format!("/long/count/kept?{kind}");
        // Where the end of the page is not there with its head, nothing is said of it.
        assert!(matches!(&*ask(&target), MISS | STORED), "{kind}");
        until("it is stored", || ask(&target).contains("hit").then_some(()));
    }
    assert_eq!(ask("/long/count/sure?size=4000"), STORED);
    let token = ask("/long/count/token?body=html-with-csrf");
    assert!(token == MISS || token == format!("{MISS}; detail=csrf-token"), "{token}");
    // Nobody knows from the head how long it will be; the edge keeps less, the node more.
    for size in [9_000_000, 20_000_000] {
        let target = format!("/long/count/large?nolength=1&chunks=40&size={size}");
        assert_eq!(ask(&target), MISS);
    }
}

const MISS: &str = "weir; fwd=uri-miss; fwd-status=200";
const STORED: &str = "weir; fwd=uri-miss; fwd-status=200; stored";

both_topologies!(clients_are_told_where_the_page_came_from, SETTINGS);
fn clients_are_told_where_the_page_came_from(stack: &Stack) {
    let miss = stack.get("/long/count/told").expect(200);
    assert_eq!(miss.cache_status(), "weir; fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(miss.field("age"), Some("0"));
    thread::sleep(PAST_A_SECOND);
    let hit = stack.get("/long/count/told").expect(200).expect_cache(&["weir", "hit"]);
    let age: u64 = hit.field("age").unwrap().parse().unwrap();
    assert!((1..60).contains(&age));
    let status = hit.cache_status().to_owned();
    let ttl: u64 = status.split("ttl=").nth(1).unwrap().parse().unwrap();
    assert!((1..=59).contains(&ttl) && (59..=62).contains(&(ttl + age)), "ttl={ttl} Age: {age}");
    // Where nothing is cached there is nothing to tell.
    let uncached = stack.get("/count/told").expect(200);
    assert_eq!((uncached.cache_status(), uncached.field("age")), ("", None));
    let passed = stack.ask("POST", "/long/count/told", &[("Content-Length", "0")], b"").expect(200);
    assert!(passed.cache_status().starts_with("weir; fwd=method"), "{}", passed.cache_status());
}

both_topologies!(an_age_of_the_applications_own_counts, SETTINGS);
fn an_age_of_the_applications_own_counts(stack: &Stack) {
    let target = "/long/count/aged?h=Cache-Control:max-age%3D100&h=Age:40";
    stack.get(target).expect(200);
    let hit = stack.get(target).expect(200).expect_cache(&["hit"]);
    assert!(hit.field("age").unwrap().parse::<u64>().unwrap() >= 40);
    // A reply that is too old to be stored does not look new.
    let expired = stack.get("/long/count/old?h=Cache-Control:max-age%3D100&h=Age:7200").expect(200);
    let expired = expired.expect_cache(&["detail=expired"]);
    assert!(expired.field("age").unwrap().parse::<u64>().unwrap() >= 7200);
}

both_topologies!(a_page_lives_as_long_as_its_status_says, SETTINGS);
fn a_page_lives_as_long_as_its_status_says(stack: &Stack) {
    // Location, status, whether a second request costs a second call.
    let cases = [
        ("long", 200, 1),
        ("long", 301, 1),
        ("long", 302, 1),
        ("long", 404, 2),
        ("long", 500, 2),
        ("long", 503, 2),
        ("bystatus", 200, 1),
        ("bystatus", 404, 1),
        ("bystatus", 301, 2),
        ("bystatus", 500, 2),
    ];
    for (location, status, calls) in cases {
        let name = format!("{location}{status}");
        let target = format!("/{location}/count/{name}?status={status}");
        stack.get(&target).expect(status);
        stack.get(&target).expect(status);
        assert_eq!(stack.oracle.calls(&name), calls, "{target}");
    }
    // A 403 that was made for nobody is asked for again for its visitor.
    stack.get("/long/count/long403?status=403").expect(403);
    assert_eq!(stack.oracle.calls("long403"), 2);
}

both_topologies!(the_application_may_say_how_long, SETTINGS);
fn the_application_may_say_how_long(stack: &Stack) {
    // Its field; what a second request more than a second later costs in all.
    let cases = [
        ("Cache-Control:max-age%3D60", 1),
        ("Cache-Control:s-maxage%3D60,max-age%3D0", 1),
        ("CDN-Cache-Control:max-age%3D60", 1),
        ("X-Accel-Expires:60", 1),
        ("Cache-Control:max-age%3D1", 2),
        ("Expires:Thu,%2001%20Jan%201970%2000:00:01%20GMT", 2),
    ];
    let target = |n: usize, field: &str| format!("/short/count/says{n}?h={field}");
    for (n, (field, _)) in cases.iter().enumerate() {
        stack.get(&target(n, field)).expect(200);
    }
    thread::sleep(PAST_A_SECOND);
    for (n, (field, calls)) in cases.iter().enumerate() {
        stack.get(&target(n, field)).expect(200);
        assert_eq!(stack.oracle.calls(&format!("says{n}")), *calls, "{field}");
    }
}

both_topologies!(an_expired_page_is_made_again_once, SETTINGS);
fn an_expired_page_is_made_again_once(stack: &Stack) {
    assert_eq!(stack.get("/short/count/again").expect(200).text(), "1\n");
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("again", "delay=500&h=Cache-Control:max-age%3D60");
    for response in stack.at_once(30, "/short/count/again") {
        assert_eq!(response.expect(200).text(), "2\n");
    }
    assert_eq!(stack.oracle.calls("again"), 2);
}

both_topologies!(a_stale_page_is_served_while_exactly_one_refresh_runs, SETTINGS);
fn a_stale_page_is_served_while_exactly_one_refresh_runs(stack: &Stack) {
    assert_eq!(stack.get("/stale/count/swr").expect(200).text(), "1\n");
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("swr", "hold=1&h=Cache-Control:max-age%3D60");
    for response in stack.at_once(30, "/stale/count/swr") {
        // Whoever had waited would have got the new page.
        let response = response.expect(200).expect_cache(&["hit"]);
        assert_eq!(response.text(), "1\n");
        assert!(response.cache_status().contains("ttl=-") || response.cache_status().contains("ttl=0"));
    }
    // Nor does the refresh hold a client's connection: the next request on it is answered at once.
    let mut client = stack.connect();
    client.get("/stale/count/swr").expect(200);
    assert_eq!(client.get("/count/free").expect(200).text(), "1\n");
    stack.oracle.wait_for_calls("swr", 2);
    stack.oracle.release_all("swr");
    until("the refresh is there", || (stack.get("/stale/count/swr").text() == "2\n").then_some(()));
    assert_eq!(stack.oracle.calls("swr"), 2);
}

both_topologies!(a_refresh_that_fails_leaves_the_stale_page, SETTINGS);
fn a_refresh_that_fails_leaves_the_stale_page(stack: &Stack) {
    stack.get("/stale/count/keep").expect(200);
    stack.oracle.set("keep", "status=500");
    thread::sleep(PAST_A_SECOND);
    for _ in 0..3 {
        assert_eq!(stack.get("/stale/count/keep").expect(200).text(), "1\n");
    }
    stack.oracle.wait_for_calls("keep", 2);
    stack.oracle.set("keep", "h=Cache-Control:max-age%3D60");
    until("a refresh succeeds", || {
        (stack.get("/stale/count/keep").expect(200).text() != "1\n").then_some(())
    });
}

both_topologies!(a_stale_page_stands_in_for_an_application_that_fails, SETTINGS);
fn a_stale_page_stands_in_for_an_application_that_fails(stack: &Stack) {
    assert_eq!(stack.get("/short/count/down").expect(200).text(), "1\n");
    assert_eq!(
        stack.get("/short/count/strict?h=Cache-Control:max-age%3D1,must-revalidate").expect(200).text(),
        "1\n"
    );
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("down", "status=500");
    let stale = stack.get("/short/count/down").expect(200).expect_cache(&["fwd=stale"]);
    assert_eq!(stale.text(), "1\n");
    stack.app.stop();
    assert_eq!(stack.get("/short/count/down").expect(200).text(), "1\n");
    // The page may say that it must not be used like that.
    stack.get("/short/count/strict?h=Cache-Control:max-age%3D1,must-revalidate").expect(502);
    stack.get("/short/count/never").expect(502);
    stack.oracle.set("down", "");
    stack.app.start();
    until("the application is asked again", || {
        (stack.get("/short/count/down").text() != "1\n").then_some(())
    });
}

both_topologies!(who_waited_for_a_page_that_is_not_shared_goes_on_in_parallel, SETTINGS);
fn who_waited_for_a_page_that_is_not_shared_goes_on_in_parallel(stack: &Stack) {
    let target = "/long/count/own?hold=1&h=Cache-Control:private";
    let mut pages: Vec<_> = thread::scope(|scope| {
        let asking = scope.spawn(|| stack.at_once(12, target));
        stack.oracle.wait_for_calls("own", 1);
        stack.oracle.release("own", 1);
        // What follows is not one after the other.
        stack.oracle.wait_for_running("own", 6);
        stack.oracle.release_all("own");
        asking.join().unwrap().into_iter().map(|page| page.expect(200).text()).collect()
    });
    pages.sort();
    pages.dedup();
    assert_eq!(pages.len(), 12, "each has a page of its own");
    // And for a while nobody waits at all.
    stack.get(target).expect(200).expect_cache(&["fwd=bypass"]);
}

both_topologies!(a_fill_goes_on_without_the_visitor_who_began_it, SETTINGS);
fn a_fill_goes_on_without_the_visitor_who_began_it(stack: &Stack) {
    for target in ["/long/count/left1?delay=700", "/long/count/left2?size=200000&chunks=4&gap=200"] {
        let name = &target[12..17];
        let mut client = stack.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        stack.oracle.wait_for_calls(name, 1);
        drop(client);
        let page = stack.get(target).expect(200);
        assert!(page.whole && page.text().starts_with("1\n"));
        assert_eq!(stack.oracle.calls(name), 1);
        stack.get(target).expect(200).expect_cache(&["hit"]);
    }
}

both_topologies!(a_page_that_breaks_off_is_never_kept, SETTINGS);
fn a_page_that_breaks_off_is_never_kept(stack: &Stack) {
    for target in
        ["/long/crash?how=midway&size=50000", "/long/lie?say=1000&send=500", "/long/crash?how=midway&size=10"]
    {
        for _ in 0..2 {
            let response = stack.get(target);
            assert!(!response.whole || response.status >= 500, "{target}: looks whole");
            assert!(!response.cache_status().contains("hit"), "{target}: was kept");
        }
    }
    // Those who joined are not left with half a page that looks whole either.
    for response in stack.at_once(10, "/long/lie?say=100000&send=70000") {
        assert!(!response.whole || response.status >= 500);
    }
    stack.get("/long/count/after").expect(200);
}

both_topologies!(a_page_that_is_too_large_is_streamed_and_not_kept, SETTINGS);
fn a_page_that_is_too_large_is_streamed_and_not_kept(stack: &Stack) {
    for length in ["", "&nolength=1"] {
        let name = format!("big{}", length.len());
        let target = format!("/long/count/{name}?size=3000000{length}");
        for n in 1..=2 {
            let page = stack.get(&target).expect(200);
            assert!(page.whole && page.body.len() == 3_000_000 && page.text().starts_with(&format!("{n}\n")));
        }
        // Who joined before it was known gets a whole page too.
        let name = format!("joined{}", length.len());
        let target = format!("/long/count/{name}?delay=500&size=1100000{length}");
        for page in stack.at_once(6, &target) {
            assert!(
                page.whole && page.body.len() == 1_100_000,
                "{} of 1100000 bytes, {length}",
                page.body.len()
            );
        }
    }
}

both_topologies!(kept_pages_answer_conditions_and_ranges, SETTINGS);
fn kept_pages_answer_conditions_and_ranges(stack: &Stack) {
    let target = "/long/count/etag?etag=v1&size=1000";
    let page = stack.get(target).expect(200);
    assert_eq!(page.field("etag"), Some("\"v1\""));
    for value in ["\"v1\"", "W/\"v1\"", "\"x\", \"v1\"", "*"] {
        let not_modified = stack.get_with(target, &[("If-None-Match", value)]).expect(304);
        assert!(not_modified.body.is_empty() && not_modified.field("etag") == Some("\"v1\""));
    }
    stack.get_with(target, &[("If-None-Match", "\"other\"")]).expect(200);
    let part = stack.get_with(target, &[("Range", "bytes=2-5")]).expect(206);
    assert_eq!((part.text().as_str(), part.field("content-range")), ("....", Some("bytes 2-5/1000")));
    stack.get_with(target, &[("Range", "bytes=2000-")]).expect(416);
    // A part of a page that is not kept yet must never be kept as the page.
    stack.get_with("/long/count/part?size=1000", &[("Range", "bytes=0-9")]);
    assert_eq!(stack.get("/long/count/part?size=1000").expect(200).body.len(), 1000);
    assert_eq!(stack.oracle.calls("etag"), 1);
}

both_topologies!(only_get_and_head_without_body_use_the_cache, SETTINGS);
fn only_get_and_head_without_body_use_the_cache(stack: &Stack) {
    for (n, method) in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"].iter().enumerate() {
        for _ in 0..2 {
            stack
                .ask(method, &format!("/long/count/m{n}?h=Cache-Control:max-age%3D60"), &[], b"")
                .expect(200);
        }
        assert_eq!(stack.oracle.calls(&format!("m{n}")), 2, "{method}");
    }
    let body = [("Content-Length", "5")];
    for calls in 1..=2 {
        stack.ask("GET", "/long/count/fat", &body, b"hello").expect(200);
        assert_eq!(stack.oracle.calls("fat"), calls);
    }
}

both_topologies!(only_the_reply_itself_is_kept_of_a_longer_one, SETTINGS);
fn only_the_reply_itself_is_kept_of_a_longer_one(stack: &Stack) {
    let app = FakeApp::answering(
        stack.port,
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlongHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    );
    for _ in 0..3 {
        let response = stack.get("/fake/x");
        assert!(!response.text().contains("evil"));
        assert!(!response.whole || response.status >= 500 || response.text() == "long");
    }
    drop(app);
}

both_topologies!(an_unasked_304_is_never_kept, SETTINGS);
fn an_unasked_304_is_never_kept(stack: &Stack) {
    let app = FakeApp::answering(stack.port, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
    stack.get("/fake/x");
    drop(app);
    let _app = FakeApp::answering(stack.port, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(stack.get("/fake/x").expect(200).text(), "ok");
}
