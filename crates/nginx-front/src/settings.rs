//! Settings that know which line of nginx's file they come from, and how they are written as TOML.

use std::fmt::Write;

use crate::ledger::Origin;

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Self>),
    /// `{ key = value }` in one line.
    Inline(Table),
    /// `[path]` with lines of its own.
    Section(Table),
    /// `[[path]]`, one after another.
    Sections(Vec<Table>),
}

/// Keys in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// What stands above the table's header.
    pub(crate) remark: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: String,
    value: Value,
    remark: Option<String>,
}

impl Table {
    pub(crate) fn new(remark: Option<String>) -> Self {
        Self { entries: Vec::new(), remark }
    }

    /// Sets a key that comes from no line: nginx's default where Weir's is another.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>, remark: &str) {
        self.put(key, value.into(), (!remark.is_empty()).then(|| remark.to_owned()));
    }

    /// Sets a key from a directive.
    pub(crate) fn from(&mut self, key: &str, value: impl Into<Value>, origin: &Origin) {
        self.put(key, value.into(), Some(origin.to_string()));
    }

    /// Sets a key from a directive, with a word on what it means here.
    pub(crate) fn noted(&mut self, key: &str, value: impl Into<Value>, origin: &Origin, means: &str) {
        self.put(key, value.into(), Some(format!("{origin}: {means}")));
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Leaves out the keys that a table around this one says in the same way, if `inherits` holds for them.
    pub(crate) fn without(mut self, outer: &Self, inherits: impl Fn(&str) -> bool) -> Self {
        self.entries.retain(|entry| !inherits(&entry.key) || outer.get(&entry.key) != Some(&entry.value));
        self
    }

    /// Takes what only the other table says.
    pub(crate) fn inherit(&mut self, outer: &Self, inherits: impl Fn(&str) -> bool) {
        let missing = outer.entries.iter().filter(|entry| inherits(&entry.key));
        let missing: Vec<Entry> = missing.filter(|entry| !self.has(&entry.key)).cloned().collect();
        self.entries.extend(missing);
    }

    /// Whether a text in it contains this.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.entries.iter().any(|entry| entry.key.contains(text) || mentions(&entry.value, text))
    }

    /// Changes each text in it, and each key that is one.
    pub(crate) fn change_texts(&mut self, change: &dyn Fn(&str) -> String) {
        for entry in &mut self.entries {
            entry.key = change(&entry.key);
            change_texts(&mut entry.value, change);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the keys of another table.
    pub(crate) fn extend(&mut self, other: Self) {
        other.entries.into_iter().for_each(|entry| self.put(&entry.key, entry.value, entry.remark));
    }

    /// Whether two tables say the same, wherever they come from.
    pub(crate) fn says(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .zip(&other.entries)
                .all(|(one, other)| one.key == other.key && one.value == other.value)
    }

    fn put(&mut self, key: &str, value: Value, remark: Option<String>) {
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry { key: key.to_owned(), value, remark });
    }

    /// The text of a settings file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, "");
        text
    }

    fn write(&self, text: &mut String, path: &str) {
        let is_section = |value: &Value| matches!(value, Value::Section(_) | Value::Sections(_));
        for entry in self.entries.iter().filter(|entry| !is_section(&entry.value)) {
            let mut line = format!("{} = ", key(&entry.key));
            write_value(&mut line, &entry.value);
            let remark = entry.remark.as_deref().map(one_line).unwrap_or_default();
            let gap = if remark.is_empty() { "" } else { "  # " };
            let _ = writeln!(text, "{line}{gap}{remark}");
        }
        for entry in &self.entries {
            let inner = if path.is_empty() { key(&entry.key) } else { format!("{path}.{}", key(&entry.key)) };
            let (tables, open, close) = match &entry.value {
                Value::Section(table) => (std::slice::from_ref(table), "[", "]"),
                Value::Sections(tables) => (tables.as_slice(), "[[", "]]"),
                _ => continue,
            };
            for table in tables {
                text.push('\n');
                if let Some(remark) = &table.remark {
                    let _ = writeln!(text, "# {}", one_line(remark));
                }
                let _ = writeln!(text, "{open}{inner}{close}");
                table.write(text, &inner);
            }
        }
    }
}

fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::Text(own) => own.contains(text),
        Value::List(values) => values.iter().any(|value| mentions(value, text)),
        Value::Inline(table) | Value::Section(table) => table.mentions(text),
        Value::Sections(tables) => tables.iter().any(|table| table.mentions(text)),
        Value::Number(_) | Value::Flag(_) => false,
    }
}

fn change_texts(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::Text(own) => *own = change(own),
        Value::List(values) => values.iter_mut().for_each(|value| change_texts(value, change)),
        Value::Inline(table) | Value::Section(table) => table.change_texts(change),
        Value::Sections(tables) => tables.iter_mut().for_each(|table| table.change_texts(change)),
        Value::Number(_) | Value::Flag(_) => {}
    }
}

/// A comment in TOML holds no control characters.
fn one_line(remark: &str) -> String {
    let words = remark.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Text(value) => text.push_str(&quoted(value)),
        Value::Number(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Flag(flag) => {
            let _ = write!(text, "{flag}");
        }
        Value::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_value(text, value);
            }
            text.push(']');
        }
        Value::Inline(table) | Value::Section(table) => {
            text.push_str("{ ");
            for (index, entry) in table.entries.iter().enumerate() {
                let _ = write!(text, "{}{} = ", if index == 0 { "" } else { ", " }, key(&entry.key));
                write_value(text, &entry.value);
            }
            text.push_str(" }");
        }
        Value::Sections(tables) => {
            let values: Vec<_> = tables.iter().cloned().map(Value::Inline).collect();
            write_value(text, &Value::List(values));
        }
    }
}

/// A key as TOML writes it: bare where it may be.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    // What is full of backslashes, a regex mostly, is easier to read as it is.
    let is_plain = !text.contains(['\'']) && !text.chars().any(char::is_control);
    if text.contains('\\') && is_plain {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T> From<Vec<T>> for Value
where
    Self: From<T>,
{
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Self::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back_by_toml() {
        for text in ["plain", "a \"b\"", r"~^\d+$", r"it's \d", "tab\there\nline\u{1}", "é", ""] {
            let mut table = Table::default();
            table.set(text, text, "# ]] \n remark");
            let read: toml::Table = table.to_toml().parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.get(text).and_then(toml::Value::as_str), Some(text));
        }
    }

    #[test]
    fn sections_stand_behind_the_keys_of_their_table() {
        let mut location = Table::new(Some("nginx.conf:3".into()));
        location.set("match", "/", "");
        let mut site = Table::new(None);
        site.set("location", Value::Sections(vec![location]), "");
        site.set("root", "/srv", "a");
        let mut edge = Table::default();
        edge.set("site", Value::Sections(vec![site]), "");
        let mut root = Table::default();
        root.set("edge", Value::Section(edge), "");
        let expected = "\n[edge]\n\n[[edge.site]]\nroot = \"/srv\"  # a\n\n# nginx.conf:3\n\
                        [[edge.site.location]]\nmatch = \"/\"\n";
        assert_eq!(root.to_toml(), expected);
    }

    #[test]
    fn a_comment_holds_nothing_that_toml_forbids_there() {
        let mut root = Table::default();
        root.set("a", "b", "x\u{1}\u{7f}\n y");
        assert_eq!(root.to_toml(), "a = \"b\"  # x y\n");
    }
}
