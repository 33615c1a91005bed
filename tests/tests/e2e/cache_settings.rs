//! What a location's cache settings change: the key, which requests use the cache, what is stored and for how
//! long.

use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::{Stack, binary, both_topologies, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]

[[edge.site.location]]
match = "/brief/"
pool = "app"
[edge.site.location.cache]
ttl = "1.5s"
stale_while_revalidate = "0s"

[[edge.site.location]]
match = "/key/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
allow_query = ["page*", "body"]
key_fields = ["X-Country"]

[[edge.site.location]]
match = "/sorted/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
sort_query = true

[[edge.site.location]]
match = "/seldom/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
min_uses = 3

[[edge.site.location]]
match = "/rules/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
bypass = { method = ["HEAD"], header = ["X-Preview"], cookie = ["edit*=1"], query = ["draft"] }
no_store = { header = ["X-Quiet=yes*"], cookie = ["quiet"], query = ["quiet=1"] }
cookies = { ignore = ["edit*", "quiet"] }

[[edge.site.location]]
match = "/small/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
max_object = "1KiB"
ignore_fields = ["Cache-Control", "Set-Cookie", "Vary"]
methods = ["GET"]

[[edge.site.location]]
match = "/guess/"
pool = "app"
[edge.site.location.cache]
ttl = "0s"
heuristic = 0.1
"#;

both_topologies!(a_page_counts_as_stored_only_if_it_is, SETTINGS);
fn a_page_counts_as_stored_only_if_it_is(stack: &Stack) {
    // What the defaults have room for: L1 up to 1 MiB, the node up to 8 MiB.
    for (name, mebibytes, stored) in [("l1", 1, true), ("node", 7, true), ("nowhere", 9, false)] {
        for length in ["", "&nolength=1"] {
            let name = format!("{name}{}", length.len());
            let target = format!("/sorted/count/{name}?size={}{length}", mebibytes << 20);
            let first = stack.get(&target).expect(200);
            assert!(first.whole && first.body.len() == mebibytes << 20);
            // When the head of a reply without a length is sent, it is not known.
            if length.is_empty() {
                assert_eq!(first.cache_status().contains("stored"), stored, "{}", first.cache_status());
            }
            stack.get(&target).expect(200);
            assert_eq!(stack.oracle.calls(&name), if stored { 1 } else { 2 }, "{target}");
        }
    }
}

