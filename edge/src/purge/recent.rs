//! The last purges that were asked for at this edge, with who has acknowledged them.

use std::collections::VecDeque;
use std::time::SystemTime;

use parking_lot::Mutex;
use purge::{Purge, Target};
use serde::Serialize;

use crate::purge::outcome::PurgeOutcome;

/// Purges kept, targets of each that are shown, and characters of each of those.
const KEPT: usize = 50;
const MOST_TARGETS: usize = 8;
const LONGEST: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct RecentPurges(Mutex<VecDeque<RecentPurge>>);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecentPurge {
    /// Seconds since 1970.
    at: f64,
    /// "url http://example.com/", "prefix …", "tag …", "all".
    targets: Vec<String>,
    /// Those that are not shown.
    further_targets: usize,
    soft: bool,
    #[serde(flatten)]
    outcome: PurgeOutcome,
}

impl RecentPurges {
    pub(super) fn add(&self, purge: &Purge, outcome: &PurgeOutcome) {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let targets: Vec<_> = purge.targets().iter().take(MOST_TARGETS).map(told).collect();
        let recent = RecentPurge {
            at: (at.as_secs_f64() * 1e3).round() / 1e3,
            further_targets: purge.targets().len() - targets.len(),
            targets,
            soft: purge.is_soft(),
            outcome: outcome.clone(),
        };
        let mut all = self.0.lock();
        if all.len() == KEPT {
            all.pop_back();
        }
        all.push_front(recent);
    }

    /// The newest first.
    pub(crate) fn all(&self) -> Vec<RecentPurge> {
        self.0.lock().iter().cloned().collect()
    }
}

fn told(target: &Target) -> String {
    let (kind, text) = match target {
        Target::All => return "all".to_owned(),
        Target::Url(text) => ("url", text),
        Target::Prefix(text) => ("prefix", text),
        Target::Tag(text) => ("tag", text),
    };
    let text: String =
        String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    format!("{kind} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_say_what_they_named() {
        let recent = RecentPurges::default();
        for n in 0..KEPT + 5 {
            let targets =
                vec![Target::Tag(format!("news{n}").into()), Target::Url("http://h/\x1b[2J".into())];
            let targets = targets.into_iter().cycle().take(20).collect();
            recent.add(
                &Purge::new(targets, true).unwrap(),
                &PurgeOutcome { complete: true, ..Default::default() },
            );
        }
        let all = recent.all();
        assert_eq!((all.len(), all[0].targets.len(), all[0].further_targets), (KEPT, MOST_TARGETS, 12));
        assert_eq!(all[0].targets[..2], [format!("tag news{}", KEPT + 4), "url http://h/[2J".to_owned()]);
        let json = serde_json::to_value(&all[0]).unwrap();
        assert_eq!((&json["soft"], &json["complete"]), (&true.into(), &true.into()));
    }
}
