//! What the fuzz target of this decoder calls: no cut changes the body, no piece of it is large, and what is
//! compressed comes back.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{AT_ONCE, ENOUGH, Gunzip};

/// What deflate makes of one byte, at most.
const MOST_OF_ONE: usize = 1032;

/// Reads the bytes as a compressed body, and as one that is compressed here.
#[doc(hidden)]
pub fn decompress(bytes: &[u8]) {
    let whole = body(bytes, bytes.len().max(1));
    for size in [1, 7, AT_ONCE + 1] {
        assert_eq!(body(bytes, size), whole, "in pieces of {size}");
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let coded = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let Ok(coded) = coded else { panic!("not compressed") };
    assert_eq!(body(&coded, 100).as_deref(), Some(bytes));
}

/// `None`: it is no compressed body.
fn body(coded: &[u8], size: usize) -> Option<Vec<u8>> {
    let (mut gunzip, mut body) = (Gunzip::default(), Vec::new());
    for piece in coded.chunks(size) {
        gunzip.take(Bytes::copy_from_slice(piece));
        while gunzip.has_more() {
            let some = gunzip.decoded().ok()?;
            assert!(some.len() <= ENOUGH + AT_ONCE * MOST_OF_ONE, "{} bytes at once", some.len());
            body.extend_from_slice(&some);
        }
    }
    body.extend_from_slice(&gunzip.end().ok()?);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_cut_anywhere() {
        let coded = include_bytes!("../../../../fuzz/seeds/gunzip/two");
        (0..=coded.len()).for_each(|end| decompress(&coded[..end]));
    }
}
