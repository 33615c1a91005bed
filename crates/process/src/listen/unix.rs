//! Sockets in the file system: bound, opened to everybody as nginx does, and removed at the end.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::ListenError;

/// A socket's file, and which one it is: another process may have put its own in its place.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// The files of this process's sockets.
static FILES: Mutex<Vec<SocketFile>> = Mutex::new(Vec::new());

/// Listens on a socket at `path`. What serves connections knows one type of sockets, so the socket is handed
/// out as that; it has no address, which is how [`accepts_unix`] tells it from others.
pub fn unix(path: &str, setting: &str) -> Result<TcpListener, ListenError> {
    let listener = bind(Path::new(path));
    let listener = listener.map_err(|error| ListenError::new(&format!("unix:{path}"), setting, error))?;
    Ok(TcpListener::from(OwnedFd::from(listener)))
}

/// Whether clients come to it by a socket in the file system.
pub fn accepts_unix(listener: &TcpListener) -> bool {
    listener.local_addr().is_err()
}

/// Removes the files of this process's sockets.
pub fn remove_files() {
    for file in std::mem::take(&mut *FILES.lock().unwrap_or_else(PoisonError::into_inner)) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (file.device, file.inode);
        if fs::symlink_metadata(&file.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&file.path);
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        // What an earlier process has left behind, or still drains.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_free(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    let found = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() };
    FILES.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    Ok(listener)
}

/// Whether nobody listens there, or the process that this one replaces does.
fn is_free(path: &Path) -> bool {
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    crate::handover::replaces() || UnixStream::connect(path).err().is_some_and(is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_serves_is_replaced() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("a.sock");
        let text = path.to_str().unwrap();
        let first = unix(text, "edge.listen").unwrap();
        assert!(accepts_unix(&first));
        assert!(UnixStream::connect(&path).is_ok());
        assert!(unix(text, "edge.listen").unwrap_err().is_taken());
        drop(first);
        let second = unix(text, "edge.listen").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        remove_files();
        assert!(!path.exists());
        drop(second);
    }
}
