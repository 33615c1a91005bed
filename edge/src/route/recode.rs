//! nginx's `charset`, `source_charset`, `override_charset` and `charset_map`: what a reply says of its
//! charset, and its body in another one.

use std::sync::Arc;

use bytes::Bytes;

use crate::route::replace::is_among;
use crate::settings::RecodeConfig;

#[derive(Debug)]
pub(crate) struct RecodeRule {
    charset: String,
    /// What replies are in that do not say it; empty: in any.
    source: String,
    overrides: bool,
    types: Vec<String>,
    table: Option<Arc<RecodeTable>>,
}

/// What each byte becomes.
#[derive(Debug)]
pub(crate) struct RecodeTable(Vec<Box<[u8]>>);

/// What becomes of a reply.
pub(crate) enum RecodeVerdict {
    Stays,
    /// Its type names the charset.
    Named(Vec<u8>),
    /// And its body is written in it.
    Recoded(Vec<u8>, Arc<RecodeTable>),
}

impl RecodeTable {
    /// Whether each byte becomes one byte, so that parts of a body can be written anew.
    pub(crate) fn keeps_length(&self) -> bool {
        self.0.iter().all(|bytes| bytes.len() == 1)
    }

    pub(crate) fn recoded(&self, text: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(text.len());
        for byte in text {
            match self.0.get(usize::from(*byte)) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => out.push(*byte),
            }
        }
        out.into()
    }
}

impl RecodeRule {
    pub(crate) fn changes_length(&self) -> bool {
        self.table.as_ref().is_some_and(|table| !table.keeps_length())
    }

    /// The error names the pair of the table that is wrong.
    pub(crate) fn new(config: &RecodeConfig) -> Result<Self, (usize, String)> {
        let mut table: Vec<Box<[u8]>> = (0..=u8::MAX).map(|byte| Box::from([byte])).collect();
        for (index, (from, to)) in config.table.iter().enumerate() {
            let wrong = || (index, format!("`{from}` and `{to}` are no bytes in hexadecimal digits"));
            let (from, to) = (hex(from).ok_or_else(wrong)?, hex(to).ok_or_else(wrong)?);
            let [byte] = from[..] else { return Err(wrong()) };
            if let Some(slot) = table.get_mut(usize::from(byte)) {
                *slot = to.into();
            }
        }
        let is_needed = !config.table.is_empty();
        Ok(Self {
            charset: config.charset.clone(),
            source: config.source.clone(),
            overrides: config.replace,
            types: config.types.iter().map(|kind| kind.to_ascii_lowercase()).collect(),
            table: is_needed.then(|| Arc::new(RecodeTable(table))),
        })
    }

    /// `is_coded`: the body is compressed, so that it cannot be written anew.
    pub(crate) fn of(&self, kind: &[u8], is_coded: bool) -> RecodeVerdict {
        let own = charset(kind);
        match own {
            Some(_) if !self.overrides => return RecodeVerdict::Stays,
            None if !is_among(kind, &self.types) => return RecodeVerdict::Stays,
            _ => {}
        }
        let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let named = [essence, b"; charset=", self.charset.as_bytes()].concat();
        let source = own.unwrap_or(self.source.as_bytes());
        if source.is_empty() || source.eq_ignore_ascii_case(self.charset.as_bytes()) {
            return if is_coded && !self.source.is_empty() {
                RecodeVerdict::Stays
            } else {
                RecodeVerdict::Named(named)
            };
        }
        match &self.table {
            Some(table) if !is_coded && source.eq_ignore_ascii_case(self.source.as_bytes()) => {
                RecodeVerdict::Recoded(named, table.clone())
            }
            // Nobody knows how.
            _ => RecodeVerdict::Stays,
        }
    }
}

/// What a type says of its charset.
fn charset(kind: &[u8]) -> Option<&[u8]> {
    kind.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim_ascii().split_at_checked("charset=".len())?;
        let value = value.trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        name.eq_ignore_ascii_case(b"charset=").then_some(bare)
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_its_charset_once() {
        let rule = |overrides| {
            RecodeRule::new(&RecodeConfig {
                charset: "utf-8".into(),
                source: "koi8-r".into(),
                replace: overrides,
                types: vec!["text/html".into()],
                table: vec![("C1".into(), "D0B0".into())],
            })
            .unwrap()
        };
        let cases: [(bool, &str, &str); 6] = [
            (false, "text/html", "text/html; charset=utf-8 and recoded"),
            (false, "text/html; charset=koi8-r", "stays"),
            (true, "text/html; charset=koi8-r", "text/html; charset=utf-8 and recoded"),
            (true, "text/html; Charset=\"UTF-8\"", "text/html; charset=utf-8"),
            (true, "text/html; charset=other", "stays"),
            (false, "image/png", "stays"),
        ];
        for (overrides, kind, expected) in cases {
            let found = match rule(overrides).of(kind.as_bytes(), false) {
                RecodeVerdict::Stays => "stays".to_owned(),
                RecodeVerdict::Named(kind) => String::from_utf8(kind).unwrap(),
                RecodeVerdict::Recoded(kind, table) => {
                    assert_eq!(table.recoded(b"a\xc1"), "a\u{430}".as_bytes());
                    format!("{} and recoded", String::from_utf8(kind).unwrap())
                }
            };
            assert_eq!(found, expected, "{kind}");
        }
    }
}
