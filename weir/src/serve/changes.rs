//! `--reload`: notices that a source file or a template of the application has changed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

const EVERY: Duration = Duration::from_millis(500);
/// Files that are looked at; places with more are no application's.
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 16;
/// Code, templates, and compiled translations.
const ENDINGS: [&str; 7] = ["py", "html", "htm", "jinja", "jinja2", "j2", "mo"];
const SKIPPED: [&str; 5] = ["node_modules", "__pycache__", "site-packages", "venv", "env"];

/// Where files of the application are, besides the working directory. They may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Sources {
    /// Modules and packages that do not lie where packages are installed.
    code: Vec<PathBuf>,
    /// Directories all of whose files are templates, or translations.
    templates: Vec<PathBuf>,
}

pub(super) struct Changes {
    places: Vec<Place>,
    last: Summary,
    looked: Instant,
}

/// A file, or a directory with all below it.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whether files of every ending count.
    every: bool,
}

/// Differs if a file was changed, added or removed.
#[derive(Default)]
struct Summary {
    files: usize,
    sum: u64,
    /// Directories that were read already: a link may lead back.
    read: BTreeSet<PathBuf>,
}

impl Changes {
    pub(super) fn watch(directory: PathBuf, sources: &Sources) -> Self {
        let place = |every: bool| move |path: &PathBuf| Place { path: path.clone(), every };
        let templates = sources.templates.iter().map(place(true));
        let code = [directory].into_iter().chain(sources.code.iter().cloned());
        // A directory of templates may lie within one of code.
        let places: Vec<_> = templates.chain(code.map(|path| Place { path, every: false })).collect();
        let last = summary(&places);
        Self { places, last, looked: Instant::now() }
    }

    /// Whether something has changed since the last call that said so.
    pub(super) fn noticed(&mut self) -> bool {
        if self.looked.elapsed() < EVERY {
            return false;
        }
        let now = summary(&self.places);
        self.looked = Instant::now();
        let before = std::mem::replace(&mut self.last, now);
        (before.files, before.sum) != (self.last.files, self.last.sum)
    }
}

fn summary(places: &[Place]) -> Summary {
    let mut all = Summary::default();
    for place in places {
        match fs::metadata(&place.path) {
            Ok(data) if data.is_dir() => all.add_directory(&place.path, place.every, MAX_DEPTH),
            Ok(data) => all.add_file(&place.path, &data),
            Err(_) => {}
        }
    }
    all
}

impl Summary {
    fn add_directory(&mut self, directory: &Path, every: bool, depth: usize) {
        let Ok(real) = directory.canonicalize() else { return };
        if depth == 0 || !self.read.insert(real) {
            return;
        }
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || self.files >= MAX_FILES {
                continue;
            }
            // Where a link leads.
            let Ok(data) = fs::metadata(&path) else { continue };
            if data.is_dir() && !SKIPPED.contains(&name.as_ref()) {
                self.add_directory(&path, every, depth - 1);
            }
            let ending = path.extension().and_then(OsStr::to_str);
            if data.is_file() && (every || ending.is_some_and(|ending| ENDINGS.contains(&ending))) {
                self.add_file(&path, &data);
            }
        }
    }

    fn add_file(&mut self, path: &Path, data: &Metadata) {
        let mut hash = DefaultHasher::new();
        (path, data.len(), data.modified().ok()).hash(&mut hash);
        self.files += 1;
        self.sum = self.sum.wrapping_add(hash.finish());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Writes and removes files, and says after each whether it would be noticed.
    struct WatchTest {
        root: PathBuf,
        changes: Changes,
    }

    impl WatchTest {
        fn says(&mut self, change: impl FnOnce(&Path)) -> bool {
            change(&self.root);
            self.changes.looked = Instant::now().checked_sub(2 * EVERY).unwrap();
            self.changes.noticed()
        }
    }

    fn write(root: &Path, name: &str, text: &str) {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn what_is_noticed() {
        let root = std::env::temp_dir().join(format!("weir-changes-{}", std::process::id()));
        let sources = Sources {
            code: vec![root.join("lib/package"), root.join("lib/alone.py"), root.join("missing")],
            templates: vec![root.join("site/templates")],
        };
        write(&root, "lib/package/deep/module.py", "1");
        write(&root, "lib/alone.py", "1");
        write(&root, "shared/linked.py", "1");
        write(&root, "site/app.py", "1");
        symlink("../shared", root.join("site/shared")).unwrap();
        // It leads back.
        symlink(".", root.join("site/shared/around")).unwrap();
        let changes = Changes::watch(root.join("site"), &sources);
        let mut watched = WatchTest { root: root.clone(), changes };
        assert!(!watched.says(|_| {}));
        for (name, is_noticed) in [
            ("site/app.py", true),
            ("site/new.py", true),
            ("site/notes.txt", false),
            ("site/templates/letter.txt", true),
            ("site/.git/index.py", false),
            ("site/venv/lib/module.py", false),
            ("lib/package/deep/module.py", true),
            ("lib/package/deep/data.json", false),
            ("lib/alone.py", true),
            ("lib/beside.py", false),
            ("shared/linked.py", true),
            ("missing/now.py", true),
        ] {
            assert_eq!(watched.says(|root| write(root, name, "longer")), is_noticed, "{name}");
            assert!(!watched.says(|_| {}), "{name} once");
        }
        // Older than the newest, of the same length and count.
        let older = std::time::SystemTime::now().checked_sub(Duration::from_secs(3600)).unwrap();
        assert!(watched.says(|root| {
            let file = fs::File::options().write(true).open(root.join("lib/alone.py")).unwrap();
            file.set_modified(older).unwrap();
        }));
        assert!(watched.says(|root| fs::remove_file(root.join("site/new.py")).unwrap()));
        fs::remove_dir_all(root).unwrap();
    }
}
