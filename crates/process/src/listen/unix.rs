//! Sockets in the file system: bound, opened to everybody as nginx does, and removed at the end.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::ListenError;
use crate::handover::sockets::{self, SocketPlace};
use crate::handover::{self, socket_files};

/// Listens on a socket at `path`; one that was handed over is taken as it is. What serves connections knows
/// one type of sockets, so the socket is handed out as that; it has no address, which is how [`accepts_unix`]
/// tells it from others.
pub fn unix(path: &str, setting: &str) -> Result<TcpListener, ListenError> {
    let listener = match take(Path::new(path)) {
        Some(handed_over) => Ok(handed_over),
        None => bind(Path::new(path)),
    };
    let listener = listener.map_err(|error| ListenError::new(&format!("unix:{path}"), setting, error))?;
    Ok(TcpListener::from(OwnedFd::from(listener)))
}

/// Whether clients come to it by a socket in the file system.
pub fn accepts_unix(listener: &TcpListener) -> bool {
    listener.local_addr().is_err()
}

/// The socket at this path is closed: removes its file, if it is this process's.
pub(super) fn forget(path: &Path) {
    sockets::forget(SocketPlace::File(path));
    socket_files::forget(path);
}

/// A socket that was handed over. Its file is removed at the end, unless systemd has made it.
fn take(path: &Path) -> Option<UnixListener> {
    let listener = sockets::take_unix(path)?;
    if handover::owns_file(path) {
        // It is there, or nobody finds it.
        let _ = socket_files::remember(path);
    }
    Some(listener)
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
    socket_files::remember(path)?;
    sockets::remember(listener.try_clone().map(OwnedFd::from));
    Ok(listener)
}

/// Whether nobody listens there, or an older version does that this process replaces.
fn is_free(path: &Path) -> bool {
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    handover::replaces_older() || UnixStream::connect(path).err().is_some_and(is_refused)
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
        forget(&path);
        assert!(!path.exists());
        drop(second);
        let second = unix(text, "edge.listen").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        socket_files::remove();
        assert!(!path.exists());
        drop(second);
    }
}
