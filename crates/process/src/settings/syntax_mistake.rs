//! What a parser finds wrong with the text of a file.

/// Something that keeps a file from being read at all. `line` and `column` begin at 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxMistake {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) text: String,
}
