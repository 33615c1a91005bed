//! Decompresses a body that the application has compressed, piece by piece: nginx's `gunzip`.

pub(crate) mod fuzzed;

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// Compressed bytes that are decompressed at once. Deflate makes at most 1032 of one, so what a bomb fills is
/// bounded.
const AT_ONCE: usize = 256;
/// Bytes that are sent on although more could be decompressed.
const ENOUGH: usize = 16 * 1024;

pub(crate) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// What has arrived and is not decompressed yet.
    rest: Bytes,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), rest: Bytes::new() }
    }
}

impl Gunzip {
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// A piece has arrived, and none before it is left.
    pub(crate) fn take(&mut self, chunk: Bytes) -> Bytes {
        self.rest = chunk;
        Bytes::new()
    }

    /// Some of what the rest decompresses to.
    pub(crate) fn decoded(&mut self) -> io::Result<Bytes> {
        while !self.rest.is_empty() && self.decoder.get_ref().len() < ENOUGH {
            let some = self.rest.split_to(AT_ONCE.min(self.rest.len()));
            self.decoder.write_all(&some)?;
        }
        // What the decoder holds back comes with the next piece, or at the end.
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    /// The last bytes; an error if the body is cut off.
    pub(crate) fn end(&mut self) -> io::Result<Bytes> {
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    /// The body, and the longest piece of it.
    fn whole(coded: &[u8], piece: usize) -> io::Result<(Vec<u8>, usize)> {
        let (mut gunzip, mut body, mut longest) = (Gunzip::default(), Vec::new(), 0);
        for chunk in coded.chunks(piece) {
            gunzip.take(Bytes::copy_from_slice(chunk));
            while gunzip.has_more() {
                let some = gunzip.decoded()?;
                longest = longest.max(some.len());
                body.extend_from_slice(&some);
            }
        }
        body.extend_from_slice(&gunzip.end()?);
        Ok((body, longest))
    }

    #[test]
    fn bodies_come_back_whole_and_cut_off_ones_are_errors() {
        let body: Vec<u8> = (0..100_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let coded = gzip(&body);
        for piece in [1, 7, 255, 256, 257, 5000, coded.len()] {
            assert_eq!(whole(&coded, piece).unwrap().0, body, "{piece}");
        }
        let twice = [gzip(b"one, "), gzip(b"two")].concat();
        assert_eq!(whole(&twice, 3).unwrap().0, b"one, two");
        assert!(whole(&coded[..coded.len() - 9], 100).is_err());
        assert!(whole(b"no gzip at all", 100).is_err());
    }

    #[test]
    fn no_piece_of_a_bomb_is_large() {
        let coded = gzip(&vec![0; 100 << 20]);
        assert!(coded.len() < 120_000);
        let (body, longest) = whole(&coded, coded.len()).unwrap();
        assert_eq!(body.len(), 100 << 20);
        assert!(longest < 400_000, "{longest} bytes at once");
    }
}
