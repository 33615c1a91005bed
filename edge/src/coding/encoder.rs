//! Codes a body piece by piece, in bounded memory.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use zstd::stream::write::Encoder as ZstdEncoder;
use zstd::zstd_safe::CParameter;

use crate::coding::Coding;

/// The window of a body whose length is not known, as a power of two: 256 KiB.
const USUAL_WINDOW: u32 = 18;
/// The largest window: 4 MiB. RFC 8878 section 3.1.1.1.2 recommends that decoders take windows of 8 MB.
const LARGEST_WINDOW: u32 = 22;
const SMALLEST_WINDOW: u32 = 10;
const BROTLI_BUFFER: usize = 4096;

/// From 1, fast, to 9, small: the levels of gzip, which are also those of brotli and zstd up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(u8);

impl Level {
    /// Near the best ratio for its time in all three codings.
    pub(crate) const USUAL: Self = Self(5);

    pub(crate) fn new(level: u8) -> Option<Self> {
        (1..=9).contains(&level).then_some(Self(level))
    }
}

/// One body that is being coded.
pub(crate) enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstandard(Box<ZstdEncoder<'static, Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Encoder {
    /// `length` of the body, if it is known.
    pub(crate) fn new(coding: Coding, Level(level): Level, length: Option<u64>) -> io::Result<Self> {
        let window = match length {
            Some(length) => (u64::BITS - length.leading_zeros()).clamp(SMALLEST_WINDOW, LARGEST_WINDOW),
            None => USUAL_WINDOW,
        };
        Ok(match coding {
            Coding::Brotli => {
                let parameters = BrotliEncoderParams {
                    quality: level.into(),
                    lgwin: window as i32,
                    size_hint: length.and_then(|length| length.try_into().ok()).unwrap_or(0),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &parameters);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstandard => {
                let mut encoder = ZstdEncoder::new(Vec::new(), level.into())?;
                encoder.set_parameter(CParameter::WindowLog(window))?;
                encoder.set_pledged_src_size(length)?;
                Self::Zstandard(Box::new(encoder))
            }
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(level.into())))),
        })
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Brotli(writer) => writer.write_all(piece),
            Self::Zstandard(writer) => writer.write_all(piece),
            Self::Gzip(writer) => writer.write_all(piece),
        }
    }

    /// Lets the client decode all that was written so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Brotli(writer) => writer.flush(),
            Self::Zstandard(writer) => writer.flush(),
            Self::Gzip(writer) => writer.flush(),
        }
    }

    /// How many bytes [`Self::take`] would give.
    pub(crate) fn coded(&self) -> usize {
        match self {
            Self::Brotli(writer) => writer.get_ref().len(),
            Self::Zstandard(writer) => writer.get_ref().len(),
            Self::Gzip(writer) => writer.get_ref().len(),
        }
    }

    /// What has been coded since the last time.
    pub(crate) fn take(&mut self) -> Bytes {
        let coded = match self {
            Self::Brotli(writer) => writer.get_mut(),
            Self::Zstandard(writer) => writer.get_mut(),
            Self::Gzip(writer) => writer.get_mut(),
        };
        std::mem::take(coded).into()
    }

    /// The rest.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Brotli(writer) => writer.into_inner(),
            Self::Zstandard(writer) => writer.finish()?,
            Self::Gzip(writer) => writer.finish()?,
        }
        .into())
    }
}

/// A whole body in a coding.
pub(crate) fn whole(coding: Coding, level: Level, body: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(coding, level, Some(body.len() as u64))?;
    encoder.write(body)?;
    encoder.finish()
}

/// A part of a body in deflate, as blocks that end at a whole byte and remember nothing of what was before.
pub(crate) fn deflate_part(Level(level): Level, part: &[u8]) -> io::Result<Bytes> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level.into()));
    encoder.write_all(part)?;
    encoder.flush()?;
    Ok(std::mem::take(encoder.get_mut()).into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn decoded(coding: Coding, body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Brotli => {
                brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap();
            }
            Coding::Zstandard => plain = zstd::stream::decode_all(body).unwrap(),
            Coding::Gzip => {
                flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
            }
        }
        plain
    }

    fn text(length: usize) -> Vec<u8> {
        let words = ["<li>", "news ", "of the day ", "</li>\n", "0123 ", "zażółć "];
        let mut text = Vec::new();
        let mut seed = 7_usize;
        while text.len() < length {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.extend_from_slice(words[(seed >> 40) % words.len()].as_bytes());
        }
        text.truncate(length);
        text
    }

    #[test]
    fn bodies_come_back_whole_at_every_level_and_length() {
        for coding in Coding::ALL {
            for length in [0, 1, 100, 5000, 70_000, 300_000] {
                let body = text(length);
                for level in [1, 5, 9] {
                    let coded = whole(coding, Level::new(level).unwrap(), &body).unwrap();
                    assert_eq!(decoded(coding, &coded), body, "{coding:?} {length} {level}");
                    assert!(length < 5000 || coded.len() < length / 2, "{coding:?}: {} bytes", coded.len());
                }
            }
        }
    }

    #[test]
    fn what_was_flushed_can_be_decoded_before_the_rest_is_there() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding, Level::new(5).unwrap(), None).unwrap();
            let mut sent = Vec::new();
            for piece in [&b"first piece"[..], b"second", b"third and last"] {
                encoder.write(piece).unwrap();
                encoder.flush().unwrap();
                let coded = encoder.take();
                assert!(!coded.is_empty(), "{coding:?}: nothing was flushed");
                sent.extend_from_slice(&coded);
                if coding == Coding::Gzip {
                    let mut plain = vec![0; 100];
                    let mut decoder = flate2::read::GzDecoder::new(&sent[..]);
                    let length = decoder.read(&mut plain).unwrap();
                    assert!(plain[..length].starts_with(b"first piece"));
                }
            }
            sent.extend_from_slice(&encoder.finish().unwrap());
            assert_eq!(decoded(coding, &sent), b"first piecesecondthird and last", "{coding:?}");
        }
    }
}
