//! Header blocks of hot pages. Each thread keeps a few, each for as long as all hits say the same. A block is
//! made without a table, so it means the same on every connection.

use std::sync::{Arc, Weak};

use crate::cache::page::Page;
use crate::http1::joined::{HitHead, mixed};

/// So many pages at a time.
const PLACES: usize = 32;
/// The largest block that is kept.
const MAX_BLOCK: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct HitBlocks {
    places: [Option<HitBlock>; PLACES],
}

struct HitBlock {
    /// Keeps the page's address from being another's, and nothing of its body.
    page: Weak<Page>,
    said: HitHead,
    /// As many bytes as HTTP/1 would need for the head.
    length: usize,
    block: Vec<u8>,
}

impl HitBlocks {
    /// The block of a hit whose head says this, and the head's length in HTTP/1. `make` writes the block, and
    /// tells that length.
    pub(super) fn find(
        &mut self,
        page: &Arc<Page>,
        said: HitHead,
        make: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> (&[u8], usize) {
        let place = &mut self.places[mixed(page) % PLACES];
        let kept = place.get_or_insert_with(|| HitBlock {
            page: Arc::downgrade(page),
            said,
            length: 0,
            block: Vec::new(),
        });
        if kept.block.is_empty() || !std::ptr::eq(kept.page.as_ptr(), Arc::as_ptr(page)) || kept.said != said
        {
            kept.page = Arc::downgrade(page);
            kept.said = said;
            if kept.block.capacity() > MAX_BLOCK {
                kept.block = Vec::new();
            }
            kept.block.clear();
            kept.length = make(&mut kept.block);
        }
        (&kept.block, kept.length)
    }
}

/// Writes the block of a head in the form of HTTP/1: its status line and fields. Tells its length there, with
/// the empty line.
pub(super) fn of_lines(head: &[u8], out: &mut Vec<u8>) -> usize {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next().and_then(|line| str::from_utf8(line.get(9..12)?).ok()?.parse().ok());
    ::http2::block::status(out, status.unwrap_or(500));
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        ::http2::block::field(out, name, value.get(1..).unwrap_or_default().trim_ascii());
    }
    head.len() + 2
}

#[cfg(test)]
mod tests {
    use ::http2::{Decoder, FieldList};

    use super::*;

    #[test]
    fn a_head_of_http_1_becomes_a_block() {
        let head = b"HTTP/1.1 404 Not Found\r\ndate: Mon, 1 Jan 2024 00:00:00 GMT\r\nx-a:b\r\nx-empty: \r\n";
        let mut block = Vec::new();
        assert_eq!(of_lines(head, &mut block), head.len() + 2);
        let mut fields = FieldList::new(4096);
        Decoder::default().decode(&block, &mut fields).unwrap();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| {
                format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            })
            .collect();
        assert_eq!(fields, [":status=404", "date=Mon, 1 Jan 2024 00:00:00 GMT", "x-a=b", "x-empty="]);
    }
}
