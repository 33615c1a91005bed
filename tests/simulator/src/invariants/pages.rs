//! How old a page may be that a visitor gets, and how long it takes.

use std::time::Duration;

use super::AFTERWARDS;
use crate::application;
use crate::history::{FaultRecord, History, Reply, Visit};
use crate::schedule::{Aim, Fault, Schedule};
use crate::services::{STALE_WHILE_REVALIDATE, TTL};

/// A page is given out for this long after it was made, while the application is well and can be reached.
const LONGEST_LIFE: Duration = Duration::from_secs(TTL + STALE_WHILE_REVALIDATE);
/// Beyond that, for what is on its way.
const SLACK: Duration = Duration::from_millis(500);
/// Who waits for a page gets it this long after it is made, and a purge is complete within that, if nothing
/// is late. Who waits for another node looks again each 250 ms, and a node's beat is each 200 ms: no news.
const PROMPT: Duration = Duration::from_millis(90);
/// The longest that a visitor waits for a lease that nobody holds any more, which lasts 3 s, and the page.
const PATIENT: Duration = Duration::from_secs(4);
/// The longest that a visitor waits for a short page because others do not read long ones.
const HELD_UP: Duration = Duration::from_secs(2);

/// Nobody gets a page that is older than its life, unless the application or the way there is out of order.
pub(super) fn are_young(history: &History, found: &mut Vec<String>) {
    for visit in &history.visits {
        let Reply::Page(page) = &visit.reply else { continue };
        let Some(made) = history.calls.get(page.call).and_then(|call| call.ended) else { continue };
        let faults = history.faults_within(made, visit.ended, AFTERWARDS);
        let is_excused = faults.into_iter().any(|fault| bars_the_application(&fault.fault));
        if visit.began > made + LONGEST_LIFE + SLACK && !is_excused {
            found.push(format!("a page beyond its life, made at {made:?}: {visit:?}"));
        }
    }
}

/// Whether an old page may have to stand in for a new one.
fn bars_the_application(fault: &Fault) -> bool {
    !matches!(fault, Fault::Clock { .. } | Fault::FailOver | Fault::Empty) && !fault.is_of_nodes_alone()
}

/// At one edge, nobody gets an older page than one who came and went before.
pub(super) fn go_forwards(history: &History, found: &mut Vec<String>) {
    for visit in &history.visits {
        let Reply::Page(page) = &visit.reply else { continue };
        let newer = history.visits.iter().find(|earlier| {
            (earlier.edge, &earlier.path) == (visit.edge, &visit.path)
                && earlier.ended <= visit.began
                && matches!(&earlier.reply, Reply::Page(known) if known.version > page.version)
        });
        if let Some(newer) = newer {
            found.push(format!("an older page than before: {visit:?} after {newer:?}"));
        }
    }
}

/// In a world where nothing is late, nothing takes longer than its news.
pub(super) fn are_prompt(history: &History, schedule: &Schedule, found: &mut Vec<String>) {
    for visit in &history.visits {
        if visit.ended - visit.began > schedule.takes + PROMPT {
            found.push(format!("a wait without need: {visit:?}"));
        }
    }
    for purge in &history.purges {
        if purge.ended - purge.began > PROMPT {
            found.push(format!("a purge that waits without need: {purge:?}"));
        }
    }
}

/// Nobody waits for one who is gone.
pub(super) fn wait_for_somebody(history: &History, found: &mut Vec<String>) {
    let waits = |visit: &&Visit| visit.ended - visit.began > PATIENT;
    for visit in history.visits.iter().filter(waits) {
        let faults: Vec<&FaultRecord> =
            history.faults_within(visit.began, visit.ended, Duration::ZERO).collect();
        found.push(format!("a wait for nobody: {visit:?}, during {faults:?}"));
    }
}

/// Nobody who reads waits for those who do not.
pub(super) fn are_not_held_up(history: &History, found: &mut Vec<String>) {
    let reads = |visit: &&Visit| visit.pace.is_none() && !application::is_long(&visit.path);
    for visit in history.visits.iter().filter(reads) {
        if visit.ended - visit.began > HELD_UP {
            found.push(format!("held up by others: {visit:?}"));
        }
    }
}

/// The invariants that worlds of this aim show.
pub(super) fn by_aim(schedule: &Schedule, history: &History, found: &mut Vec<String>) {
    are_young(history, found);
    match schedule.aim {
        Aim::Prompt => are_prompt(history, schedule, found),
        Aim::Frozen => go_forwards(history, found),
        Aim::Clock => wait_for_somebody(history, found),
        Aim::Scarce => are_not_held_up(history, found),
        Aim::Mixed | Aim::Split | Aim::Slow | Aim::Scene(_) => {}
    }
}
