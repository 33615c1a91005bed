//! What must be true of every world, and what only of those in which little goes wrong.

mod calls;
mod pages;

use std::time::Duration;

use crate::application::{self, Page};
use crate::history::{FaultRecord, History, Remains, Reply, Visit};
use crate::schedule::{Aim, Fault, Kind, Schedule};
use crate::services::{STALE_IF_ERROR, Service, TTL, Topology};
use crate::strike::Strike;
use crate::world::LONGEST_VISIT;

/// A fault may still be felt for this long after it was mended: names are looked up and connections are
/// tried again.
const AFTERWARDS: Duration = Duration::from_secs(6);
/// A page that was given out is there for this long, should the application fail.
const STALE: Duration = Duration::from_secs(TTL + STALE_IF_ERROR - 2);
/// Tasks that a service at rest may have more than at an earlier rest: connections that others keep.
const MORE_TASKS: usize = 4;

/// All that is not as it must be, in words.
pub fn violations(schedule: &Schedule, history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for visit in &history.visits {
        body_is_the_visitors(visit, &mut found);
        purges_are_obeyed(visit, history, &mut found);
        ends_well(visit, schedule, history, &mut found);
    }
    calls::one_per_lifetime(history, |path| is_kept(path, schedule.aim), &mut found);
    pages::by_aim(schedule, history, &mut found);
    if schedule.kind == Kind::Calm {
        purges_are_complete(history, &mut found);
    }
    if history.waiting > 0 {
        found.push(format!("{} visitors still wait", history.waiting));
    }
    found.extend(history.ended.iter().map(|ended| format!("a service ended: {ended}")));
    for remains in history.remains.iter().filter(|remains| grown(remains) > may_grow(remains, history)) {
        found.push(format!("tasks are left over: {remains:?}"));
    }
    found.extend(history.held.iter().map(|held| format!("something is held at rest: {held}")));
    if history.leases > 0 {
        found.push(format!("leases are held at rest: {}", history.leases));
    }
    found
}

fn grown(remains: &Remains) -> usize {
    remains.after.saturating_sub(remains.before)
}

/// Redis has a task for each connection that a node keeps, and each node may keep some more.
fn may_grow(remains: &Remains, history: &History) -> usize {
    let of_nodes = history.remains.iter().filter(|other| matches!(other.service, Service::Node(_)));
    match remains.service {
        Service::Redis => of_nodes.map(grown).sum::<usize>().max(MORE_TASKS),
        _ => MORE_TASKS,
    }
}

fn is_shared(path: &str) -> bool {
    !path.starts_with("/me/") && !path.starts_with("/up/")
}

/// Whether a page is kept for its life. Where memory for bodies is scarce, one that is not short may not be.
fn is_kept(path: &str, aim: Aim) -> bool {
    is_shared(path) && !application::is_long(path) && !(aim == Aim::Scarce && path.ends_with("/big"))
}

/// Whether this visitor may feel that something failed. Nobody does while there is a page to give.
fn strikes(strike: Strike, visit: &Visit, history: &History) -> bool {
    match strike {
        _ if !history.has_struck => false,
        // That one was told to, and no answer was begun.
        strike if strike.closes_connections() && visit.reply == Reply::Broken => true,
        _ if has_stale_page(visit, history) => false,
        // Nothing knows whether the application has begun, and there is no other server.
        Strike::Message(..) if history.has_struck_application => true,
        // Who has read some of the reply cannot be given another; what has a body is not sent twice.
        Strike::Message(..) => visit.reply == Reply::Broken || visit.path.starts_with("/up/"),
        Strike::Descriptor(_) | Strike::Limit(..) => true,
    }
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
    if (page.visitor != "-" || visit.path.starts_with("/me/")) && page.visitor != visit.visitor {
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
fn ends_well(visit: &Visit, schedule: &Schedule, history: &History, found: &mut Vec<String>) {
    if visit.reply == Reply::Hung || visit.ended - visit.began > LONGEST_VISIT {
        return found.push(format!("a visit took too long: {visit:?}"));
    }
    // Who takes little, or less than others who read a page for which there is no room, is cut off.
    let may_be_cut_off =
        visit.pace.is_some() || application::is_long(&visit.path) && visit.reply == Reply::Broken;
    if matches!(visit.reply, Reply::Page(_)) || may_be_cut_off {
        return;
    }
    let faults: Vec<&FaultRecord> = history.faults_within(visit.began, visit.ended, AFTERWARDS).collect();
    let is_excused = match faults.as_slice() {
        [] => false,
        [fault] => excuses(&fault.fault, visit, schedule.topology, history),
        _ => true,
    };
    if !is_excused {
        found.push(format!("an error without need: {visit:?}, during {faults:?}"));
    }
}

/// Whether a single fault may be felt by this visitor.
fn excuses(fault: &Fault, visit: &Visit, topology: Topology, history: &History) -> bool {
    let is_alone = topology.adapters == 1;
    match fault {
        // Nobody else could have answered.
        Fault::Kill(service) | Fault::Stop(service) if *service == Service::Edge(visit.edge) => true,
        Fault::Strike(strike) => strikes(*strike, visit, history),
        Fault::Freeze(service) if *service == Service::Edge(visit.edge) => true,
        Fault::Freeze(Service::Adapter(_)) => true,
        Fault::Kill(Service::Adapter(_)) | Fault::Stop(Service::Adapter(_)) => is_alone,
        Fault::Lose { to: Service::Adapter(_), .. } => is_alone,
        // A call may be on its way there for as long as nobody knows that it is lost.
        Fault::Cut { to: Service::Adapter(_) | Service::Application, .. } => true,
        Fault::Lose { to: Service::Application, .. } => !has_stale_page(visit, history),
        // Who has read some of the reply cannot be given another.
        Fault::ApplicationBreaks if matches!(visit.reply, Reply::Broken) => true,
        fault if fault.is_the_applications() => !has_stale_page(visit, history),
        _ => false,
    }
}

/// Whether the edge itself has given out this page shortly before, and nothing has ended it since.
fn has_stale_page(visit: &Visit, history: &History) -> bool {
    let is_same = |other: &&Visit| {
        (other.edge, &other.path, other.language) == (visit.edge, &visit.path, visit.language)
            && (other.visitor.is_empty() && visit.visitor.is_empty())
            && matches!(other.reply, Reply::Page(_))
            && other.ended <= visit.began
            && other.ended + STALE >= visit.ended
    };
    let mut earlier = history.visits.iter().filter(is_same);
    earlier.any(|earlier| {
        let mut purges = history.purges.iter().filter(|purge| purge.path == visit.path);
        let is_purged = purges.any(|purge| purge.ended >= earlier.began && purge.began <= visit.ended);
        let faults = history.faults_within(earlier.began, visit.ended, AFTERWARDS).count();
        !is_purged && faults == 1
    })
}

fn purges_are_complete(history: &History, found: &mut Vec<String>) {
    for purge in history.purges.iter().filter(|purge| !purge.is_complete) {
        found.push(format!("a purge without a fault is not complete: {purge:?}"));
    }
}
