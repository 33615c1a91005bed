//! Opens a file without waiting for it, and only inside the directory that it must be in.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::files::listing::ListedEntry;

/// A file or directory that may be served, or a part of one.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) metadata: Metadata,
}

/// Why no file answers.
#[derive(Debug)]
pub(super) enum NoFile {
    NotFound,
    Forbidden(Barrier),
    /// The request's path lacks the slash at its end.
    IsDirectory,
    /// The names in a directory that has no index file.
    Listing(Vec<ListedEntry>),
    Failed(io::Error),
}

/// What keeps a file from being served; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Barrier {
    #[error("it is a directory without an index file")]
    NoIndex,
    #[error("it is neither a file nor a directory")]
    NoFile,
    #[error("a symbolic link leads out of root or alias; `symlinks = \"follow\"` allows that")]
    Outside,
    #[error("this process is not allowed to read it; look at the modes of the file and its directories")]
    Permission,
    #[error("its symbolic links lead in a circle")]
    Loop,
}

impl From<io::Error> for NoFile {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Opens for reading. `boundary` is the real path of the directory that must not be left. A path that leads
/// out of it by a symbolic link is forbidden, and so is anything that is neither a file nor a directory.
pub(super) fn open(path: &Path, boundary: Option<&Path>) -> Result<OpenFile, NoFile> {
    // Opening a pipe would wait for a writer, and a terminal would become the process's own.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(missing)?;
    let metadata = file.metadata().map_err(missing)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(NoFile::Forbidden(Barrier::NoFile));
    }
    if let Some(boundary) = boundary
        && !path_of(&file)?.starts_with(boundary)
    {
        return Err(NoFile::Forbidden(Barrier::Outside));
    }
    Ok(OpenFile { file, metadata })
}

/// The real path of a boundary.
pub(super) fn resolve(boundary: &Path) -> Result<PathBuf, NoFile> {
    fs::canonicalize(boundary).map_err(missing)
}

/// Asks the open file and not its name, so that nobody can swap a link in between.
fn path_of(file: &File) -> Result<PathBuf, NoFile> {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(NoFile::Failed)
}

fn missing(error: io::Error) -> NoFile {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::EINVAL) => NoFile::NotFound,
        Some(libc::EACCES | libc::EPERM) => NoFile::Forbidden(Barrier::Permission),
        Some(libc::ELOOP) => NoFile::Forbidden(Barrier::Loop),
        // A socket is ENXIO.
        Some(libc::ENXIO | libc::ENODEV) => NoFile::Forbidden(Barrier::NoFile),
        _ if error.kind() == io::ErrorKind::InvalidInput => NoFile::NotFound,
        _ => NoFile::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says who is to blame: the request, the file's owner, or the machine.
    #[test]
    fn errors() {
        let cases: [(&[i32], &str); 3] = [
            (&[libc::ENOENT, libc::ENOTDIR, libc::ENAMETOOLONG, libc::EINVAL], "NotFound"),
            (&[libc::EACCES, libc::EPERM, libc::ELOOP, libc::ENXIO, libc::ENODEV], "Forbidden"),
            (&[libc::EMFILE, libc::ENFILE, libc::EIO, libc::ENOMEM, libc::ESTALE], "Failed"),
        ];
        for (numbers, expected) in cases {
            for number in numbers {
                let found = format!("{:?}", missing(io::Error::from_raw_os_error(*number)));
                assert!(found.starts_with(expected), "{number}: {found}");
            }
        }
        assert!(matches!(open(Path::new("a\0b"), None), Err(NoFile::NotFound)));
    }
}
