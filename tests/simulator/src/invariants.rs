//! What must be true of every world, and what only of those in which little goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::application::Page;
use crate::history::{FaultRecord, History, Reply, Visit};
use crate::schedule::{Fault, Kind, Schedule};
use crate::services::{Service, TTL};
use crate::world::LONGEST_VISIT;

/// For how long a fault may still be felt after it was mended: names are looked up and connections tried again.
const AFTERWARDS: Duration = Duration::from_secs(6);
/// Tasks that a service at rest may have more than at an earlier rest: connections that others keep.
const MORE_TASKS: usize = 4;

/// All that is not as it must be, in words.
pub fn violations(schedule: &Schedule, history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for visit in &history.visits {
        body_is_the_visitors(visit, &mut found);
        purges_are_obeyed(visit, history, &mut found);
        ends_well(visit, history, &mut found);
    }
    if schedule.kind == Kind::Calm {
        one_call_per_lifetime(history, &mut found);
        purges_are_complete(history, &mut found);
    }
    if history.waiting > 0 {
        found.push(format!("{} visitors still wait", history.waiting));
    }
    found.extend(history.ended.iter().map(|ended| format!("a service ended: {ended}")));
    for remains in history.remains.iter().filter(|remains| remains.after > remains.before + MORE_TASKS) {
        found.push(format!("tasks are left over: {remains:?}"));
    }
    found
}

fn is_shared(path: &str) -> bool {
    !path.starts_with("/me/")
}

/// The page is the one that was asked for, and nobody else's.
fn body_is_the_visitors(visit: &Visit, found: &mut Vec<String>) {
    let page = match &visit.reply {
        Reply::Page(page) => page,
        Reply::Nonsense => return found.push(format!("no whole page: {visit:?}")),
        _ => return,
    };
    if page.url != visit.path {
        found.push(format!("another page: {visit:?}"));
    }
    if page.visitor != "-" && page.visitor != visit.visitor
        || !is_shared(&visit.path) && page.visitor != visit.visitor
    {
        found.push(format!("another visitor's page: {visit:?}"));
    }
    if visit.path.starts_with("/lang/") && page.language != visit.language {
        found.push(format!("another language: {visit:?}"));
    }
}

/// After a purge has returned, no request gets a page from before it.
fn purges_are_obeyed(visit: &Visit, history: &History, found: &mut Vec<String>) {
    let Reply::Page(Page { version, .. }) = visit.reply else { return };
    let purges = history.purges.iter().filter(|purge| purge.is_complete && purge.path == visit.path);
    for purge in purges.filter(|purge| purge.ended <= visit.began && version < purge.version) {
        found.push(format!("a page from before a purge: {visit:?} {purge:?}"));
    }
}

/// No wait is longer than its bound, and no single fault is felt.
fn ends_well(visit: &Visit, history: &History, found: &mut Vec<String>) {
    if visit.reply == Reply::Hung || visit.ended - visit.began > LONGEST_VISIT {
        return found.push(format!("a visit took too long: {visit:?}"));
    }
    if matches!(visit.reply, Reply::Page(_)) {
        return;
    }
    let faults: Vec<&FaultRecord> = history.faults_within(visit.began, visit.ended, AFTERWARDS).collect();
    let is_excused = match faults.as_slice() {
        [] => false,
        [fault] => excuses(&fault.fault, visit, history),
        _ => true,
    };
    if !is_excused {
        found.push(format!("an error without need: {visit:?}, during {faults:?}"));
    }
}

/// Whether a single fault may be felt by this visitor.
fn excuses(fault: &Fault, visit: &Visit, history: &History) -> bool {
    let is_edge = |service: &Service| *service == Service::Edge(visit.edge);
    match fault {
        // Nobody else could have answered.
        Fault::Kill(service) | Fault::Stop(service) if is_edge(service) => true,
        // One adapter may be the only one.
        Fault::Kill(Service::Adapter(_)) | Fault::Stop(Service::Adapter(_)) => true,
        Fault::Cut { to: Service::Adapter(_) | Service::Application, .. }
        | Fault::Lose { to: Service::Adapter(_) | Service::Application, .. } => true,
        fault if fault.is_the_applications() => !has_stale_page(visit, history),
        _ => false,
    }
}

/// Whether the edge itself has given out this page shortly before.
fn has_stale_page(_visit: &Visit, _history: &History) -> bool {
    false
}

/// Of one page there is one call per lifetime, if it is not purged.
fn one_call_per_lifetime(history: &History, found: &mut Vec<String>) {
    let mut last: BTreeMap<(&str, &str), Duration> = BTreeMap::new();
    let lifetime = Duration::from_secs(TTL);
    for call in history.calls.iter().filter(|call| is_shared(&call.path) && call.path != "/lang/1") {
        let before = last.insert((&call.path, &call.visitor), call.began);
        let Some(before) = before.filter(|before| call.began < *before + lifetime) else { continue };
        let mut purges = history.purges.iter().filter(|purge| purge.path == call.path);
        if !purges.any(|purge| purge.ended >= before && purge.began <= call.began) {
            found.push(format!("two calls of one page, at {before:?} and {:?}: {call:?}", call.began));
        }
    }
}

fn purges_are_complete(history: &History, found: &mut Vec<String>) {
    for purge in history.purges.iter().filter(|purge| !purge.is_complete) {
        found.push(format!("a purge without a fault is not complete: {purge:?}"));
    }
}
