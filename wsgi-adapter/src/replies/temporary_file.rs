//! The temporary file of a reply. All replies of the process have so many at most that descriptors are left
//! for the connections of clients and to the application.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use process::nofile::{self, Purpose};

/// One in so many descriptors may be such a file.
const PART: u64 = 8;

static OPEN: AtomicU64 = AtomicU64::new(0);

/// It has no name, and goes with its last handle.
#[derive(Debug)]
pub(super) struct TemporaryFile(File);

impl TemporaryFile {
    pub(super) fn create() -> io::Result<Self> {
        Self::within((nofile::limit() / PART).max(1))
    }

    fn within(most: u64) -> io::Result<Self> {
        let one_more = |open: u64| (open < most).then_some(open + 1);
        if OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return Err(io::Error::other(format!(
                "{most} replies have one already, an eighth of the open files allowed"
            )));
        }
        let created = tempfile::tempfile().inspect_err(|_| {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        })?;
        let file = Self(created);
        nofile::may_have(&file.0, Purpose::Lasting)?;
        Ok(file)
    }
}

#[cfg(test)]
impl From<File> for TemporaryFile {
    fn from(file: File) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(file)
    }
}

impl Deref for TemporaryFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_no_more() {
        let before = OPEN.load(Ordering::Relaxed);
        let held: Vec<_> = (0..1000).map_while(|_| TemporaryFile::within(before + 20).ok()).collect();
        assert!((1..=20).contains(&held.len()), "{}", held.len());
        assert!(TemporaryFile::within(1).is_err());
        drop(held);
        assert!(TemporaryFile::within(before + 20).is_ok());
    }
}
