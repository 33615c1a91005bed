//! The files of this process's sockets: removed when it ends, or left to the process that replaces it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A socket's file, and which one it is: another process may have put its own in its place.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

static FILES: Mutex<Vec<SocketFile>> = Mutex::new(Vec::new());

fn known() -> MutexGuard<'static, Vec<SocketFile>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the file at this path is this process's.
pub(crate) fn remember(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    known().push(SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() });
    Ok(())
}

/// Removes all of them.
pub(crate) fn remove() {
    std::mem::take(&mut *known()).iter().for_each(SocketFile::remove);
}

/// Removes the one at this path, if it is this process's.
pub(crate) fn forget(path: &Path) {
    let gone: Vec<_> = known().extract_if(.., |file| file.path == path).collect();
    gone.iter().for_each(SocketFile::remove);
}

/// Leaves them to the process that replaces this one.
pub(crate) fn leave() {
    known().clear();
}

/// Their names, one on a line.
pub(crate) fn names() -> OsString {
    let files: Vec<_> = known().iter().map(|file| file.path.as_os_str().to_owned()).collect();
    files.join(OsStr::new("\n"))
}

impl SocketFile {
    fn remove(&self) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
