//! The key with which the application signs what fills named values in shared pages: made once, in a file
//! that only its own user can read, so that visitors keep their values over restarts.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const NAME: &str = "values.key";

/// The file of this user; one for this run alone, in `private`, if this user has no directory for it.
pub(super) fn file(private: &Path) -> io::Result<PathBuf> {
    let of = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = of("XDG_STATE_HOME").or_else(|| of("HOME").map(|home| home.join(".local/state")));
    let lasting = state.and_then(|state| made_in(&state.join("weir")).ok());
    lasting.map_or_else(|| made_in(private), Ok)
}

/// Whoever makes it first has made it for all.
fn made_in(directory: &Path) -> io::Result<PathBuf> {
    let file = directory.join(NAME);
    if fs::read(&file).is_ok() {
        return Ok(file);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let new = directory.join(format!(".{}-{NAME}", std::process::id()));
    // What a process with the same number left behind.
    let _ = fs::remove_file(&new);
    let key: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let linked = written.and_then(|mut new| writeln!(new, "{key}")).and_then(|()| fs::hard_link(&new, &file));
    let _ = fs::remove_file(&new);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_secret() {
        let directory = std::env::temp_dir().join(format!("weir-values-key-{}", std::process::id()));
        let state = directory.join("a/weir");
        let file = made_in(&state).unwrap();
        let key = fs::read_to_string(&file).unwrap();
        assert_eq!((key.len(), key.trim().len()), (65, 64));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(made_in(&state).unwrap(), file);
        assert_eq!(fs::read_to_string(&file).unwrap(), key);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left there");
        assert!(made_in(Path::new("/proc/none")).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
