//! nginx's configuration language without I/O: text in, directives with their lines out.
//!
//! [`parse`] reads a file as nginx's own lexer does, follows `include` through a function of the caller, and
//! never stops without saying where. [`check`] says of each directive whether nginx knows it, whether it may
//! stand there and with how many arguments, in nginx's words.

mod check;
mod known;
mod lexer;
mod lua;
mod mistake;
mod parse;
mod tree;
pub mod values;

#[cfg(test)]
mod tests;

pub use check::check;
pub use known::{Contexts, is_known};
pub use mistake::Mistake;
pub use parse::{IncludeResult, MOST_DEPTH, SyntaxTree, parse, parse_with};
pub use tree::{Directive, FileId, Place, Word};
