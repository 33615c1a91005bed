//! What a request's own Cache-Control changes: nothing, but where a location honours it.

use std::thread;
use std::time::Duration;

use weir_tests::{Stack, both_topologies, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/honoured/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
honour_request = true
[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "60s"
honour_request = true
"#;

both_topologies!(a_reload_does_not_lift_the_shield, SETTINGS);
fn a_reload_does_not_lift_the_shield(stack: &Stack) {
    let target = "/count/shield";
    stack.get(target).expect(200);
    for value in ["no-cache", "no-store", "max-age=0", "only-if-cached", "min-fresh=600"] {
        let page = stack.get_with(target, &[("Cache-Control", value)]).expect(200).expect_cache(&["hit"]);
        assert_eq!(page.text(), "1\n", "{value}");
    }
    stack.get_with(target, &[("Pragma", "no-cache")]).expect_cache(&["hit"]);
    // Nor does it keep a page out of the cache, or the application from being asked.
    stack.get_with("/count/cold", &[("Cache-Control", "no-store")]).expect(200).expect_cache(&["stored"]);
    stack.get_with("/count/only", &[("Cache-Control", "only-if-cached")]).expect(200);
}

both_topologies!(where_it_is_honoured_a_request_may_want_a_newer_page, SETTINGS);
fn where_it_is_honoured_a_request_may_want_a_newer_page(stack: &Stack) {
    let target = "/honoured/count/newer";
    stack.get(target).expect(200);
    let ask = |field, value| stack.get_with(target, &[(field, value)]).expect(200);
    for (n, (field, value)) in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "max-age=0, no-cache"),
        ("Cache-Control", "min-fresh=600"),
        ("Pragma", "no-cache"),
    ]
    .iter()
    .enumerate()
    {
        let page = ask(field, value).expect_cache(&["fwd=request", "detail=request-directive"]);
        assert_eq!(page.text(), format!("{}\n", n + 2), "{value}");
    }
    for value in ["max-age=600", "min-fresh=1", "max-stale", "no-transform"] {
        assert_eq!(ask("Cache-Control", value).expect_cache(&["hit"]).text(), "1\n", "{value}");
    }
}

both_topologies!(a_reload_of_a_page_with_a_validator_asks_whether_it_holds, SETTINGS);
fn a_reload_of_a_page_with_a_validator_asks_whether_it_holds(stack: &Stack) {
    let target = "/honoured/count/holds?etag=a";
    stack.get(target).expect(200);
    let reload = || stack.get_with(target, &[("Cache-Control", "no-cache")]).expect(200);
    assert_eq!(reload().expect_cache(&["fwd=request", "fwd-status=304", "stored"]).text(), "1\n");
    assert_eq!(stack.oracle.field("holds", 1, "HTTP_IF_NONE_MATCH").as_deref(), Some("\"a\""));
}

both_topologies!(only_if_cached_never_asks_the_application, SETTINGS);
fn only_if_cached_never_asks_the_application(stack: &Stack) {
    let target = "/honoured/count/only";
    let only = || stack.get_with(target, &[("Cache-Control", "only-if-cached")]);
    only().expect(504).expect_cache(&["detail=only-if-cached"]);
    assert_eq!(stack.oracle.calls("only"), 0);
    stack.get(target).expect(200);
    only().expect(200).expect_cache(&["hit"]);
    // Nor does it wait for one who does.
    let slow = "/honoured/count/slow?delay=1500";
    thread::scope(|scope| {
        scope.spawn(|| stack.get(slow).expect(200));
        stack.oracle.wait_for_calls("slow", 1);
        stack.get_with(slow, &[("Cache-Control", "only-if-cached")]).expect(504);
        assert_eq!(stack.oracle.running("slow"), 1, "it waited");
    });
    assert_eq!(stack.oracle.calls("only") + stack.oracle.calls("slow"), 2);
    // And it takes no other answer than a stored one.
    stack.get_with(target, &[("Cache-Control", "only-if-cached, no-cache")]).expect(504);
}

both_topologies!(what_only_the_node_has_is_stored_too, node_only());
fn what_only_the_node_has_is_stored_too(stack: &Stack) {
    let target = "/honoured/count/node?size=5000";
    let first = stack.get(target).expect(200);
    let only = || stack.get_with(target, &[("Cache-Control", "only-if-cached")]);
    // The client has the page a moment before the node has.
    let page = until("the node has it", || Some(only()).filter(|page| page.status == 200));
    assert_eq!(page.expect_cache(&["hit"]).body, first.body);
    let newer = stack.get_with(target, &[("Cache-Control", "no-cache")]).expect(200);
    assert!(newer.expect_cache(&["fwd=request"]).text().starts_with("2\n"));
    assert_eq!(stack.oracle.calls("node"), 2);
}

/// No page of a kilobyte or more is kept in L1.
fn node_only() -> String {
    format!("l1 = {{ max_object = \"1KiB\" }}\n{SETTINGS}")
}

both_topologies!(no_store_and_stale_pages, SETTINGS);
fn no_store_and_stale_pages(stack: &Stack) {
    let no_store = [("Cache-Control", "no-store")];
    let page = stack.get_with("/honoured/count/nostore", &no_store).expect(200);
    page.expect_cache(&["fwd=request", "detail=request-no-store"]);
    assert_eq!(stack.get("/honoured/count/nostore").expect(200).text(), "2\n");
    assert_eq!(stack.get_with("/honoured/count/nostore", &no_store).expect_cache(&["hit"]).text(), "2\n");
    let target = "/short/count/stale";
    stack.get(target).expect(200);
    thread::sleep(Duration::from_millis(1_300));
    // "Unless the max-stale request directive is also present, the client does not wish to receive a stale
    // response."
    let page = stack.get_with(target, &[("Cache-Control", "max-age=600")]).expect(200);
    assert_eq!(page.expect_cache(&["fwd=request"]).text(), "2\n");
    let page = stack.get_with(target, &[("Cache-Control", "max-stale=600")]).expect(200);
    assert_eq!(page.expect_cache(&["hit"]).text(), "1\n");
}
