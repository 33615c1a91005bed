//! One location's `match`: nginx's five kinds.

use crate::variables::expression::{self, Expression};

/// A parsed `match`. Literal texts are compared with the decoded path, byte by byte.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// "= /x"
    Exact(Box<[u8]>),
    /// "/x", or "^~ /x" where `is_final`
    Prefix { text: Box<[u8]>, is_final: bool },
    /// "~ re", "~* re"
    Regex(Expression),
    /// "@x": no path leads here, only rules.
    Named(Box<str>),
}

impl Pattern {
    /// Parses a `match`; the space after the sign may be left out.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(regex) = expression::parse(text) {
            return regex.map(Self::Regex);
        }
        if let Some(path) = text.strip_prefix("^~") {
            return literal(path.trim_start()).map(|text| Self::Prefix { text, is_final: true });
        }
        if let Some(path) = text.strip_prefix('=') {
            return literal(path.trim_start()).map(Self::Exact);
        }
        if let Some(name) = text.strip_prefix('@') {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            return match is_name {
                true => Ok(Self::Named(text.into())),
                false => Err(format!("`{text}` is no name; write `@` and letters")),
            };
        }
        literal(text).map(|text| Self::Prefix { text, is_final: false })
    }

    /// How much of a path an `alias` replaces; `None` for a regex, which cannot have an alias.
    pub(crate) fn literal_length(&self) -> Option<usize> {
        match self {
            Self::Exact(text) | Self::Prefix { text, .. } => Some(text.len()),
            Self::Regex(_) | Self::Named(_) => None,
        }
    }
}

fn literal(path: &str) -> Result<Box<[u8]>, String> {
    if !path.starts_with('/') {
        return Err(format!("`{path}` is none of \"= /x\", \"^~ /x\", \"~ re\", \"~* re\", \"/x\", \"@x\""));
    }
    Ok(path.as_bytes().into())
}
