//! `replace` and `recode`: what becomes of the bodies of replies.

use serde::Deserialize;

use crate::variables::Template;

/// `replace`: texts in replies, whatever their case, and what takes their place.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceConfig {
    /// Pairs: a text, and what takes its place.
    pub texts: Vec<(Template, Template)>,
    /// Media types of the replies.
    #[serde(default = "html")]
    pub types: Vec<String>,
    /// Each text is replaced where it stands first, and nowhere else.
    #[serde(default)]
    pub once: bool,
    /// The reply keeps Last-Modified and ETag.
    #[serde(default)]
    pub keep_last_modified: bool,
}

/// `recode`: the charset of replies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecodeConfig {
    /// What replies are in, and say; empty: they stay as they are.
    pub charset: String,
    /// What they are in before that, if they do not say it; empty: in `charset`.
    #[serde(default)]
    pub source: String,
    /// Also replies that name a charset get this one.
    #[serde(default)]
    pub replace: bool,
    /// Media types of the replies that name none.
    #[serde(default = "html")]
    pub types: Vec<String>,
    /// Pairs of a byte of `source` and the bytes of `charset` that stand for it, in hexadecimal digits; all
    /// other bytes stay.
    #[serde(default)]
    pub table: Vec<(String, String)>,
}

fn html() -> Vec<String> {
    vec!["text/html".into()]
}

/// An element of `trailers`: a field that follows the body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailerConfig {
    pub add: String,
    pub value: Template,
    /// Whatever the status.
    #[serde(default)]
    pub always: bool,
}
