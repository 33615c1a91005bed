//! Puts a reply's body aside in a temporary file while its client is slower than the application.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::replies::temporary_file::TemporaryFile;

/// What is read from the file at once.
const PIECE: u64 = 32 * 1024;
/// What is written at once. Each write is another thread's, so that no disk holds up the other requests; for
/// pieces as they come from the application, waking that thread takes longer than writing.
const GATHERED: u64 = 128 * 1024;

/// Bytes in the temporary files of one pool, and how many they may be.
#[derive(Debug)]
pub(crate) struct FileSpace {
    used: AtomicU64,
    /// `reply_buffer.files`.
    limit: u64,
}

impl FileSpace {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit }
    }

    fn reserve(&self, bytes: u64) -> bool {
        let taken = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A body's middle: what the application has sent and the queue to the edge has no room for. The file grows
/// until it may not, or the disk is full; from then on its space is used again, round and round, at the pace
/// of the client.
pub(crate) struct Spool {
    space: Arc<FileSpace>,
    /// `reply_buffer.file`; 0: nothing is put aside.
    limit: u64,
    file: Option<Arc<TemporaryFile>>,
    /// Bytes that the file takes, or will take with what is gathered.
    size: u64,
    /// The file grows no more.
    is_grown: bool,
    /// The disk did not take what was written.
    has_failed: bool,
    /// Where the first byte is that has not been taken.
    start: u64,
    /// Bytes in the file that have not been taken.
    length: u64,
    /// What follows them, to be written together.
    tail: VecDeque<Bytes>,
    /// Bytes in `tail`.
    gathered: u64,
}

impl Spool {
    pub(crate) fn new(space: &Arc<FileSpace>, limit: u64) -> Self {
        let space = Arc::clone(space);
        Self {
            space,
            limit,
            file: None,
            size: 0,
            is_grown: limit == 0,
            has_failed: false,
            start: 0,
            length: 0,
            tail: VecDeque::new(),
            gathered: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0 && self.tail.is_empty()
    }

    /// Adds `piece` at the end. False: there is no room for it now.
    pub(crate) async fn add(&mut self, piece: &Bytes) -> bool {
        if self.is_empty() {
            (self.start, self.is_grown) = (0, self.limit == 0 || self.has_failed);
        }
        if !self.is_grown && self.gather(piece) {
            if self.gathered >= GATHERED {
                self.write_gathered().await;
            }
            return true;
        }
        self.is_grown = true;
        self.tail.is_empty() && self.size - self.length >= piece.len() as u64 && self.wrap(piece).await
    }

    /// Keeps in memory what will be written at the file's end.
    fn gather(&mut self, piece: &Bytes) -> bool {
        let (at, added) = (self.start + self.length + self.gathered, piece.len() as u64);
        // Space that was used before is there already.
        let more = (at + added).saturating_sub(self.size);
        if at + added > self.limit || !self.space.reserve(more) {
            return false;
        }
        self.size += more;
        self.gathered += added;
        self.tail.push_back(piece.clone());
        true
    }

    /// Writes what was gathered. What the disk does not take stays in memory until it is taken.
    pub(crate) async fn write_gathered(&mut self) {
        if self.tail.is_empty() || self.has_failed {
            return;
        }
        let end = self.start + self.length;
        if let Err(error) = self.write(self.tail.clone(), end).await {
            warn!("no temporary file for a reply; its client sets the pace: {error}");
            self.space.release(self.size.saturating_sub(end));
            (self.size, self.is_grown, self.has_failed) = (self.size.min(end), true, true);
            return;
        }
        self.length += self.gathered;
        self.gathered = 0;
        self.tail.clear();
    }

    /// Takes bytes from the front. `None`: there are none.
    pub(crate) async fn take(&mut self) -> io::Result<Option<Bytes>> {
        let Some(file) = self.file.clone().filter(|_| self.length > 0) else {
            let piece = self.tail.pop_front();
            self.gathered -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
            return Ok(piece);
        };
        let to_end = if self.is_grown { self.size - self.start } else { self.length };
        let length = self.length.min(PIECE).min(to_end);
        let (start, room) = (self.start, usize::try_from(length).unwrap_or(0));
        let read = move || {
            let mut piece = BytesMut::zeroed(room);
            file.read_exact_at(&mut piece, start).map(|()| piece.freeze())
        };
        let piece = spawn_blocking(read).await.map_err(io::Error::other).flatten()?;
        self.length -= length;
        self.start += length;
        if self.is_grown && self.start == self.size {
            self.start = 0;
        }
        Ok(Some(piece))
    }

    /// Writes where bytes have been taken.
    async fn wrap(&mut self, piece: &Bytes) -> bool {
        let at = (self.start + self.length) % self.size.max(1);
        let to_end = usize::try_from(self.size - at).unwrap_or(usize::MAX);
        let (mut first, mut second) = (piece.clone(), Bytes::new());
        if first.len() > to_end {
            second = first.split_off(to_end);
        }
        for (piece, at) in [(first, at), (second, 0)].into_iter().filter(|(piece, _)| !piece.is_empty()) {
            if let Err(error) = self.write(VecDeque::from([piece]), at).await {
                warn!("the temporary file of a reply cannot be written; its client sets the pace: {error}");
                return false;
            }
        }
        self.length += piece.len() as u64;
        true
    }

    async fn write(&mut self, pieces: VecDeque<Bytes>, mut at: u64) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let created =
                    spawn_blocking(TemporaryFile::create).await.map_err(io::Error::other).flatten()?;
                Arc::clone(self.file.insert(Arc::new(created)))
            }
        };
        let written = move || {
            for piece in pieces {
                file.write_all_at(&piece, at)?;
                at += piece.len() as u64;
            }
            Ok(())
        };
        spawn_blocking(written).await.map_err(io::Error::other).flatten()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.space.release(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(from: u64, length: u64) -> Bytes {
        (from..from + length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
    }

    /// Puts `total` bytes through in steps of `step`, taking only where there is no room: what came out.
    async fn through(spool: &mut Spool, total: u64, step: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for from in (0..total).step_by(usize::try_from(step).unwrap()) {
            let piece = piece(from, step.min(total - from));
            while !spool.add(&piece).await {
                match spool.take().await.unwrap() {
                    Some(taken) => out.extend_from_slice(&taken),
                    None => {
                        out.extend_from_slice(&piece);
                        break;
                    }
                }
            }
        }
        while let Some(taken) = spool.take().await.unwrap() {
            out.extend_from_slice(&taken);
        }
        assert!(spool.is_empty());
        out
    }

    #[tokio::test]
    async fn bytes_come_out_in_order_whatever_room_there_is() {
        for (file, files) in [(0, 0), (1 << 20, 1 << 20), (100_000, 1 << 20), (1 << 20, 100_000), (5, 5)] {
            let space = Arc::new(FileSpace::new(files));
            let mut spool = Spool::new(&space, file);
            for (total, step) in [(300_000, 7_000), (50_000, 32_768), (1, 1), (200_000, 50_000)] {
                let out = through(&mut spool, total, step).await;
                assert!(out == piece(0, total), "{total} by {step} in {file}, {files}");
            }
            assert!(space.used.load(Ordering::Relaxed) <= file.min(files));
            drop(spool);
            assert_eq!(space.used.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test]
    async fn what_was_not_written_is_taken_from_memory() {
        let space = Arc::new(FileSpace::new(1 << 20));
        let mut spool = Spool::new(&space, 1 << 20);
        assert!(spool.add(&piece(0, 100_000)).await && spool.add(&piece(100_000, 10)).await);
        assert!(spool.file.is_none(), "there is little of it");
        assert_eq!(spool.take().await.unwrap().unwrap(), piece(0, 100_000));
        assert!(spool.add(&piece(100_010, 200_000)).await && spool.add(&piece(300_010, 10)).await);
        assert!(spool.file.is_some() && spool.tail.len() == 1);
        let mut out = Vec::new();
        while let Some(taken) = spool.take().await.unwrap() {
            out.extend_from_slice(&taken);
        }
        assert!(out == piece(100_000, 200_020) && spool.is_empty());
    }

    #[tokio::test]
    async fn a_full_disk_makes_a_reply_slow_and_breaks_nothing() {
        let space = Arc::new(FileSpace::new(1 << 20));
        let mut spool = Spool::new(&space, 1 << 20);
        let full = std::fs::File::options().read(true).write(true).open("/dev/full").unwrap();
        spool.file = Some(Arc::new(TemporaryFile::from(full)));
        assert!(through(&mut spool, 300_000, 7_000).await == piece(0, 300_000));
        assert_eq!(space.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_disk_that_fills_up_later_leaves_what_is_there() {
        let space = Arc::new(FileSpace::new(1 << 20));
        let mut spool = Spool::new(&space, 1 << 20);
        assert!(spool.add(&piece(0, 70_000)).await);
        spool.write_gathered().await;
        // As after a write that failed.
        spool.is_grown = true;
        assert!(!spool.add(&piece(70_000, 10)).await);
        let first = spool.take().await.unwrap().unwrap();
        assert!(first == piece(0, PIECE) && spool.add(&piece(70_000, 10)).await);
        let mut out = first.to_vec();
        while let Some(taken) = spool.take().await.unwrap() {
            out.extend_from_slice(&taken);
        }
        assert!(out == piece(0, 70_010));
    }
}
