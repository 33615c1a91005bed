//! What `$request_body` stands for: a body, remembered while it goes to the application. As in nginx, one that
//! is longer than the place's buffer has no value.

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct KeptBody(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    text: Vec<u8>,
    most: usize,
    is_whole: bool,
}

impl KeptBody {
    /// Remembers a body of at most this length.
    pub(crate) fn keep(&self, most: u64) {
        self.0.lock().most = usize::try_from(most).unwrap_or(usize::MAX);
    }

    pub(super) fn push(&self, chunk: &[u8]) {
        let mut inner = self.0.lock();
        if inner.text.len().saturating_add(chunk.len()) > inner.most {
            *inner = Inner::default();
        } else {
            inner.text.extend_from_slice(chunk);
        }
    }

    /// All of it was taken.
    pub(super) fn end(&self) {
        self.0.lock().is_whole = true;
    }

    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        let inner = self.0.lock();
        (inner.is_whole && !inner.text.is_empty()).then(|| inner.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_whole_or_not_at_all() {
        let kept = KeptBody::default();
        kept.keep(4);
        kept.push(b"ab");
        assert_eq!(kept.text(), None);
        kept.push(b"cd");
        kept.end();
        assert_eq!(kept.text().as_deref(), Some(&b"abcd"[..]));
        for parts in [&["abcde"][..], &["abc", "de", "f"]] {
            let kept = KeptBody::default();
            kept.keep(4);
            parts.iter().for_each(|part| kept.push(part.as_bytes()));
            kept.end();
            assert_eq!(kept.text(), None, "{parts:?}");
        }
    }
}
