//! Waits for what the application leaves behind, where weir is the first process of a container: a process
//! whose parent has ended is then weir's, and stays in the table of processes until somebody has asked how it
//! ended.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, waitpid};

const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Orphans {
    is_first: bool,
    looked: Instant,
}

impl Orphans {
    pub(super) fn new() -> Self {
        Self { is_first: std::process::id() == 1, looked: Instant::now() }
    }

    /// Waits for those that have ended. Whoever started a process of `own`, or one in weir's own group, waits
    /// for it.
    pub(super) fn reap(&mut self, own: &[u32]) {
        if !self.is_first || self.looked.elapsed() < EVERY {
            return;
        }
        self.looked = Instant::now();
        let Some(weir) = ProcessLine::read(Path::new("/proc/self")) else { return };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for child in entries.filter_map(|entry| ProcessLine::read(&entry.path())) {
            let is_orphan = child.has_ended && child.parent == weir.id && child.group != weir.group;
            if is_orphan && !own.contains(&child.id.cast_unsigned()) {
                let _ = waitpid(Pid::from_raw(child.id), WaitOptions::NOHANG);
            }
        }
    }
}

/// What the system says of a process.
#[derive(Debug, PartialEq, Eq)]
struct ProcessLine {
    id: i32,
    /// Nobody has waited for it yet.
    has_ended: bool,
    parent: i32,
    group: i32,
}

impl ProcessLine {
    fn read(directory: &Path) -> Option<Self> {
        Self::of(&fs::read_to_string(directory.join("stat")).ok()?)
    }

    /// `123 (name) Z 1 120 …`. The name may hold anything.
    fn of(line: &str) -> Option<Self> {
        let id = line.split_once(' ')?.0.parse().ok()?;
        let mut fields = line.rsplit_once(") ")?.1.split(' ');
        let has_ended = fields.next()? == "Z";
        let mut number = || fields.next()?.parse().ok();
        Some(Self { id, has_ended, parent: number()?, group: number()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_processes() {
        let line = |id, has_ended, parent, group| Some(ProcessLine { id, has_ended, parent, group });
        for (text, expected) in [
            ("12 (sleep) Z 1 9 9 0 -1 4227084", line(12, true, 1, 9)),
            ("12 (a) Z 1 (b) S 1 9 9 0 -1", line(12, false, 1, 9)),
            ("1 (weir) S 0 0 0 0", line(1, false, 0, 0)),
            ("12 (Z 1 9", None),
            ("cpu  1 2 3", None),
            ("", None),
        ] {
            assert_eq!(ProcessLine::of(text), expected, "{text}");
        }
        assert_eq!(
            ProcessLine::read(Path::new("/proc/self")).map(|own| own.id.cast_unsigned()),
            Some(std::process::id())
        );
    }
}
