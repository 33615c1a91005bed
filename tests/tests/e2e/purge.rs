//! Purges as people make them: by the API, by PURGE, by `weir purge`, by changing something.

use std::process::Command;

use weir_tests::{Client, Location, Response, Settings, Stack, binary, both_topologies, site, until};

fn settings() -> Settings {
    site([
        Location::cached("/", "600s")
            .cache("stale_while_revalidate", "600s")
            .cache("ignore_query", vec!["utm_*"]),
        Location::passed("/admin/"),
    ])
    .with("edge.purge_allow", vec!["127.0.0.2/32"])
    .with("edge.trusted_proxies", vec!["127.0.0.1/32"])
}

#[track_caller]
fn purge(stack: &Stack, order: &str) -> Response {
    let length = order.len().to_string();
    let mut admin = Client::connect(stack.admin_address());
    admin.ask("POST", "/api/v1/purge", &[("Content-Length", &length)], order.as_bytes())
}

#[track_caller]
fn is_made_anew(stack: &Stack, target: &str, count: &str) {
    assert_eq!(stack.get(target).expect(200).text(), format!("{count}\n"), "{target}");
}

both_topologies!(each_kind_of_purge_reaches_its_pages, settings());
fn each_kind_of_purge_reaches_its_pages(stack: &Stack) {
    let pages = ["/count/a?h=Surrogate-Key:news%20sport", "/count/b?h=Cache-Tag:sport", "/count/c/d"];
    let mut counts = [1, 1, 1];
    for target in pages {
        is_made_anew(stack, target, "1");
    }
    for (order, reached) in [
        (r#"{"urls": ["http://localhost/count/a?h=Surrogate-Key:news%20sport"]}"#, [true, false, false]),
        (r#"{"tags": ["sport"]}"#, [true, true, false]),
        (r#"{"tags": ["news", "nothing"]}"#, [true, false, false]),
        (r#"{"prefixes": ["http://localhost/count/c"]}"#, [false, false, true]),
        (r#"{"prefixes": ["http://localhost"]}"#, [true, true, true]),
        (r#"{"all": true}"#, [true, true, true]),
        (r#"{"tags": ["nothing"]}"#, [false, false, false]),
    ] {
        let answer = purge(stack, order).expect(200).json();
        assert_eq!(answer["complete"], true, "{answer}");
        assert_eq!(answer["missing"].as_array().unwrap().len(), 0);
        assert_eq!(answer["acknowledged"].as_array().unwrap().len(), 2, "an edge and a node: {answer}");
        for (n, target) in pages.iter().enumerate() {
            counts[n] += i32::from(reached[n]);
            is_made_anew(stack, target, &counts[n].to_string());
        }
    }
}

both_topologies!(a_prefix_may_end_within_an_escape, settings());
fn a_prefix_may_end_within_an_escape(stack: &Stack) {
    for (count, prefix) in
        [("2", "/count/caf%c3%a"), ("3", "/count/caf%C3%A"), ("4", "/count/caf%c3%a9"), ("5", "/count/caf")]
    {
        stack.get("/count/caf%C3%A9").expect(200);
        purge(stack, &format!(r#"{{"prefixes": ["http://localhost{prefix}"]}}"#)).expect(200);
        is_made_anew(stack, "/count/caf%C3%A9", count);
    }
    // What can match nothing, or only some of what it stands for.
    for order in [
        r#"{"prefixes": ["http://localhost/count/%zz"]}"#,
        r#"{"prefixes": ["http://localhost/count/p%6"]}"#,
        r#"{"prefixes": ["http://localhost:99999/"]}"#,
        r#"{"urls": ["http://localhost:99999/count/x"]}"#,
    ] {
        purge(stack, order).expect(400);
    }
}

both_topologies!(parameters_that_do_not_count_do_not_count_in_a_purge, settings());
fn parameters_that_do_not_count_do_not_count_in_a_purge(stack: &Stack) {
    is_made_anew(stack, "/count/a?x=1&utm_source=mail", "1");
    purge(stack, r#"{"urls": ["http://localhost/count/a?x=1&utm_source=web"]}"#).expect(200);
    is_made_anew(stack, "/count/a?x=1", "2");
}

both_topologies!(a_soft_purge_leaves_the_old_page_to_be_shown_once_more, settings());
fn a_soft_purge_leaves_the_old_page_to_be_shown_once_more(stack: &Stack) {
    is_made_anew(stack, "/count/soft", "1");
    purge(stack, r#"{"urls": ["http://localhost/count/soft"], "soft": true}"#).expect(200);
    let stale = stack.get("/count/soft").expect(200);
    assert_eq!(stale.text(), "1\n");
    let ttl = stale.cache_status().split("ttl=").nth(1).and_then(|ttl| ttl.parse::<i64>().ok());
    assert!(ttl.is_some_and(|ttl| ttl <= 0), "it looks fresh: {}", stale.cache_status());
    until("it is made anew", || (stack.get("/count/soft").text() == "2\n").then_some(()));
}

both_topologies!(a_page_in_the_making_is_not_served_after_the_purge, settings());
fn a_page_in_the_making_is_not_served_after_the_purge(stack: &Stack) {
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| stack.get("/count/slow?delay=1500").expect(200).text());
        stack.oracle.wait_for_calls("slow", 1);
        purge(stack, r#"{"urls": ["http://localhost/count/slow?delay=1500"]}"#).expect(200);
        // Asked after the purge, while the old one is still being made.
        assert_eq!(stack.get("/count/slow?delay=1500").expect(200).text(), "2\n");
        assert_eq!(slow.join().unwrap(), "1\n");
    });
    is_made_anew(stack, "/count/slow?delay=1500", "2");
}

both_topologies!(a_purge_request_is_taken_from_those_who_may, settings());
fn a_purge_request_is_taken_from_those_who_may(stack: &Stack) {
    is_made_anew(stack, "/count/p", "1");
    let refused = stack.ask("PURGE", "/count/p", &[], b"");
    assert_eq!(refused.status, 403);
    is_made_anew(stack, "/count/p", "1");
    let taken = stack.ask("PURGE", "/count/p", &[("X-Forwarded-For", "127.0.0.2")], b"").expect(200);
    assert_eq!(taken.json()["complete"], true);
    is_made_anew(stack, "/count/p", "2");
}

both_topologies!(a_change_makes_its_page_anew_and_what_it_names, settings());
fn a_change_makes_its_page_anew_and_what_it_names(stack: &Stack) {
    let post = |target: &str| stack.ask("POST", target, &[("Content-Length", "0")], b"");
    is_made_anew(stack, "/count/x", "1");
    is_made_anew(stack, "/count/other", "1");
    // RFC 9111 section 4.4: the page itself; Location and Content-Location of the same origin become stale.
    post("/count/x?h=Location:/count/other").expect(200);
    assert_eq!(stack.oracle.calls("x"), 2, "the POST was counted");
    until("it is stale", || (stack.get("/count/other").expect(200).text() == "2\n").then_some(()));
    post("/count/x").expect(200);
    is_made_anew(stack, "/count/x", "4");
    post("/count/x?status=500");
    is_made_anew(stack, "/count/x", "4");
    // RFC 9875, also from where nothing is cached.
    let grouped = "/count/grouped?h=Cache-Groups:%22articles%22";
    is_made_anew(stack, grouped, "1");
    post("/admin/count/edit?h=Cache-Group-Invalidation:%22articles%22").expect(200);
    is_made_anew(stack, grouped, "2");
}

both_topologies!(the_command_line_purges_and_tells_who_has_acknowledged, settings());
fn the_command_line_purges_and_tells_who_has_acknowledged(stack: &Stack) {
    let weir = |arguments: &[&str]| {
        let admin = stack.admin_address().to_string();
        let output =
            Command::new(binary("weir")).arg("purge").args(arguments).args(["--admin", &admin]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let target = "/count/cli?h=Surrogate-Key:news";
    is_made_anew(stack, target, "1");
    let (code, told) = weir(&["--tag", "news"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("purged everywhere in") && told.contains("2 acknowledged"), "{told}");
    is_made_anew(stack, target, "2");
    let (code, told) = weir(&["--url", "/news/"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("`/news/` is not a URL"), "{told}");
    assert_eq!(weir(&[]).0, Some(2), "nothing is named");
}

both_topologies!(tags_are_not_shown_to_clients, settings());
fn tags_are_not_shown_to_clients(stack: &Stack) {
    let response = stack.get("/count/t?h=Surrogate-Key:secret&h=Cache-Tag:secret").expect(200);
    assert_eq!((response.field("surrogate-key"), response.field("cache-tag")), (None, None));
}
