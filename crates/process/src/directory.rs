//! The directory in which a settings file's relative paths begin: the file's own, whatever directory the
//! program was started in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static ENTERED: OnceLock<EnteredDirectory> = OnceLock::new();

struct EnteredDirectory {
    started_in: PathBuf,
    /// The settings file, as the command line names it.
    named: PathBuf,
    file: PathBuf,
}

/// Makes the directory of this settings file the process's own, once. Returns the file's absolute path. A
/// directory that is not there is left for whoever reads the file to tell.
pub fn enter(named: &Path) -> PathBuf {
    try_to_enter(named).unwrap_or_else(|_| named.to_owned())
}

fn try_to_enter(named: &Path) -> io::Result<PathBuf> {
    let started_in = std::env::current_dir()?;
    let file = started_in.join(named);
    std::env::set_current_dir(file.parent().unwrap_or(&started_in))?;
    let _ = ENTERED.set(EnteredDirectory { started_in, named: named.to_owned(), file: file.clone() });
    Ok(file)
}

/// Where the program was started, if it has left that directory.
pub(crate) fn started_in() -> Option<&'static Path> {
    ENTERED.get().map(|entered| entered.started_in.as_path())
}

/// The settings file as the command line names it, which is what its mistakes are told with.
pub(crate) fn shown(file: &Path) -> &Path {
    match ENTERED.get() {
        Some(entered) if entered.file == file => &entered.named,
        _ => file,
    }
}
