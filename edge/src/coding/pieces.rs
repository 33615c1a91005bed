//! A page with holes in gzip, put together from pieces: what stands between the holes is coded once, and the
//! values are put between it as they are, in blocks of their own.
//!
//! It is one gzip member, which all clients read. Brotli cannot be cut so, and not all clients read more than
//! one frame of zstd.

use std::collections::VecDeque;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Crc;
use http_cache::holes::Holes;
use http_cache::holes::filler::Filler;

use crate::coding::encoder::{self, Level};
use crate::coding::work::{CodingCapacity, LONG, MemoryShare};

/// RFC 1952 section 2.3: deflate, no flags, no time, no hint, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last block, with nothing in it (RFC 1951 section 3.2.6).
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

#[derive(Debug)]
pub(crate) struct GzipPieces {
    pieces: Vec<GzipPiece>,
    _taken: MemoryShare,
}

#[derive(Debug)]
enum GzipPiece {
    /// A part of the page, as blocks that end at a whole byte.
    Coded { deflated: Bytes, crc: Crc },
    /// The value of the hole with this number.
    Value(usize),
}

impl GzipPieces {
    /// Codes what stands between the holes. An error: there is no memory or no processor for it now.
    pub(crate) async fn make(
        works: &CodingCapacity,
        level: Level,
        body: &Bytes,
        holes: &Holes,
    ) -> io::Result<Self> {
        // More than it will be, as nothing is coded yet.
        let taken = works.take(body.len() as u64).ok_or(io::ErrorKind::OutOfMemory)?;
        let parts = parts(body, holes);
        let code = move || parts.into_iter().map(|part| part.coded(level)).collect::<io::Result<Vec<_>>>();
        let pieces = if body.len() <= LONG { code()? } else { works.elsewhere(code).await?? };
        Ok(Self { pieces, _taken: taken })
    }

    /// The body with these values, in the order of the holes.
    pub(crate) fn filled(&self, values: &[Bytes]) -> VecDeque<Bytes> {
        let mut body = VecDeque::with_capacity(self.pieces.len() + 2);
        let mut crc = Crc::new();
        body.push_back(Bytes::from_static(&HEADER));
        for piece in &self.pieces {
            match piece {
                GzipPiece::Coded { deflated, crc: of_piece } => {
                    crc.combine(of_piece);
                    body.push_back(deflated.clone());
                }
                GzipPiece::Value(number) => {
                    let value = values.get(*number).cloned().unwrap_or_default();
                    crc.update(&value);
                    body.push_back(stored_block(&value));
                }
            }
        }
        let mut end = BytesMut::with_capacity(LAST_BLOCK.len() + 8);
        end.put_slice(&LAST_BLOCK);
        end.put_u32_le(crc.sum());
        end.put_u32_le(crc.amount());
        body.push_back(end.freeze());
        body
    }
}

enum PagePart {
    Plain(Bytes),
    Value(usize),
}

impl PagePart {
    fn coded(self, level: Level) -> io::Result<GzipPiece> {
        match self {
            Self::Value(number) => Ok(GzipPiece::Value(number)),
            Self::Plain(bytes) => {
                let mut crc = Crc::new();
                crc.update(&bytes);
                Ok(GzipPiece::Coded { deflated: encoder::deflate_part(level, &bytes)?, crc })
            }
        }
    }
}

/// The page, cut at its holes.
fn parts(body: &Bytes, holes: &Holes) -> Vec<PagePart> {
    let marks: Vec<_> = holes.iter().map(|hole| hole.mark).collect();
    let itself = marks.iter().map(|mark| (*mark, Bytes::copy_from_slice(mark.as_bytes())));
    let (mut filler, mut pieces) = (Filler::new(itself), VecDeque::new());
    filler.feed(body.clone(), &mut pieces);
    filler.end(&mut pieces);
    let part = |piece: Bytes| match marks.iter().position(|mark| mark.as_bytes() == &piece[..]) {
        Some(number) => PagePart::Value(number),
        None => PagePart::Plain(piece),
    };
    pieces.into_iter().map(part).collect()
}

/// RFC 1951 section 3.2.4: a block that is not compressed. It begins at a whole byte, as the one before ends.
fn stored_block(value: &[u8]) -> Bytes {
    let length = u16::try_from(value.len()).unwrap_or_default();
    let mut block = BytesMut::with_capacity(5 + value.len());
    block.put_u8(0);
    block.put_u16_le(length);
    block.put_u16_le(!length);
    block.put_slice(value.get(..usize::from(length)).unwrap_or_default());
    block.freeze()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http::HeaderMap;
    use http_cache::holes::WEIR_HOLES;

    use super::*;

    #[tokio::test]
    async fn any_page_comes_back_with_its_values() {
        let marks = ["q".repeat(64), "z".repeat(64)];
        let declared =
            marks.iter().map(|mark| format!("csrf;mark=\"{mark}\";cookie=\"t\"")).collect::<Vec<_>>();
        let headers = HeaderMap::from_iter([(WEIR_HOLES, declared.join(", ").parse().unwrap())]);
        let holes = Holes::of(&headers).unwrap().unwrap();
        let (works, long) = (CodingCapacity::new(1 << 20), "<p>some text</p>\n".repeat(5000));
        for page in
            ["{0}", "{1}{0}", "x{0}", "{0}x", "a{0}b{1}c{0}d", "long", "{0}long{1}long{0}", "none", ""]
        {
            let page = page.replace("long", &long);
            let with = |values: [&str; 2]| page.replace("{0}", values[0]).replace("{1}", values[1]);
            let body = Bytes::from(with([&marks[0], &marks[1]]));
            let pieces = GzipPieces::make(&works, Level::USUAL, &body, &holes).await.unwrap();
            for values in [["one", "another"], ["", "x"], [&long[..60_000], "y"]] {
                let bytes = values.map(|value| Bytes::copy_from_slice(value.as_bytes()));
                let coded: Vec<u8> = pieces.filled(&bytes).into_iter().flatten().collect();
                let mut plain = String::new();
                let mut decoder = flate2::read::GzDecoder::new(&coded[..]);
                decoder.read_to_string(&mut plain).unwrap();
                assert!(plain == with(values), "{}", &page[..page.len().min(80)]);
                assert!(decoder.into_inner().is_empty(), "one member");
            }
        }
        assert_eq!(works.memory_used(), 0);
        assert!(
            GzipPieces::make(
                &CodingCapacity::new(9),
                Level::USUAL,
                &Bytes::from_static(b"1234567890"),
                &holes
            )
            .await
            .is_err()
        );
    }
}
