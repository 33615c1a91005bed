//! One thing wrong with a file, in nginx's words, with what to do where that can be said.

use std::fmt;

/// A mistake. `Display` is nginx's line without its level: `unknown directive "x" in nginx.conf:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name as nginx would write it; `None`: the text of `-g`.
    pub file: Option<String>,
    pub line: u32,
    /// The column of the word that is meant, or 0 if there is none.
    pub column: u32,
    /// nginx's words.
    pub text: String,
    /// What to do, which nginx does not say.
    pub hint: Option<String>,
    /// The number of the directive at which it was found: mistakes are said in this order.
    pub order: u32,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} in {file}:{}", self.text, self.line),
            None => write!(f, "{} in command line", self.text),
        }
    }
}

impl std::error::Error for Mistake {}
