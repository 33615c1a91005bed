//! The lines of a TOML file's keys, and its syntax mistakes.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::path;
use super::syntax_mistake::SyntaxMistake;

/// The line of each key and list element by its path; or all that is wrong, at most one mistake per line.
pub(super) fn lines(text: &str) -> Result<BTreeMap<String, usize>, Vec<SyntaxMistake>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut found = TomlLines { text, lines: BTreeMap::new(), mistakes: Vec::new() };
    for error in errors {
        let span = error.span().unwrap_or_default();
        found.mistake(&span, plain(error.message(), text.get(span.clone()).unwrap_or_default()));
    }
    found.table("", root.get_ref());
    if found.mistakes.is_empty() {
        return Ok(found.lines);
    }
    found.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    found.mistakes.dedup_by_key(|mistake| mistake.line);
    Err(found.mistakes)
}

struct TomlLines<'a> {
    text: &'a str,
    lines: BTreeMap<String, usize>,
    mistakes: Vec<SyntaxMistake>,
}

impl TomlLines<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = path::key(path, key.get_ref());
            self.lines.insert(path.clone(), self.line(key.span().start));
            self.value(&path, value);
        }
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table),
            DeValue::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    let path = path::element(path, index);
                    self.lines.insert(path.clone(), self.line(value.span().start));
                    self.value(&path, value);
                }
            }
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                self.mistake(&value.span(), "this number is too large".to_owned());
            }
            _ => {}
        }
    }

    fn mistake(&mut self, span: &Range<usize>, text: String) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.mistakes.push(SyntaxMistake { line: self.line(span.start), column, text });
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The parser's own words, save where they mislead.
fn plain(message: &str, at: &str) -> String {
    let unquoted = [
        "string values must be quoted",
        "invalid float",
        "invalid integer",
        "invalid boolean",
        "invalid date",
    ];
    if message == "duplicate key" {
        return format!("`{at}` is given twice");
    }
    if unquoted.iter().any(|start| message.starts_with(start)) {
        return "this is no value; text stands in quotes: key = \"text\"".to_owned();
    }
    message.to_owned()
}
