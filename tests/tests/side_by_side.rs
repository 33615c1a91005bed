//! Weir and nginx side by side: each feature of `tests/side-by-side/` as nginx's configuration and as Weir's
//! settings, asked the same wild requests, over HTTP/1 and HTTP/2, in both topologies (docs/suites.md).
//!
//! `WEIR_REQUESTS` is how many requests each feature gets, `WEIR_FEATURES` names some of them, `WEIR_SEED`
//! gives other requests. Status, fields and body are equal, or the difference is one of
//! docs/nginx-differences.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // it fails by panics, and prints a table

#[path = "side_by_side/asker.rs"]
mod asker;
#[path = "side_by_side/draw.rs"]
mod draw;
#[path = "side_by_side/feature.rs"]
mod feature;
#[path = "side_by_side/files.rs"]
mod files;
#[path = "side_by_side/identities.rs"]
mod identities;
#[path = "side_by_side/ledger.rs"]
mod ledger;
#[path = "side_by_side/round.rs"]
mod round;
#[path = "side_by_side/servers.rs"]
mod servers;

use feature::Feature;
use ledger::Ledger;

/// Requests of each feature where nothing else is said.
const REQUESTS: usize = 50;

#[test]
fn features_that_share_a_server_answer_as_nginx_does() {
    let features: Vec<Feature> = feature::all().into_iter().filter(|feature| !feature.is_alone()).collect();
    compare(&features);
}

#[test]
fn features_with_settings_for_the_whole_server_answer_as_nginx_does() {
    for feature in feature::all().into_iter().filter(Feature::is_alone) {
        compare(&[feature]);
    }
}

/// Puts these features side by side, all in one nginx, one `weir` and one set of services.
fn compare(features: &[Feature]) {
    if features.is_empty() {
        return;
    }
    let (requests, seed) = (number("WEIR_REQUESTS", REQUESTS), number("WEIR_SEED", 1));
    let mut servers = servers::Servers::start(features);
    let ledgers: Vec<Ledger> =
        features.iter().map(|feature| round::run(&mut servers, feature, requests, seed)).collect();
    servers.expect_no_panic();
    drop(servers); // their logs say nothing of differences
    ledgers.iter().for_each(|ledger| println!("{ledger}"));
    let different: usize = ledgers.iter().map(|ledger| ledger.different).sum();
    assert_eq!(different, 0, "requests that differ are listed above");
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}
