//! What this edge has stored for the request, in words.

use std::time::Instant;

use crate::cache::page::Page;
use crate::explain::Steps;
use crate::handler::plan::{CachePlan, Join};

const STEP: &str = "stored here";

pub(super) fn report(plan: &CachePlan, steps: &mut Steps) {
    let rule = "RFC 9111 section 4";
    match plan {
        CachePlan::Hit(page) => steps.push(STEP, aged("fresh", page), "RFC 9111 section 4.2"),
        CachePlan::Stale(page) => {
            steps.push(
                STEP,
                aged("stale, served while one request refreshes it", page),
                "RFC 5861 section 3",
            );
        }
        CachePlan::Standby(page, reason) => {
            let found = aged("stale, served because a refresh failed a moment ago", page);
            steps.push(STEP, found, reason.rule());
        }
        CachePlan::Revalidate(page, reason) => {
            steps.push(STEP, aged("must be revalidated first", page), reason.rule());
        }
        CachePlan::Bypass(reason) => steps.reason(STEP, *reason),
        CachePlan::Join(Join { mark: Some(mark), .. }) => steps.reason(STEP, mark.reason),
        CachePlan::Join(Join { variant: Some(_), .. }) => {
            steps.push(STEP, "not this variant, or it is too old", "RFC 9111 section 4.1");
        }
        CachePlan::NothingStored => steps.push(STEP, "nothing that this request may use", rule),
        CachePlan::NoStore(_) | CachePlan::AskNode | CachePlan::Join(_) => steps.push(STEP, "nothing", rule),
    }
}

fn aged(what: &str, page: &Page) -> String {
    let age = page.head.age(Instant::now());
    format!("{what}; age {:.1} s of {:.1} s", age.as_secs_f64(), page.head.lifetime.ttl.as_secs_f64())
}
