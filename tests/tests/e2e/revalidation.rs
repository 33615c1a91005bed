//! Pages past their life: the application is asked by their validators whether they still hold, and sends no
//! body if they do.

use std::thread;
use std::time::Duration;

use weir_tests::{Location, Settings, Stack, both_topologies, site, until};

const SETTINGS: &str = r#"
nginx_cache_status = true

[[edge.site]]
server_name = ["localhost"]

[[edge.site.location]]
match = "/"
pool = "app"

[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "0s"
stale_if_error = "0s"

[[edge.site.location]]
match = "/stale/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "60s"

[[edge.site.location]]
match = "/long/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

/// Longer than the lifetime of /short/ and /stale/.
const PAST_A_SECOND: Duration = Duration::from_millis(1_300);
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn condition(stack: &Stack, name: &str, call: usize) -> Option<String> {
    stack.oracle.field(name, call, "HTTP_IF_NONE_MATCH")
}

both_topologies!(a_page_that_holds_is_kept_with_the_fields_of_the_304, SETTINGS);
fn a_page_that_holds_is_kept_with_the_fields_of_the_304(stack: &Stack) {
    let target = "/short/count/holds";
    stack.oracle.set("holds", "etag=a&h=X-Note:one&h=X-Old:kept");
    let first = stack.get(target).expect(200).expect_cache(&["fwd=uri-miss", "fwd-status=200", "stored"]);
    assert_eq!((first.text().as_str(), first.field("x-note")), ("1\n", Some("one")));
    assert_eq!(condition(stack, "holds", 0), None);
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("holds", "etag=a&h=X-Note:two&h=Cache-Control:max-age%3D4");
    let second = stack.get(target).expect(200).expect_cache(&["fwd=stale", "fwd-status=304", "stored"]);
    assert_eq!(second.field("x-cache-status"), Some("REVALIDATED"));
    assert_eq!(condition(stack, "holds", 1).as_deref(), Some("\"a\""));
    let third = stack.get(target).expect(200).expect_cache(&["hit"]);
    for page in [second, third] {
        assert_eq!((page.text().as_str(), page.field("content-length")), ("1\n", Some("2")));
        assert_eq!((page.field("x-note"), page.field("x-old")), (Some("two"), Some("kept")));
    }
    thread::sleep(Duration::from_millis(4_300));
    stack.oracle.set("holds", "etag=b");
    let changed = stack.get(target).expect(200).expect_cache(&["fwd=stale", "fwd-status=200", "stored"]);
    assert_eq!((changed.text().as_str(), changed.field("x-old")), ("3\n", None));
    assert_eq!(changed.field("x-cache-status"), Some("EXPIRED"));
}

both_topologies!(visitors_at_the_same_time_share_one_question, SETTINGS);
fn visitors_at_the_same_time_share_one_question(stack: &Stack) {
    let target = "/short/count/shared?etag=a&delay=700&size=5000";
    let first = stack.get(target).expect(200);
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("shared", "h=Cache-Control:max-age%3D60");
    for page in stack.at_once(20, target) {
        assert_eq!(page.expect(200).body, first.body);
    }
    assert_eq!(stack.oracle.calls("shared"), 2);
}

both_topologies!(a_page_that_is_served_stale_meanwhile_is_asked_after_too, SETTINGS);
fn a_page_that_is_served_stale_meanwhile_is_asked_after_too(stack: &Stack) {
    let target = "/stale/count/meanwhile?etag=a";
    stack.get(target).expect(200);
    thread::sleep(PAST_A_SECOND);
    assert_eq!(stack.get(target).expect(200).expect_cache(&["hit"]).text(), "1\n");
    stack.oracle.wait_for_calls("meanwhile", 2);
    let fresh = until("a fresh page", || {
        let page = stack.get(target);
        (!page.cache_status().contains("ttl=-") && !page.cache_status().contains("ttl=0")).then_some(page)
    });
    assert_eq!(fresh.text(), "1\n");
    assert_eq!(condition(stack, "meanwhile", 1).as_deref(), Some("\"a\""));
}

both_topologies!(a_date_is_a_validator_too, SETTINGS);
fn a_date_is_a_validator_too(stack: &Stack) {
    let target = format!("/short/count/dated?modified={}", DATE.replace(' ', "%20"));
    stack.get(&target).expect(200);
    thread::sleep(PAST_A_SECOND);
    let page = stack.get(&target).expect(200).expect_cache(&["fwd=stale", "fwd-status=304"]);
    assert_eq!((page.text().as_str(), page.field("last-modified")), ("1\n", Some(DATE)));
    assert_eq!(stack.oracle.field("dated", 1, "HTTP_IF_MODIFIED_SINCE").as_deref(), Some(DATE));
}

both_topologies!(a_date_in_the_second_of_the_reply_validates_nothing, SETTINGS);
fn a_date_in_the_second_of_the_reply_validates_nothing(stack: &Stack) {
    // RFC 9110 section 8.8.2.2: another version may have been made in the same second.
    let date = DATE.replace(' ', "%20");
    let target = format!("/short/count/weak?modified={date}&h=Date:{date}");
    stack.get(&target).expect(200);
    thread::sleep(PAST_A_SECOND);
    assert_eq!(stack.get(&target).expect(200).text(), "2\n");
    assert_eq!(stack.oracle.field("weak", 1, "HTTP_IF_MODIFIED_SINCE"), None);
}

both_topologies!(the_node_keeps_what_the_edge_does_not, node_only());
fn the_node_keeps_what_the_edge_does_not(stack: &Stack) {
    let target = "/kept/count/node?etag=a&size=5000";
    let first = stack.get(target).expect(200);
    // The client has the page a moment before the node has.
    until("the node has it", || stack.get(target).cache_status().contains("hit").then_some(()));
    thread::sleep(PAST_A_SECOND);
    let second = stack.get(target).expect(200).expect_cache(&["fwd=stale", "fwd-status=304", "stored"]);
    assert_eq!(second.body, first.body);
    assert_eq!(condition(stack, "node", 1).as_deref(), Some("\"a\""));
}

/// No page of a kilobyte or more is kept in L1.
fn node_only() -> String {
    let location = "[[edge.site.location]]\nmatch = \"/kept/\"\npool = \"app\"\n[edge.site.location.cache]\n\
        ttl = \"1s\"\nstale_while_revalidate = \"0s\"\n";
    format!("l1 = {{ max_object = \"1KiB\" }}\n{SETTINGS}\n{location}")
}

both_topologies!(a_variant_that_is_not_stored_is_asked_for_without_conditions, SETTINGS);
fn a_variant_that_is_not_stored_is_asked_for_without_conditions(stack: &Stack) {
    let target = "/long/count/variant?body=field:Accept-Language";
    let ask = |language| stack.get_with(target, &[("Accept-Language", language)]).expect(200);
    // One validator for all languages, as Django's @etag and @last_modified make it.
    let date = DATE.replace(' ', "%20");
    stack.oracle.set("variant", &format!("h=Vary:Accept-Language&etag=one&modified={date}"));
    assert_eq!(ask("de").text(), "1 Accept-Language=de\n");
    let page = ask("en").expect_cache(&["fwd=vary-miss", "fwd-status=200", "stored"]);
    assert_eq!(page.text(), "2 Accept-Language=en\n");
    assert_eq!(condition(stack, "variant", 1), None);
    assert_eq!(stack.oracle.field("variant", 1, "HTTP_IF_MODIFIED_SINCE"), None);
    for (language, number) in [("de", 1), ("en", 2)] {
        let page = ask(language).expect_cache(&["hit"]).text();
        assert_eq!(page, format!("{number} Accept-Language={language}\n"));
    }
}

both_topologies!(no_cache_is_kept_and_asked_after_each_time, SETTINGS);
fn no_cache_is_kept_and_asked_after_each_time(stack: &Stack) {
    for (n, control) in ["no-cache", "max-age=0, must-revalidate"].iter().enumerate() {
        let (name, target) = (format!("each{n}"), format!("/long/count/each{n}"));
        stack.oracle.set(&name, &format!("etag=a&h=Cache-Control:{}", control.replace(' ', "%20")));
        stack.get(&target).expect(200).expect_cache(&["fwd=uri-miss", "stored"]);
        for call in 1..4 {
            let page = stack.get_with(&target, &[("Cookie", "_ga=1")]).expect(200);
            assert_eq!(page.expect_cache(&["fwd=stale", "fwd-status=304"]).text(), "1\n");
            assert_eq!(condition(stack, &name, call).as_deref(), Some("\"a\""));
        }
        // The client's own copy is good enough.
        stack.get_with(&target, &[("If-None-Match", "\"a\"")]).expect(304);
        stack.oracle.set(&name, &format!("etag=b&h=Cache-Control:{}", control.replace(' ', "%20")));
        assert_eq!(stack.get(&target).expect(200).text(), "6\n");
        assert_eq!(stack.get(&target).expect(200).text(), "7\n");
        assert_eq!(stack.get(&target).expect(200).expect_cache(&["fwd-status=304"]).text(), "7\n");
    }
}

both_topologies!(who_must_ask_waits_for_no_other, SETTINGS);
fn who_must_ask_waits_for_no_other(stack: &Stack) {
    let target = "/long/count/parallel?etag=a&hold=1&h=Cache-Control:no-cache";
    // Cold: those who waited go all at once as soon as it shows.
    for (released, all) in [(1, 6), (6, 12)] {
        thread::scope(|scope| {
            let asking = scope.spawn(|| stack.at_once(6, target));
            stack.oracle.release("parallel", released);
            stack.oracle.wait_for_running("parallel", 2);
            stack.oracle.release("parallel", all);
            for page in asking.join().unwrap() {
                page.expect(200);
            }
        });
    }
    assert_eq!(stack.oracle.calls("parallel"), 12);
}

both_topologies!(a_304_that_stands_for_nothing_is_a_bad_reply, SETTINGS);
fn a_304_that_stands_for_nothing_is_a_bad_reply(stack: &Stack) {
    for target in ["/long/count/unasked?status=304", "/count/uncached?status=304"] {
        for _ in 0..2 {
            stack.get(target).expect(502);
        }
    }
    assert_eq!(stack.oracle.calls("unasked"), 2, "it was stored");
    // Where nothing is cached the condition is the client's.
    stack.get_with("/count/own?etag=a", &[("If-None-Match", "\"a\"")]).expect(304);
    // About another page than the one that was named: asked again without.
    stack.oracle.set("other", "etag=a");
    stack.get("/short/count/other").expect(200);
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("other", "status=304&h=ETag:%22b%22");
    stack.get("/short/count/other").expect(502);
    assert_eq!(
        (condition(stack, "other", 1).as_deref(), condition(stack, "other", 2)),
        (Some("\"a\""), None)
    );
}

both_topologies!(a_304_may_withdraw_the_page, SETTINGS);
fn a_304_may_withdraw_the_page(stack: &Stack) {
    for (name, field) in [("mine", "Cache-Control:private"), ("cookie", "Set-Cookie:a%3Db")] {
        let target = format!("/short/count/{name}");
        stack.oracle.set(name, "etag=a");
        stack.get(&target).expect(200).expect_cache(&["stored"]);
        thread::sleep(PAST_A_SECOND);
        stack.oracle.set(name, &format!("etag=a&h={field}"));
        for page in ["3\n", "4\n"] {
            assert_eq!(stack.get(&target).expect(200).text(), page, "{name}");
        }
    }
}

fn by_get_alone() -> Settings {
    site([Location::cached("/", "600s")
        .cache("stale_while_revalidate", "600s")
        .cache("methods", vec!["GET"])])
}

both_topologies!(a_head_that_the_application_answers_tells_of_the_stored_page, by_get_alone());
fn a_head_that_the_application_answers_tells_of_the_stored_page(stack: &Stack) {
    let page = "/count/h?size=100&etag=";
    assert_eq!(stack.get(&format!("{page}a")).expect(200).field("etag"), Some("\"a\""));
    // RFC 9111 section 4.3.5: the same validator and length, the page still holds.
    stack.ask("HEAD", &format!("{page}a"), &[], b"").expect(200);
    let calls = stack.oracle.calls("h");
    stack.get(&format!("{page}a")).expect(200).expect_cache(&["hit"]);
    assert_eq!(stack.oracle.calls("h"), calls);
    // Another validator: the page is stale everywhere, and made anew.
    stack.oracle.set("renamed", "etag=one");
    stack.get("/count/renamed").expect(200);
    stack.oracle.set("renamed", "etag=two");
    stack.ask("HEAD", "/count/renamed", &[], b"").expect(200);
    until("it is made anew", || {
        (stack.get("/count/renamed").expect(200).field("etag") == Some("\"two\"")).then_some(())
    });
}
