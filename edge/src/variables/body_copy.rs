//! What `$request_body` and `$request_body_file` stand for: a body, remembered while it goes to the
//! application, and the file that holds it. As in nginx, a body longer than the place's buffer has no value.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct BodyCopy(Mutex<CopyState>);

#[derive(Debug, Default)]
struct CopyState {
    text: Vec<u8>,
    most: usize,
    is_whole: bool,
    file: Option<BodyFile>,
}

impl BodyCopy {
    /// Remembers a body of at most this length.
    pub(crate) fn keep(&self, most: u64) {
        self.0.lock().most = usize::try_from(most).unwrap_or(usize::MAX);
    }

    pub(crate) fn push(&self, chunk: &[u8]) {
        let mut inner = self.0.lock();
        if inner.text.len().saturating_add(chunk.len()) > inner.most {
            (inner.text, inner.most) = (Vec::new(), 0);
        } else {
            inner.text.extend_from_slice(chunk);
        }
    }

    /// All of it was taken.
    pub(crate) fn end(&self) {
        self.0.lock().is_whole = true;
    }

    /// It is in this file.
    pub(crate) fn in_file(&self, file: BodyFile) {
        let mut inner = self.0.lock();
        inner.text = Vec::new();
        inner.file = Some(file);
    }

    /// The name of its file.
    pub(crate) fn file(&self) -> Option<Vec<u8>> {
        let inner = self.0.lock();
        inner.file.as_ref().map(|file| file.path().as_os_str().as_bytes().to_vec())
    }

    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        let inner = self.0.lock();
        (inner.is_whole && !inner.text.is_empty()).then(|| inner.text.clone())
    }
}

/// A temporary file. It goes with the request, unless it is to stay.
#[derive(Debug)]
pub(crate) struct BodyFile {
    path: PathBuf,
    stays: bool,
}

impl BodyFile {
    pub(crate) fn new(path: PathBuf, stays: bool) -> Self {
        Self { path, stays }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_whole_or_not_at_all() {
        let kept = BodyCopy::default();
        kept.keep(4);
        kept.push(b"ab");
        assert_eq!(kept.text(), None);
        kept.push(b"cd");
        kept.end();
        assert_eq!(kept.text().as_deref(), Some(&b"abcd"[..]));
        for parts in [&["abcde"][..], &["abc", "de", "f"]] {
            let kept = BodyCopy::default();
            kept.keep(4);
            parts.iter().for_each(|part| kept.push(part.as_bytes()));
            kept.end();
            assert_eq!(kept.text(), None, "{parts:?}");
        }
    }
}
