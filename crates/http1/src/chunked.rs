//! Decodes a chunked body (RFC 9112 §7.1), strictly, from bytes alone. Extensions and trailers are checked,
//! bounded and dropped.
//!
//! Stricter than the RFC: lines end with CR LF only, whitespace after the size only before an extension, none
//! but ASCII in extensions.

use std::ops::Range;

use crate::octets::is_tchar;

/// Bytes of extensions that a body may hold in all, as hyper's bound: nobody here reads them, and they can
/// outweigh the data.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Bytes of trailer lines.
const MAX_TRAILERS: usize = 16 * 1024;
/// As many as a `u64` has.
const MAX_SIZE_DIGITS: u8 = 16;

/// The state of one body between calls: a few words, whatever the body holds.
#[derive(Debug, Default)]
pub struct Decoder {
    place: ChunkPlace,
    /// The chunk's bytes that are still to come, or its size as read until now.
    left: u64,
    extensions: usize,
    trailers: usize,
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkStep {
    /// Body bytes, in the slice that was given. What follows them is given to the next call.
    Data(Range<usize>),
    /// All bytes given are used up and the body goes on.
    NeedMore,
    /// The body is over. It took so many of the bytes given; the rest is the next request's.
    End(usize),
}

/// Not a chunked body. The client is at fault; nothing of the body may be taken for complete, and the
/// connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedChunk {
    #[error("chunk size is not a hexadecimal number of 1 to 16 digits")]
    Size,
    #[error("chunk extension is not `;name` or `;name=value`")]
    Extension,
    #[error("chunk extensions are longer than 16 KiB in all")]
    ExtensionsTooLong,
    #[error("chunk data is not followed by CR LF")]
    DataEnd,
    #[error("line of the chunked coding does not end with CR LF")]
    LineEnd,
    #[error("trailer line is not a field")]
    Trailer,
    #[error("trailers are longer than 16 KiB")]
    TrailersTooLong,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkPlace {
    /// A digit of the size, of which so many came; or what ends it.
    #[default]
    FirstDigit,
    Digit(u8),
    /// Whitespace behind the size.
    AfterSize,
    /// Before the name of an extension.
    Extension,
    ExtensionName,
    /// Whitespace behind the name.
    AfterName,
    /// Before the value.
    Equals,
    ExtensionValue,
    Quoted,
    QuotedPair,
    QuotedEnd,
    /// Whitespace behind a value.
    AfterValue,
    /// The line feed of the size line.
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Over,
}

impl Decoder {
    /// Takes the bytes that follow those taken before. Called again with what follows the step's bytes, until
    /// it says [`ChunkStep::NeedMore`]. After an error it is not called again.
    pub fn next(&mut self, bytes: &[u8]) -> Result<ChunkStep, MalformedChunk> {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.place {
                ChunkPlace::Over => return Ok(ChunkStep::End(at)),
                ChunkPlace::Data => return Ok(self.data(at, bytes.len())),
                _ => self.framing(byte)?,
            }
        }
        Ok(if self.place == ChunkPlace::Over { ChunkStep::End(bytes.len()) } else { ChunkStep::NeedMore })
    }

    fn data(&mut self, from: usize, to: usize) -> ChunkStep {
        let here = to - from;
        let taken = usize::try_from(self.left).map_or(here, |left| left.min(here));
        self.left -= taken as u64;
        if self.left == 0 {
            self.place = ChunkPlace::DataReturn;
        }
        ChunkStep::Data(from..from + taken)
    }

