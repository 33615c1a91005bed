//! Lists of pairs in files, written as in nginx: `key value;`, quotes, `#` comments.

use std::fs;
use std::path::Path;

/// The longest file that is read.
const MOST: u64 = 64 << 20;

/// One `key value;`, or a word alone (`hostnames;`), with its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: Option<String>,
}

/// Reads a file. An error says what is wrong, and in which line.
pub(super) fn read(file: &Path) -> Result<Vec<Entry>, String> {
    let shown = file.display();
    let wrong = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if fs::metadata(file).map_err(wrong)?.len() > MOST {
        return Err(format!("{shown} is larger than 64 MiB"));
    }
    let text = fs::read_to_string(file).map_err(wrong)?;
    entries(&text).map_err(|(line, text)| format!("{shown}:{line}: {text}"))
}

/// What a token is.
#[derive(Debug)]
enum ListingToken {
    Word(String),
    End,
}

fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut tokens = Tokens { rest: text, line: 1 };
    while let Some(token) = tokens.next()? {
        match token {
            ListingToken::Word(word) => words.push(word),
            ListingToken::End => {
                let mut taken = words.drain(..);
                let (key, value, more) = (taken.next(), taken.next(), taken.next());
                let Some(key) = key else { return Err((tokens.line, "`;` without a key before it".into())) };
                if let Some(more) = more {
                    return Err((tokens.line, format!("`{more}`: write a key and one value, then `;`")));
                }
                entries.push(Entry { line: tokens.line, key, value });
            }
        }
    }
    match words.first() {
        Some(word) => Err((tokens.line, format!("`{word}` is not followed by `;`"))),
        None => Ok(entries),
    }
}

struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<ListingToken>, (usize, String)> {
        self.skip_space();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if first == ';' {
            self.rest = &self.rest[1..];
            return Ok(Some(ListingToken::End));
        }
        let quote = matches!(first, '"' | '\'').then_some(first);
        let inside = if quote.is_some() { &self.rest[1..] } else { self.rest };
        let mut word = String::new();
        let mut chars = inside.char_indices().peekable();
        let end = loop {
            let Some((at, char)) = chars.next() else {
                if quote.is_some() {
                    return Err((self.line, "a quote is not closed".into()));
                }
                break inside.len();
            };
            match (char, quote) {
                ('\\', _) => match chars.next() {
                    Some((_, 't')) => word.push('\t'),
                    Some((_, 'r')) => word.push('\r'),
                    Some((_, 'n')) => word.push('\n'),
                    // nginx takes the backslash away before quotes, backslashes, spaces and `;` only.
                    Some((_, next @ ('"' | '\'' | '\\' | ' ' | ';'))) => word.push(next),
                    Some((_, next)) => word.extend(['\\', next]),
                    None => word.push('\\'),
                },
                (char, Some(quote)) if char == quote => break at + 1,
                (char, Some(_)) => word.push(char),
                (char, None) if char.is_ascii_whitespace() || char == ';' => break at,
                (char, None) => word.push(char),
            }
        };
        self.line += inside.get(..end).unwrap_or_default().matches('\n').count();
        self.rest = inside.get(end..).unwrap_or_default();
        Ok(Some(ListingToken::Word(word)))
    }

    fn skip_space(&mut self) {
        loop {
            let trimmed = self.rest.trim_start_matches(|char: char| char.is_ascii_whitespace());
            let skipped = self.rest.len() - trimmed.len();
            self.line += self.rest.get(..skipped).unwrap_or_default().matches('\n').count();
            self.rest = trimmed;
            if !trimmed.starts_with('#') {
                return;
            }
            self.rest = trimmed.find('\n').and_then(|end| trimmed.get(end..)).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nginx_s_form() {
        let text = "# old pages\n/a /b;\n\"/with space\" 'x;y'; default /c; hostnames;\n ~^/x\\.(.*)$\n  /y/$1;\n'' 1;";
        let read: Vec<_> =
            entries(text).unwrap().into_iter().map(|entry| (entry.line, entry.key, entry.value)).collect();
        let pair = |line, key: &str, value: &str| (line, key.to_owned(), Some(value.to_owned()));
        let expected = [
            pair(2, "/a", "/b"),
            pair(3, "/with space", "x;y"),
            pair(3, "default", "/c"),
            (3, "hostnames".to_owned(), None),
            pair(5, "~^/x\\.(.*)$", "/y/$1"),
            pair(6, "", "1"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_mistake_names_its_line() {
        let cases = [
            ("a b", 1, "`a` is not followed by `;`"),
            ("a b;\n;", 2, "`;` without a key before it"),
            ("a b c;", 1, "`c`: write a key and one value, then `;`"),
            ("a \"b;\n", 1, "a quote is not closed"),
        ];
        for (text, line, mistake) in cases {
            assert_eq!(entries(text), Err((line, mistake.to_owned())), "{text}");
        }
    }
}
