//! nginx's lexer (`ngx_conf_read_token`): the next directive's words, a block's end, or the end of the text.

use crate::lua;
use crate::tree::{FileId, Place, Word};

/// nginx reads files through a buffer of this size, so that no word and no comment may be longer.
const BUFFER: usize = 4096;

/// What [`Lexer::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Words that end with `;`.
    Simple(Vec<Word>),
    /// Words that end with `{`.
    BlockStart(Vec<Word>),
    BlockEnd,
    End,
}

/// What nginx says of a text it cannot read, and the line it names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) text: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A place in a text.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    file: FileId,
    /// Whether the text came with `-g`: it has no lines, and its end is called otherwise.
    is_parameter: bool,
}

/// What the next byte is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Between words.
    Space,
    Comment,
    /// In a word without quotes.
    Bare,
    /// In a word that began with this quote.
    Quoted(u8),
    /// Behind a closing quote.
    AfterQuote,
}

/// What ends a token.
enum End {
    Semicolon,
    Opening,
    Closing,
}

/// The token being read.
struct PartialToken {
    words: Vec<Word>,
    mode: Mode,
    /// Where the bytes begin that nginx's buffer must still hold, and the line of that place.
    start: usize,
    start_line: u32,
    /// Where the word begins, its quote included.
    begun: Place,
    /// The next byte stands for itself.
    escaped: bool,
    /// The byte before was a `$`.
    variable: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8], file: FileId, is_parameter: bool) -> Self {
        Self { text, at: 0, line: 1, line_start: 0, file, is_parameter }
    }

    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    pub(crate) fn next(&mut self) -> Result<Token, LexError> {
        let mut reading = PartialToken {
            words: Vec::new(),
            mode: Mode::Space,
            start: self.at,
            start_line: self.line,
            begun: self.here(),
            escaped: false,
            variable: false,
        };
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                let is_done = reading.words.is_empty() && matches!(reading.mode, Mode::Space | Mode::Comment);
                return if is_done { Ok(Token::End) } else { Err(self.ended()) };
            };
            if self.at - reading.start >= BUFFER && !self.is_parameter {
                return Err(self.too_long(reading.start, reading.start_line, reading.mode));
            }
            let place = self.here();
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
                if reading.mode == Mode::Comment {
                    reading.mode = Mode::Space;
                }
            }
            let found = match reading.mode {
                Mode::Comment => None,
                _ if std::mem::take(&mut reading.escaped) => None,
                Mode::AfterQuote => self.after_quote(byte, place, &mut reading)?,
                Mode::Space => self.between_words(byte, place, &mut reading)?,
                Mode::Bare | Mode::Quoted(_) => self.inside_word(byte, &mut reading),
            };
            if let Some(end) = found {
                let words = reading.words;
                return Ok(match end {
                    End::Semicolon => Token::Simple(words),
                    End::Opening => Token::BlockStart(words),
                    End::Closing => Token::BlockEnd,
                });
            }
        }
    }

    /// Passes over the rest of a block of Lua, whose beginning has been read. `false`: it does not end.
    pub(crate) fn skip_lua(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(code) = lua::length(rest).and_then(|length| rest.get(..length)) else { return false };
        self.line += u32::try_from(code.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX);
        if let Some(last) = code.iter().rposition(|byte| *byte == b'\n') {
            self.line_start = self.at + last + 1;
        }
        self.at += code.len();
        true
    }

    fn after_quote(
        &self,
        byte: u8,
        place: Place,
        reading: &mut PartialToken,
    ) -> Result<Option<End>, LexError> {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => reading.mode = Mode::Space,
            b';' => return Ok(Some(End::Semicolon)),
            b'{' => return Ok(Some(End::Opening)),
            // `if ($x = "y")`: the bracket is a word of its own.
            b')' => return self.between_words(byte, place, reading),
            _ => return Err(self.unexpected(byte, place)),
        }
        Ok(None)
    }

    fn between_words(
        &self,
        byte: u8,
        place: Place,
        reading: &mut PartialToken,
    ) -> Result<Option<End>, LexError> {
        reading.start = self.at - 1;
        reading.start_line = self.line;
        reading.begun = place;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b';' | b'{' if reading.words.is_empty() => return Err(self.unexpected(byte, place)),
            b';' => return Ok(Some(End::Semicolon)),
            b'{' => return Ok(Some(End::Opening)),
            b'}' if reading.words.is_empty() => return Ok(Some(End::Closing)),
            b'}' => return Err(self.unexpected(byte, place)),
            b'#' => reading.mode = Mode::Comment,
            b'"' | b'\'' => {
                reading.start += 1;
                reading.mode = Mode::Quoted(byte);
            }
            _ => {
                reading.escaped = byte == b'\\';
                reading.variable = byte == b'$';
                reading.mode = Mode::Bare;
            }
        }
        Ok(None)
    }

    fn inside_word(&self, byte: u8, reading: &mut PartialToken) -> Option<End> {
        if byte == b'{' && reading.variable {
            return None; // `${name}`
        }
        reading.variable = byte == b'$';
        reading.escaped = byte == b'\\';
        let quote = match reading.mode {
            Mode::Quoted(quote) => Some(quote),
            _ => None,
        };
        let ends = match quote {
            Some(quote) => byte == quote,
            None => matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{'),
        };
        if !ends {
            return None;
        }
        let raw = self.text.get(reading.start..self.at - 1).unwrap_or_default();
        reading.words.push(Word { text: unescaped(raw), place: reading.begun, quoted: quote.is_some() });
        reading.mode = if quote.is_some() { Mode::AfterQuote } else { Mode::Space };
        match byte {
            b';' if quote.is_none() => Some(End::Semicolon),
            b'{' if quote.is_none() => Some(End::Opening),
            _ => None,
        }
    }

    fn here(&self) -> Place {
        let column = u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX);
        Place { file: self.file, line: self.line, column }
    }

    fn unexpected(&self, byte: u8, place: Place) -> LexError {
        let char = String::from_utf8_lossy(&[byte]).into_owned();
        LexError { text: format!("unexpected \"{char}\""), line: self.line, column: place.column }
    }

    fn ended(&self) -> LexError {
        let text = if self.is_parameter {
            "unexpected end of parameter, expecting \";\""
        } else {
            "unexpected end of file, expecting \";\" or \"}\""
        };
        LexError { text: text.into(), line: self.line, column: self.here().column }
    }

    fn too_long(&self, start: usize, line: u32, mode: Mode) -> LexError {
        let text = match mode {
            Mode::Quoted(quote) => {
                let quote = char::from(quote);
                format!("too long parameter, probably missing terminating \"{quote}\" character")
            }
            _ => {
                let begin = self.text.get(start..start + 10).unwrap_or_default();
                format!("too long parameter \"{}...\" started", String::from_utf8_lossy(begin))
            }
        };
        LexError { text, line, column: 0 }
    }
}

/// A word's text: nginx knows `\"`, `\'`, `\\`, `\t`, `\r` and `\n`, and leaves any other backslash.
fn unescaped(raw: &[u8]) -> String {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let known = match (byte, bytes.peek()) {
            (b'\\', Some(next @ (b'"' | b'\'' | b'\\'))) => Some(*next),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        if known.is_some() {
            bytes.next();
        }
        text.push(known.unwrap_or(byte));
    }
    match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