#[test]
fn bounds_for_pages_that_disagree_are_a_mistake() {
    let directory = TempDir::new().unwrap();
    let check = |location: &str, node: &str| {
        let file = directory.path().join("weir.toml");
        let text = format!(
            "[[edge.site]]\nserver_name = ['x']\n[[edge.site.location]]\nmatch = '/'\npool = 'app'\n\
             cache = {{ {location} }}\n[cache_node]\n{node}\n\
             [[wsgi_adapter.pool]]\nname = 'app'\nservers = ['127.0.0.1:1']\n"
        );
        std::fs::write(&file, text).unwrap();
        let output = Command::new(binary("weir")).arg("check").arg(&file).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(check("", "").0);
    assert!(check("max_object = '8MiB'", "").0);
    assert!(check("max_object = '12MiB'", "max_object = '12MiB'").0);
    let (fine, told) = check("max_object = '12MiB'", "");
    assert!(!fine && told.contains("weir.toml:6:") && told.contains("cache_node.max_object"), "{told}");
    assert!(!check("max_object = '3MiB'", "max_object = '2MiB'").0);
}

both_topologies!(a_fraction_of_a_second_is_one, SETTINGS);
fn a_fraction_of_a_second_is_one(stack: &Stack) {
    let target = "/brief/count/fraction";
    assert_eq!(stack.get(target).expect(200).text(), "1\n");
    // Not much longer than it says, and not at once.
    until("a hit", || stack.get(target).cache_status().contains("hit").then_some(()));
    let calls = stack.oracle.calls("fraction");
    thread::sleep(Duration::from_millis(1_600));
    assert_eq!(stack.get(target).expect(200).expect_cache(&["fwd=stale"]).text(), format!("{}\n", calls + 1));
}

both_topologies!(the_key_holds_what_the_settings_say, SETTINGS);
fn the_key_holds_what_the_settings_say(stack: &Stack) {
    let target = "/key/count/key?page=2&body=field:X-Country";
    let ask = |query: &str, country| {
        stack.get_with(&format!("{target}{query}"), &[("X-Country", country)]).expect(200).text()
    };
    assert_eq!(ask("", "CH"), "1 X-Country=CH\n");
    assert_eq!(ask("&x=1&utm_source=a", "DE"), "2 X-Country=DE\n");
    assert_eq!(ask("&y=2", "CH"), "1 X-Country=CH\n");
    assert_eq!(ask("&pages=3", "CH"), "3 X-Country=CH\n");
    assert_eq!(stack.oracle.call("key", 1)["uri"], target, "the application sees what the key holds");
    let long = "9".repeat(200);
    let passed = stack.get_with(target, &[("X-Country", &long)]).expect(200);
    passed.expect_cache(&["fwd=request", "detail=key-field"]);
    // Sorted by name; the order of two of one name counts.
    for (query, page) in
        [("b=1&a=2", 1), ("a=2&b=1", 1), ("b=1&a=2&a=1", 2), ("a=2&a=1&b=1", 2), ("a=1&a=2&b=1", 3)]
    {
        let text = stack.get(&format!("/sorted/count/sorted?{query}")).expect(200).text();
        assert_eq!(text, format!("{page}\n"), "{query}");
    }
}

both_topologies!(a_page_is_stored_once_it_was_asked_for_often_enough, SETTINGS);
fn a_page_is_stored_once_it_was_asked_for_often_enough(stack: &Stack) {
    let target = "/seldom/count/uses";
    for page in ["1\n", "2\n"] {
        assert_eq!(stack.get(target).expect_cache(&["fwd=bypass", "detail=min-uses"]).text(), page);
    }
    assert_eq!(stack.get(target).expect_cache(&["stored"]).text(), "3\n");
    assert_eq!(stack.get(target).expect_cache(&["hit"]).text(), "3\n");
}

type Fields<'a> = &'a [(&'a str, &'a str)];

both_topologies!(rules_pick_requests, SETTINGS);
fn rules_pick_requests(stack: &Stack) {
    stack.get("/rules/count/rules").expect(200).expect_cache(&["stored"]);
    let bypassed: &[(&str, &str, Fields<'_>)] = &[
        ("HEAD", "", &[]),
        ("GET", "", &[("X-Preview", "")]),
        ("GET", "", &[("Cookie", "a=1; editor=1")]),
        ("GET", "?draft", &[]),
        ("GET", "?a=1&draft=0", &[]),
    ];
    for (method, query, fields) in bypassed {
        let target = format!("/rules/count/rules{query}");
        let response = stack.ask(method, &target, fields, b"").expect(200);
        response.expect_cache(&["fwd=bypass", "detail=bypass"]);
    }
    assert_eq!(stack.oracle.calls("rules"), 6);
    stack.get_with("/rules/count/rules", &[("Cookie", "editor=2"), ("X-Quiet", "no")]).expect_cache(&["hit"]);
    // Answered from the cache if possible, and else not stored.
    let quiet: &[(&str, Fields<'_>)] =
        &[("", &[("X-Quiet", "yes please")]), ("", &[("Cookie", "quiet=")]), ("?quiet=1", &[])];
    for (query, fields) in quiet {
        let target = format!("/rules/count/quiet{query}");
        for _ in 0..2 {
            stack.get_with(&target, fields).expect(200).expect_cache(&["detail=no-store-rule"]);
        }
        stack.get_with(&format!("/rules/count/rules{query}"), fields).expect(200);
    }
    stack.get_with("/rules/count/rules", quiet[0].1).expect_cache(&["hit"]);
}

both_topologies!(sizes_fields_and_methods, SETTINGS);
fn sizes_fields_and_methods(stack: &Stack) {
    for (n, length) in ["", "&nolength=1"].iter().enumerate() {
        let target = format!("/small/count/large{n}?size=2000{length}");
        stack.get(&target).expect(200);
        let second = stack.get(&target).expect(200);
        assert!(second.text().starts_with("2\n") && second.body.len() == 2000);
    }
    let target = "/small/count/ignored?h=Cache-Control:no-store&h=Set-Cookie:a%3Db&h=Vary:*";
    let first = stack.get(target).expect(200).expect_cache(&["stored"]);
    assert_eq!(first.field("set-cookie"), Some("a=b"), "its own visitor gets all of it");
    let hit = stack.get(target).expect_cache(&["hit"]);
    assert_eq!(hit.field("set-cookie"), None, "a stored page sets no cookie");
    stack.ask("HEAD", target, &[], b"").expect(200).expect_cache(&["fwd=method"]);
}

both_topologies!(a_lifetime_is_guessed_only_where_it_is_set, SETTINGS);
fn a_lifetime_is_guessed_only_where_it_is_set(stack: &Stack) {
    let modified = "&modified=Sun,%2006%20Nov%201994%2008:49:37%20GMT";
    let target = format!("/guess/count/guess?x=1{modified}");
    stack.get(&target).expect(200).expect_cache(&["stored"]);
    let hit = stack.get(&target).expect(200);
    // A tenth of some decades, and no more than a day.
    let ttl = hit.cache_status().split("ttl=").nth(1).map(|ttl| ttl.parse::<u64>().unwrap());
    assert!(ttl.is_some_and(|ttl| ttl > 86_000 && ttl <= 86_400), "{}", hit.cache_status());
    stack.get("/guess/count/none").expect(200);
    assert_eq!(stack.get("/guess/count/none").expect(200).text(), "2\n");
}
