//! Bodies of pages that are in memory: those that L1 keeps, and those that it has evicted while somebody
//! still sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

#[derive(Clone, Default)]
pub(super) struct AliveBytes(Arc<AtomicU64>);

impl AliveBytes {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts the bytes until nobody has any of them.
    pub(super) fn counted(&self, bytes: Bytes) -> Bytes {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Bytes::from_owner(CountedBody { bytes, alive: self.clone() })
    }
}

struct CountedBody {
    bytes: Bytes,
    alive: AliveBytes,
}

impl AsRef<[u8]> for CountedBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        self.alive.0.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_until_its_last_part_is_gone() {
        let alive = AliveBytes::default();
        let body = alive.counted(Bytes::from_static(b"a page"));
        let other = alive.counted(Bytes::from_static(b"four"));
        let part = body.slice(2..3);
        drop((body, other));
        assert_eq!((alive.get(), &part[..]), (6, &b"p"[..]));
        drop(part);
        assert_eq!(alive.get(), 0);
    }
}
