//! The token that a process makes at its start, in a file that only its own user can read and that `weir`
//! finds by itself.
//!
//! The file is `admin-ADDRESS.token` in the first of these directories that can be written:
//! `$WEIR_RUNTIME_DIR`; `/run/weir`, which root and a unit with `RuntimeDirectory=weir` have;
//! `$XDG_RUNTIME_DIR/weir`; `$XDG_STATE_HOME/weir`; `~/.local/state/weir`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const SYSTEM: &str = "/run/weir";
const ENDING: &str = ".token";

/// Writes a new token for the listener at `address`, as in the settings. Call it when the address is bound:
/// the file of a process that listens there already stays as it is.
pub(crate) fn make(address: &str) -> io::Result<PathBuf> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no directory for it");
    for directory in directories() {
        match write(&directory, address) {
            Ok(file) => return Ok(file),
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", directory.display())),
        }
    }
    Err(last)
}

/// The file that a process with an admin listener at `address` has written, if this user can see it: that of
/// the address as it is written or else the newest of its port, since "localhost:9900" and "127.0.0.1:9900"
/// are one listener.
pub fn find(address: &str) -> Option<PathBuf> {
    find_in(&directories(), address)
}

fn find_in(directories: &[PathBuf], address: &str) -> Option<PathBuf> {
    let exact = directories.iter().map(|directory| directory.join(name(address)));
    let newest = |files: &mut dyn Iterator<Item = PathBuf>| {
        files.filter(|file| File::open(file).is_ok()).max_by_key(|file| changed(file))
    };
    newest(&mut exact.into_iter()).or_else(|| {
        let (_, port) = address.rsplit_once(':')?;
        let ending = format!("_{port}{ENDING}");
        let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        newest(&mut files.filter(|file| file.to_str().is_some_and(|file| file.ends_with(&ending))))
    })
}

fn changed(file: &Path) -> SystemTime {
    file.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn directories() -> Vec<PathBuf> {
    let of = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let below = |variable, rest: &str| of(variable).map(|directory| directory.join(rest));
    [
        of("WEIR_RUNTIME_DIR"),
        Some(SYSTEM.into()),
        below("XDG_RUNTIME_DIR", "weir"),
        below("XDG_STATE_HOME", "weir"),
        below("HOME", ".local/state/weir"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn name(address: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let address: String = address.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("admin-{address}{ENDING}")
}

/// Replaces the file as a whole, so that nobody reads half a token.
fn write(directory: &Path, address: &str) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let file = directory.join(name(address));
    let new = directory.join(format!(".{}-{}", std::process::id(), name(address)));
    let token: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    // What a process with the same number left behind.
    let _ = std::fs::remove_file(&new);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let written = written.and_then(|mut new| writeln!(new, "{token}"));
    written.and_then(|()| std::fs::rename(&new, &file)).inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_new_secret_and_found_by_its_address() {
        let directory = tempfile::TempDir::new().unwrap();
        let state = directory.path().join("a/weir");
        let directories = [directory.path().join("none"), state.clone()];
        assert_eq!(find_in(&directories, "127.0.0.1:9900"), None);
        let file = write(&state, "127.0.0.1:9900").unwrap();
        let first = std::fs::read_to_string(&file).unwrap();
        assert_eq!((first.len(), first.trim().len()), (65, 64));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(write(&state, "127.0.0.1:9900").unwrap(), file);
        assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
        write(&state, "[::1]:9901").unwrap();
        for (address, found) in [
            ("127.0.0.1:9900", Some("admin-127.0.0.1_9900.token")),
            ("localhost:9900", Some("admin-127.0.0.1_9900.token")),
            ("[::1]:9901", Some("admin-___1__9901.token")),
            ("127.0.0.1:9902", None),
            ("127.0.0.1:900", None),
        ] {
            assert_eq!(find_in(&directories, address), found.map(|name| state.join(name)), "{address}");
        }
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 2, "nothing else is left there");
    }
}
