//! The filter language of `weir log`: `status >= 500 and path ~ "^/api"`. Pure: text to a filter, and whether
//! a record fits it.
//!
//! ```text
//! filter     = all { "or" all }                     "||" is "or", "&&" is "and", "!" is "not"
//! all        = one { "and" one }
//! one        = "not" one | "(" filter ")" | comparison
//! comparison = field operator value | field "in" "(" value { "," value } ")"
//! operator   = "==" | "=" | "!=" | ">=" | "<=" | ">" | "<" | "~" | "~*" | "!~" | "!~*"
//! value      = number [ unit ] | "5xx" | word | "text" | 'text'
//! ```
//!
//! `~` is a regular expression, `~*` one that ignores case. Times are seconds, or have a unit (`250ms`).

mod field;
mod filter;
mod mistake;
mod parse;
mod token;

pub use field::{NumberField, TextField};
pub use filter::{Filter, RequestRecord};
pub use mistake::FilterMistake;

#[cfg(test)]
mod tests;
