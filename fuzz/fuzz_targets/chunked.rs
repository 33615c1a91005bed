//! The chunked decoder says the same of a body whole and byte by byte, and never hands out more than came.
#![no_main]

use http1::chunked::{ChunkStep, Decoder, MalformedChunk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(decode(bytes, 1), whole);
    if let Ok((body, end)) = whole {
        assert!(body.len() <= end.unwrap_or(bytes.len()));
    }
});

/// The body, and where it ended if it did, of `bytes` given in pieces of `size`.
fn decode(bytes: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), MalformedChunk> {
    let mut decoder = Decoder::default();
    let mut body = Vec::new();
    for (index, mut piece) in bytes.chunks(size).enumerate() {
        loop {
            match decoder.next(piece)? {
                ChunkStep::Data(range) => {
                    body.extend_from_slice(&piece[range.clone()]);
                    piece = &piece[range.end..];
                }
                ChunkStep::NeedMore => break,
                ChunkStep::End(taken) => {
                    let before = bytes.len().min((index + 1) * size) - piece.len();
                    return Ok((body, Some(before + taken)));
                }
            }
        }
    }
    Ok((body, None))
}
