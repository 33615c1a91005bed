//! A file, or a part of one, on its way to a client: read in chunks, or sent by the kernel, on a thread that
//! may wait for a disk.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::io::Errno;

use crate::files::on_disk;
use crate::files::resource::Stamp;

/// The size of one read, and of what a slow client keeps in memory.
const CHUNK: usize = 128 * 1024;
/// The most that is sent at once. After each piece, the file is checked for changes.
const PIECE: usize = 1024 * 1024;

/// What is still to be sent of an open file. If another file takes its name meanwhile, this does no harm.
#[derive(Debug)]
pub(crate) struct FileStream {
    file: Arc<File>,
    stamp: Stamp,
    position: u64,
    end: u64,
}

impl FileStream {
    /// The bytes from `start` up to but not including `end`, of the version that bears the stamp.
    pub(super) fn new(file: File, stamp: Stamp, start: u64, end: u64) -> Self {
        Self { file: Arc::new(file), stamp, position: start, end }
    }

    /// The file as it is now.
    #[cfg(test)]
    pub(crate) fn of(file: File, start: u64, end: u64) -> io::Result<Self> {
        let stamp = Stamp::of(&file.metadata()?)?;
        Ok(Self::new(file, stamp, start, end))
    }

    /// Bytes not yet returned.
    pub(crate) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The next chunk, `None` at the end. After an error the rest cannot be sent: two versions of the file
    /// are never mixed, so the reply must break off. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let length = usize::try_from(self.remaining()).unwrap_or(CHUNK).min(CHUNK);
        if length == 0 {
            return None;
        }
        let (file, stamp, position) = (Arc::clone(&self.file), self.stamp, self.position);
        let chunk = on_disk(move || read(&file, stamp, position, length)).await;
        if let Ok(chunk) = &chunk {
            self.position += chunk.len() as u64;
        }
        Some(chunk)
    }

    /// Lets the kernel send what the socket accepts of the next piece without waiting, and returns how much
    /// that was. After an error the rest cannot be sent, except after `InvalidInput`: the file's bytes must
    /// then be read. Must not be dropped while it runs.
    pub(crate) async fn send_to(&mut self, socket: Arc<OwnedFd>) -> io::Result<u64> {
        let length = usize::try_from(self.remaining()).unwrap_or(PIECE).min(PIECE);
        let (file, stamp, position) = (Arc::clone(&self.file), self.stamp, self.position);
        let sent = on_disk(move || send(&file, stamp, position, length, &socket)).await?;
        self.position += sent;
        Ok(sent)
    }
}

fn send(file: &File, stamp: Stamp, mut position: u64, length: usize, socket: &OwnedFd) -> io::Result<u64> {
    let sent = match sendfile(socket, file, Some(&mut position), length) {
        Ok(0) => return Err(changed()),
        Ok(sent) => sent as u64,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(error) => return Err(error.into()),
    };
    if Stamp::of(&file.metadata()?)? == stamp { Ok(sent) } else { Err(changed()) }
}

fn read(file: &File, stamp: Stamp, position: u64, length: usize) -> io::Result<Bytes> {
    let mut chunk = vec![0; length];
    let count = file.read_at(&mut chunk, position)?;
    if count == 0 || Stamp::of(&file.metadata()?)? != stamp {
        return Err(changed());
    }
    chunk.truncate(count);
    Ok(chunk.into())
}

fn changed() -> io::Error {
    io::Error::other("the file changed while it was being sent")
}
