//! Each key of docs/settings.md is taken over by a reload, by a way that a test shows, or is on the list of
//! those that only a new process takes over. A new key must be put on one of the two.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How a reload takes over a table of the document: all keys below a heading alike. `edge`: a new edge is
/// built of it. The test is one of `tests/tests/e2e/`.
const TABLES: &[(&str, &str)] = &[
    ("Client certificates", "reload::certificates_of_listeners_and_what_clients_must_show_change"),
    ("bounds", "reload::limits_timeouts_logs_and_caches_change_in_place"),
    ("replace", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("recode", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("trailers", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[edge.acme]", "acme::a_restart_orders_nothing_and_a_reload_takes_new_names"),
    ("[edge.l1]", "reload::limits_timeouts_logs_and_caches_change_in_place"),
    ("[edge.timeouts]", "reload::limits_timeouts_logs_and_caches_change_in_place"),
    ("[edge.limits]", "reload::limits_timeouts_logs_and_caches_change_in_place"),
    ("[edge.files]", "reload::limits_timeouts_logs_and_caches_change_in_place"),
    ("[[edge.site]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[[edge.site.location]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("compress", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("auth_request", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("secure_link", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[edge.limit_zones.NAME]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("limit_req", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("limit_conn", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[edge.site.location.cache]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[[edge.map]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[[edge.geo]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[[edge.split]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("reply_fields", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("reply_rewrite", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("pool_choice", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("pool_request", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("request_fields", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("cors", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("error_log", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("logs", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[[wsgi_adapter.pool]]", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("servers", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
    ("[wsgi_adapter.pool.tls]", "reload::nobody_notices_reloads_under_load"),
    ("[wsgi_adapter.pool.sticky]", "reload::nobody_notices_reloads_under_load"),
    ("[wsgi_adapter.pool.check]", "reload::nobody_notices_reloads_under_load"),
    ("[wsgi_adapter.pool.eject]", "reload::nobody_notices_reloads_under_load"),
];

/// Tables of which some keys cannot change: those that can, each with its test.
const MIXED: &[(&str, &[(&str, &str)])] = &[
    (
        "[edge]",
        &[
            ("listen", "reload::listeners_come_and_go_and_open_connections_stay"),
            ("admin", "reload::the_admin_listener_moves_and_believes_other_hosts"),
            ("admin_hosts", "reload::the_admin_listener_moves_and_believes_other_hosts"),
            ("admin_token_file", "reload::the_admin_listener_moves_and_believes_other_hosts"),
            ("access_log", "reload::limits_timeouts_logs_and_caches_change_in_place"),
            ("access_log_to", "reload::limits_timeouts_logs_and_caches_change_in_place"),
            ("error_log_level", "reload::limits_timeouts_logs_and_caches_change_in_place"),
            ("nginx_cache_status", "reload::limits_timeouts_logs_and_caches_change_in_place"),
            ("strict_targets", "reload::a_changed_file_is_taken_over_by_watch_and_told_by_the_command"),
            ("*", "reload::limits_timeouts_logs_and_caches_change_in_place"),
        ],
    ),
    (
        "[cache_node]",
        &[
            ("memory", "reload::bounds_of_the_node_change_in_place"),
            ("max_object", "reload::bounds_of_the_node_change_in_place"),
            ("max_receiving", "reload::bounds_of_the_node_change_in_place"),
            ("max_waiting", "reload::bounds_of_the_node_change_in_place"),
            ("max_waiting_per_page", "reload::bounds_of_the_node_change_in_place"),
            ("max_wait", "reload::bounds_of_the_node_change_in_place"),
            ("send_timeout", "reload::bounds_of_the_node_change_in_place"),
            ("admin_hosts", "reload::bounds_of_the_node_change_in_place"),
            ("admin_token_file", "reload::bounds_of_the_node_change_in_place"),
        ],
    ),
    (
        "[wsgi_adapter]",
        &[
            ("admin_hosts", "reload::the_admin_listener_moves_and_believes_other_hosts"),
            ("admin_token_file", "reload::the_admin_listener_moves_and_believes_other_hosts"),
            ("body_memory", "reload::nobody_notices_reloads_under_load"),
            ("tunnel_drain", "reload::nobody_notices_reloads_under_load"),
            ("pool", "reload::a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not"),
        ],
    ),
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// What only a new process takes over, of all services, on their own and in one process.
fn fixed() -> BTreeSet<&'static str> {
    let lists = [edge::FIXED, cache_node::FIXED, wsgi_adapter::FIXED, &["wsgi_adapter.admin"]];
    lists.concat().into_iter().collect()
}

/// The keys of the document's tables, by the heading above.
fn documented() -> Vec<(String, String)> {
    let (mut keys, mut heading, mut inside) = (Vec::new(), String::new(), false);
    for line in read("docs/settings.md").lines() {
        if let Some(title) = line.strip_prefix('#') {
            let title = title.trim_start_matches(['#', ' ']);
            heading = title.split(':').next().unwrap().to_owned();
        }
        inside = line.starts_with("| key | type | default |") || (inside && line.starts_with('|'));
        if inside && line.starts_with("| `") {
            let cell = line.split(" | ").next().unwrap();
            keys.extend(cell.split('`').skip(1).step_by(2).map(|key| (heading.clone(), key.to_owned())));
        }
    }
    keys
}

#[test]
fn each_key_is_reloaded_or_said_to_need_a_new_process() {
    let fixed = fixed();
    let mut forgotten = Vec::new();
    for (heading, key) in documented() {
        let table = heading.trim_matches(['[', ']']);
        let is_fixed = fixed.contains(table) || fixed.contains(format!("{table}.{key}").as_str());
        let whole = TABLES.iter().any(|(known, _)| *known == heading);
        let single = MIXED.iter().find(|(known, _)| *known == heading);
        let single =
            single.is_some_and(|(_, keys)| keys.iter().any(|(known, _)| *known == key || *known == "*"));
        if !is_fixed && !whole && !single {
            forgotten.push(format!("{heading} {key}"));
        }
        assert!(!(is_fixed && whole), "{heading} {key} is on both lists");
    }
    assert!(forgotten.is_empty(), "how does a reload take these over? {forgotten:#?}");
}

#[test]
fn each_way_is_shown_by_a_test_that_there_is() {
    let tests = TABLES.iter().map(|(_, test)| *test);
    let tests = tests.chain(MIXED.iter().flat_map(|(_, keys)| keys.iter().map(|(_, test)| *test)));
    for test in tests.collect::<BTreeSet<_>>() {
        let (module, name) = test.split_once("::").unwrap();
        let text = read(&format!("tests/tests/e2e/{module}.rs"));
        assert!(text.contains(&format!("fn {name}(")), "there is no {test}");
    }
}

#[test]
fn operate_md_names_what_needs_a_new_process() {
    let text = read("docs/operate.md");
    let part = text.split("## Change settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    let named: BTreeSet<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(named, fixed());
}
