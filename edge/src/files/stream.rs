//! A file, or a part of one, on its way to a client: read in chunks where waiting for a disk harms nobody.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::on_disk;
use super::resource::Stamp;

/// One read, and what a slow client keeps in memory.
const CHUNK: usize = 128 * 1024;

/// What is still to be sent of an open file. That another file takes its name meanwhile does no harm.
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

    /// Bytes not yet returned.
    pub(crate) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The next chunk, `None` at the end. After an error the rest cannot be had: two versions of the file are never
    /// mixed, so the reply must break off. May be dropped and called again.
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
}

fn read(file: &File, stamp: Stamp, position: u64, length: usize) -> io::Result<Bytes> {
    let mut chunk = vec![0; length];
    let count = file.read_at(&mut chunk, position)?;
    if count == 0 || Stamp::of(&file.metadata()?)? != stamp {
        return Err(io::Error::other("the file was changed while it was sent"));
    }
    chunk.truncate(count);
    Ok(chunk.into())
}
