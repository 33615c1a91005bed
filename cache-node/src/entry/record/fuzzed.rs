//! What the fuzz target of this format calls: whatever the bytes, they are a miss or a page that keeps its
//! bounds.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use super::RecordFormat;
use super::seal::Seal;
use crate::slot::{Rule, Slot};

const LEFT: Duration = Duration::from_secs(60);
const MAX_BODY: usize = 64 * 1024;

/// Reads the bytes as a record, and as what stands behind a right preamble: by chance no checksum is ever
/// right.
#[doc(hidden)]
pub fn read_record(bytes: &[u8]) {
    let format = RecordFormat { seal: Seal::Checksum, compress_from: usize::MAX, max_body: MAX_BODY };
    let sealed = format.seal.seal(bytes);
    let slot = Slot::new(Bytes::from_static(b"k"), Rule::default(), &HeaderMap::new());
    let now = Instant::now();
    for record in [Bytes::copy_from_slice(bytes), sealed.into()] {
        let Ok(entry) = format.decode(record, &slot, LEFT, now) else { continue };
        assert!(entry.body().len() <= MAX_BODY.max(bytes.len()), "unpacked without a bound");
        assert!(entry.keep_for(now) <= LEFT, "kept for longer than the store says");
        assert!(entry.head_at(now + LEFT).age_ms >= entry.head_at(now).age_ms);
        assert!(entry.use_at(now + 2 * LEFT).is_none(), "of use after its end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cut_or_damaged_anywhere() {
        let record = include_bytes!("../../../../fuzz/seeds/entry/page");
        read_record(record);
        for at in 0..record.len() {
            read_record(&record[..at]);
            for bit in 0..8 {
                let mut damaged = record.to_vec();
                damaged[at] ^= 1 << bit;
                read_record(&damaged);
            }
        }
    }
}