    /// One byte that is not data.
    fn framing(&mut self, byte: u8) -> Result<(), MalformedChunk> {
        self.place = match (self.place, byte) {
            (ChunkPlace::FirstDigit, _) => self.digit(byte, 0)?,
            (ChunkPlace::Digit(_), b'\r') => ChunkPlace::SizeLineFeed,
            (ChunkPlace::Digit(_), b';') => ChunkPlace::Extension,
            (ChunkPlace::Digit(_), b' ' | b'\t') => ChunkPlace::AfterSize,
            (ChunkPlace::Digit(digits), _) => self.digit(byte, digits)?,

            (
                ChunkPlace::AfterSize
                | ChunkPlace::Extension
                | ChunkPlace::ExtensionName
                | ChunkPlace::AfterName
                | ChunkPlace::Equals
                | ChunkPlace::ExtensionValue
                | ChunkPlace::Quoted
                | ChunkPlace::QuotedPair
                | ChunkPlace::QuotedEnd
                | ChunkPlace::AfterValue,
                _,
            ) => self.extension(byte)?,

            (ChunkPlace::SizeLineFeed, b'\n') if self.left == 0 => ChunkPlace::TrailerLine,
            (ChunkPlace::SizeLineFeed, b'\n') => ChunkPlace::Data,
            (ChunkPlace::DataReturn, b'\r') => ChunkPlace::DataLineFeed,
            (ChunkPlace::DataLineFeed, b'\n') => ChunkPlace::FirstDigit,
            (ChunkPlace::DataReturn | ChunkPlace::DataLineFeed, _) => return Err(MalformedChunk::DataEnd),

            (ChunkPlace::TrailerLine, b'\r') => ChunkPlace::LastLineFeed,
            (ChunkPlace::TrailerLine | ChunkPlace::TrailerName, _) if is_tchar(byte) => {
                self.trailer(ChunkPlace::TrailerName)?
            }
            (ChunkPlace::TrailerName, b':') => self.trailer(ChunkPlace::TrailerValue)?,
            (ChunkPlace::TrailerValue, b'\r') => ChunkPlace::TrailerLineFeed,
            (ChunkPlace::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailer(ChunkPlace::TrailerValue)?
            }
            (ChunkPlace::TrailerLine | ChunkPlace::TrailerName | ChunkPlace::TrailerValue, _) => {
                return Err(MalformedChunk::Trailer);
            }
            (ChunkPlace::TrailerLineFeed, b'\n') => self.trailer(ChunkPlace::TrailerLine)?,
            (ChunkPlace::LastLineFeed, b'\n') => ChunkPlace::Over,
            (ChunkPlace::SizeLineFeed | ChunkPlace::TrailerLineFeed | ChunkPlace::LastLineFeed, _) => {
                return Err(MalformedChunk::LineEnd);
            }

            (ChunkPlace::Data | ChunkPlace::Over, _) => self.place,
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8, digits: u8) -> Result<ChunkPlace, MalformedChunk> {
        let value = char::from(byte).to_digit(16).ok_or(MalformedChunk::Size)?;
        if digits == MAX_SIZE_DIGITS {
            return Err(MalformedChunk::Size);
        }
        // `left` is 0 before the first digit: the chunk before was taken to its end.
        self.left = self.left << 4 | u64::from(value);
        Ok(ChunkPlace::Digit(digits + 1))
    }

    /// RFC 9112 §7.1.1: `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, a name being a token
    /// and a value a token or a quoted string.
    fn extension(&mut self, byte: u8) -> Result<ChunkPlace, MalformedChunk> {
        let next = match (self.place, byte) {
            (ChunkPlace::ExtensionName | ChunkPlace::ExtensionValue | ChunkPlace::QuotedEnd, b'\r') => {
                return Ok(ChunkPlace::SizeLineFeed);
            }
            (ChunkPlace::Quoted, b'"') => ChunkPlace::QuotedEnd,
            (ChunkPlace::Quoted, b'\\') => ChunkPlace::QuotedPair,
            (ChunkPlace::Quoted | ChunkPlace::QuotedPair, b'\t' | b' '..=b'~') => ChunkPlace::Quoted,
            (
                ChunkPlace::AfterSize
                | ChunkPlace::Extension
                | ChunkPlace::Equals
                | ChunkPlace::AfterName
                | ChunkPlace::AfterValue,
                b' ' | b'\t',
            ) => self.place,
            (ChunkPlace::ExtensionName, b' ' | b'\t') => ChunkPlace::AfterName,
            (ChunkPlace::ExtensionValue | ChunkPlace::QuotedEnd, b' ' | b'\t') => ChunkPlace::AfterValue,
            (ChunkPlace::ExtensionName | ChunkPlace::AfterName, b'=') => ChunkPlace::Equals,
            (ChunkPlace::Equals, b'"') => ChunkPlace::Quoted,
            (ChunkPlace::Extension | ChunkPlace::Equals, b';') => {
                return Err(MalformedChunk::Extension);
            }
            (_, b';') => ChunkPlace::Extension,
            // RFC 9110 §5.6.3: whitespace is taken where the grammar has it, and only there.
            (ChunkPlace::AfterSize, _) => return Err(MalformedChunk::Size),
            (ChunkPlace::Extension | ChunkPlace::ExtensionName, _) if is_tchar(byte) => {
                ChunkPlace::ExtensionName
            }
            (ChunkPlace::Equals | ChunkPlace::ExtensionValue, _) if is_tchar(byte) => {
                ChunkPlace::ExtensionValue
            }
            _ => return Err(MalformedChunk::Extension),
        };
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS { Err(MalformedChunk::ExtensionsTooLong) } else { Ok(next) }
    }

    /// RFC 9110 §6.5.1: trailers may not be merged into the fields unless their definition says so; these are
    /// never.
    fn trailer(&mut self, next: ChunkPlace) -> Result<ChunkPlace, MalformedChunk> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS { Err(MalformedChunk::TrailersTooLong) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests;
