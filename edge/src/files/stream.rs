//! A file, or a part of one, on its way to a client: read in chunks, or sent by the kernel, on a thread that
//! may wait for a disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::io::Errno;

use crate::files::handles::SharedFile;
use crate::files::on_disk;

/// The most that is read at once.
const CHUNK: usize = 128 * 1024;
/// The most that is sent at once. After each piece, the file's length is checked.
const PIECE: usize = 1024 * 1024;

/// What is still to be sent of an open file. If another file takes its name meanwhile, this does no harm. The
/// length that was told at the beginning is what is sent, whatever is appended; a file that becomes shorter
/// ends the reply.
#[derive(Debug)]
pub(crate) struct FileStream {
    file: Arc<SharedFile>,
    /// Its name, for the log.
    path: Arc<Path>,
    /// The length that it had; it may grow meanwhile, and a log does.
    length: u64,
    position: u64,
    end: u64,
    /// Text that precedes the bytes: what a multipart body says of its next part.
    text: Bytes,
    /// The parts after this one, with their texts.
    then: VecDeque<TextAndPart>,
}

/// A text, and the bytes of the file that follow it, from the first up to but not including the second.
pub(super) type TextAndPart = (Bytes, u64, u64);

impl FileStream {
    /// The bytes from `start` up to but not including `end` of a file that had this length when the reply's
    /// head was made.
    pub(super) fn new(file: Arc<SharedFile>, path: Arc<Path>, length: u64, start: u64, end: u64) -> Self {
        let (text, then) = (Bytes::new(), VecDeque::new());
        Self { file, path, length, position: start, end, text, then }
    }

    /// Several parts of a file in turn.
    pub(super) fn parts(
        file: Arc<SharedFile>,
        path: Arc<Path>,
        length: u64,
        parts: VecDeque<TextAndPart>,
    ) -> Self {
        Self { then: parts, ..Self::new(file, path, length, 0, 0) }
    }

    /// One part of the file and no text: the kernel can send it.
    pub(crate) fn is_plain(&self) -> bool {
        self.text.is_empty() && self.then.is_empty()
    }

    /// The file as it is now.
    #[cfg(test)]
    pub(crate) fn of(file: File, start: u64, end: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::new(Arc::new(file.into()), Path::new("a file").into(), length, start, end))
    }

    /// Bytes not yet returned.
    pub(crate) fn remaining(&self) -> u64 {
        let then: u64 = self.then.iter().map(|(text, from, to)| text.len() as u64 + (to - from)).sum();
        self.text.len() as u64 + self.left() + then
    }

    /// Bytes of this part not yet returned.
    fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The next chunk of at most this many bytes, `None` at the end. After an error the rest cannot be sent:
    /// the reply must break off. May be dropped and called again.
    pub(crate) async fn next(&mut self, most: usize) -> Option<io::Result<Bytes>> {
        while self.text.is_empty() && self.left() == 0 {
            (self.text, self.position, self.end) = self.then.pop_front()?;
        }
        if !self.text.is_empty() {
            return Some(Ok(std::mem::take(&mut self.text)));
        }
        let length = usize::try_from(self.left()).unwrap_or(CHUNK).min(CHUNK).min(most.max(1));
        let (file, whole, position) = (Arc::clone(&self.file), self.length, self.position);
        let chunk = on_disk(move || read(&file, whole, position, length)).await;
        match &chunk {
            Ok(chunk) => self.position += chunk.len() as u64,
            Err(error) => self.log(error),
        }
        Some(chunk)
    }

    /// Lets the kernel send what the socket accepts of the next piece without waiting, and returns how much
    /// that was. After an error the rest cannot be sent, except after `InvalidInput`: the file's bytes must
    /// then be read. Must not be dropped while it runs.
    pub(crate) async fn send_to(&mut self, socket: Arc<OwnedFd>) -> io::Result<u64> {
        let length = usize::try_from(self.left()).unwrap_or(PIECE).min(PIECE);
        let (file, whole, position) = (Arc::clone(&self.file), self.length, self.position);
        let sent = on_disk(move || send(&file, whole, position, length, &socket)).await;
        match &sent {
            Ok(sent) => self.position += sent,
            Err(error) if is_the_clients(error) || error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => self.log(error),
        }
        sent
    }

    fn log(&self, error: &io::Error) {
        let (path, sent) = (self.path.display(), self.position);
        tracing::warn!(%path, sent, end = self.end, "the reply with a file is broken off: {error}");
    }
}

/// The client has left, which says nothing of the file.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

fn send(file: &File, whole: u64, mut position: u64, length: usize, socket: &OwnedFd) -> io::Result<u64> {
    let sent = match sendfile(socket, file, Some(&mut position), length) {
        Ok(0) => return Err(shorter()),
        Ok(sent) => sent as u64,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.len() < whole { Err(shorter()) } else { Ok(sent) }
}

fn read(file: &File, whole: u64, position: u64, length: usize) -> io::Result<Bytes> {
    let mut chunk = vec![0; length];
    let count = file.read_at(&mut chunk, position)?;
    if count == 0 || file.metadata()?.len() < whole {
        return Err(shorter());
    }
    chunk.truncate(count);
    Ok(chunk.into())
}

fn shorter() -> io::Error {
    io::Error::other("the file became shorter than it was at the beginning")
}
