//! A directory of our own, for sockets and settings: a uwsgi socket that others reach lets them run code.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const TRIES: u32 = 100;

/// Removed, with all that is in it, when it is dropped.
pub(crate) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Makes one for a command, with mode 0700, below `$XDG_RUNTIME_DIR` or the directory for temporary
    /// files: the path of a socket has at most 107 bytes.
    pub(crate) fn make(command: &str) -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let parent =
            runtime.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(std::env::temp_dir);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for try_ in 0..TRIES {
            let path = parent.join(format!("weir-{command}-{}-{try_}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = error,
            }
        }
        Err(io::Error::new(last.kind(), format!("no directory of our own in {}: {last}", parent.display())))
    }

    /// Takes over one that somebody made for us.
    pub(crate) fn own(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
