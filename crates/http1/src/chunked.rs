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
    place: Place,
    /// The chunk's bytes that are still to come, or its size as read until now.
    left: u64,
    extensions: usize,
    trailers: usize,
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
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
pub enum Malformed {
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
enum Place {
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
    /// it says [`Step::NeedMore`]. After an error it is not called again.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.place {
                Place::Over => return Ok(Step::End(at)),
                Place::Data => return Ok(self.data(at, bytes.len())),
                _ => self.framing(byte)?,
            }
        }
        Ok(if self.place == Place::Over { Step::End(bytes.len()) } else { Step::NeedMore })
    }

    fn data(&mut self, from: usize, to: usize) -> Step {
        let here = to - from;
        let taken = usize::try_from(self.left).map_or(here, |left| left.min(here));
        self.left -= taken as u64;
        if self.left == 0 {
            self.place = Place::DataReturn;
        }
        Step::Data(from..from + taken)
    }

    /// One byte that is not data.
    fn framing(&mut self, byte: u8) -> Result<(), Malformed> {
        self.place = match (self.place, byte) {
            (Place::FirstDigit, _) => self.digit(byte, 0)?,
            (Place::Digit(_), b'\r') => Place::SizeLineFeed,
            (Place::Digit(_), b';') => Place::Extension,
            (Place::Digit(_), b' ' | b'\t') => Place::AfterSize,
            (Place::Digit(digits), _) => self.digit(byte, digits)?,

            (
                Place::AfterSize
                | Place::Extension
                | Place::ExtensionName
                | Place::AfterName
                | Place::Equals
                | Place::ExtensionValue
                | Place::Quoted
                | Place::QuotedPair
                | Place::QuotedEnd
                | Place::AfterValue,
                _,
            ) => self.extension(byte)?,

            (Place::SizeLineFeed, b'\n') if self.left == 0 => Place::TrailerLine,
            (Place::SizeLineFeed, b'\n') => Place::Data,
            (Place::DataReturn, b'\r') => Place::DataLineFeed,
            (Place::DataLineFeed, b'\n') => Place::FirstDigit,
            (Place::DataReturn | Place::DataLineFeed, _) => return Err(Malformed::DataEnd),

            (Place::TrailerLine, b'\r') => Place::LastLineFeed,
            (Place::TrailerLine | Place::TrailerName, _) if is_tchar(byte) => {
                self.trailer(Place::TrailerName)?
            }
            (Place::TrailerName, b':') => self.trailer(Place::TrailerValue)?,
            (Place::TrailerValue, b'\r') => Place::TrailerLineFeed,
            (Place::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => self.trailer(Place::TrailerValue)?,
            (Place::TrailerLine | Place::TrailerName | Place::TrailerValue, _) => {
                return Err(Malformed::Trailer);
            }
            (Place::TrailerLineFeed, b'\n') => self.trailer(Place::TrailerLine)?,
            (Place::LastLineFeed, b'\n') => Place::Over,
            (Place::SizeLineFeed | Place::TrailerLineFeed | Place::LastLineFeed, _) => {
                return Err(Malformed::LineEnd);
            }

            (Place::Data | Place::Over, _) => self.place,
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8, digits: u8) -> Result<Place, Malformed> {
        let value = char::from(byte).to_digit(16).ok_or(Malformed::Size)?;
        if digits == MAX_SIZE_DIGITS {
            return Err(Malformed::Size);
        }
        // `left` is 0 before the first digit: the chunk before was taken to its end.
        self.left = self.left << 4 | u64::from(value);
        Ok(Place::Digit(digits + 1))
    }

    /// RFC 9112 §7.1.1: `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, a name being a token
    /// and a value a token or a quoted string.
    fn extension(&mut self, byte: u8) -> Result<Place, Malformed> {
        let next = match (self.place, byte) {
            (Place::ExtensionName | Place::ExtensionValue | Place::QuotedEnd, b'\r') => {
                return Ok(Place::SizeLineFeed);
            }
            (Place::Quoted, b'"') => Place::QuotedEnd,
            (Place::Quoted, b'\\') => Place::QuotedPair,
            (Place::Quoted | Place::QuotedPair, b'\t' | b' '..=b'~') => Place::Quoted,
            (
                Place::AfterSize | Place::Extension | Place::Equals | Place::AfterName | Place::AfterValue,
                b' ' | b'\t',
            ) => self.place,
            (Place::ExtensionName, b' ' | b'\t') => Place::AfterName,
            (Place::ExtensionValue | Place::QuotedEnd, b' ' | b'\t') => Place::AfterValue,
            (Place::ExtensionName | Place::AfterName, b'=') => Place::Equals,
            (Place::Equals, b'"') => Place::Quoted,
            (Place::Extension | Place::Equals, b';') => {
                return Err(Malformed::Extension);
            }
            (_, b';') => Place::Extension,
            // RFC 9110 §5.6.3: whitespace is taken where the grammar has it, and only there.
            (Place::AfterSize, _) => return Err(Malformed::Size),
            (Place::Extension | Place::ExtensionName, _) if is_tchar(byte) => Place::ExtensionName,
            (Place::Equals | Place::ExtensionValue, _) if is_tchar(byte) => Place::ExtensionValue,
            _ => return Err(Malformed::Extension),
        };
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS { Err(Malformed::ExtensionsTooLong) } else { Ok(next) }
    }

    /// RFC 9110 §6.5.1: trailers may not be merged into the fields unless their definition says so; these are
    /// never.
    fn trailer(&mut self, next: Place) -> Result<Place, Malformed> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS { Err(Malformed::TrailersTooLong) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests;
