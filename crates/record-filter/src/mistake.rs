//! What is wrong with a filter, and where.

use std::fmt;

/// Shows the filter with a caret below the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterMistake {
    pub(crate) filter: String,
    /// In characters.
    pub(crate) column: usize,
    pub(crate) text: String,
}

impl FilterMistake {
    /// `at` is in bytes.
    pub(crate) fn new(filter: &str, at: usize, text: impl Into<String>) -> Self {
        let column = filter.get(..at).map_or(0, |before| before.chars().count());
        Self { filter: filter.to_owned(), column, text: text.into() }
    }

    /// What is wrong, without the place.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FilterMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tab or a line break would move the caret.
        let filter: String = self.filter.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(f, "{filter}")?;
        write!(f, "{:column$}^ {}", "", self.text, column = self.column)
    }
}

impl std::error::Error for FilterMistake {}
