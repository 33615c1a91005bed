//! `--reload`: notices that a source file or a template of the application has changed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const EVERY: Duration = Duration::from_millis(500);
/// Files that are looked at; a working directory with more is no application's.
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 16;
/// Code, templates, and compiled translations.
const ENDINGS: [&str; 7] = ["py", "html", "htm", "jinja", "jinja2", "j2", "mo"];
const SKIPPED: [&str; 5] = ["node_modules", "__pycache__", "site-packages", "venv", "env"];

pub(super) struct Changes {
    directory: PathBuf,
    last: Summary,
    looked: Instant,
}

/// Differs if a file was changed, added or removed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Summary {
    files: usize,
    newest: Option<SystemTime>,
    bytes: u64,
}

impl Changes {
    pub(super) fn watch(directory: PathBuf) -> Self {
        let last = summary(&directory);
        Self { directory, last, looked: Instant::now() }
    }

    /// Whether something has changed since the last call that said so.
    pub(super) fn noticed(&mut self) -> bool {
        if self.looked.elapsed() < EVERY {
            return false;
        }
        let now = summary(&self.directory);
        self.looked = Instant::now();
        std::mem::replace(&mut self.last, now) != now
    }
}

fn summary(directory: &Path) -> Summary {
    let mut all = Summary::default();
    add(directory, MAX_DEPTH, &mut all);
    all
}

fn add(directory: &Path, depth: usize, all: &mut Summary) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || all.files >= MAX_FILES {
            continue;
        }
        if kind.is_dir() && depth > 0 && !SKIPPED.contains(&name.as_ref()) {
            add(&path, depth - 1, all);
        }
        let ending = path.extension().and_then(OsStr::to_str);
        if kind.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            let Ok(data) = entry.metadata() else { continue };
            all.files += 1;
            all.bytes = all.bytes.wrapping_add(data.len());
            all.newest = all.newest.max(data.modified().ok());
        }
    }
}
