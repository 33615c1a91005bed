//! Regular expressions as settings write them: `~ re`, and `~* re`, which ignores case.

use regex::bytes::{Regex, RegexBuilder};

/// The expression of a text that begins with `~`; `None`: the text is no expression.
pub(crate) fn parse(text: &str) -> Option<Result<Regex, String>> {
    let (pattern, ignore_case) = match text.strip_prefix("~*") {
        Some(pattern) => (pattern, true),
        None => (text.strip_prefix('~')?, false),
    };
    Some(build(pattern.trim_start(), ignore_case))
}

/// An expression that is not empty.
pub(crate) fn build(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    if pattern.is_empty() {
        return Err("the regex is empty".into());
    }
    compile(pattern, ignore_case)
}

/// Paths are bytes, not always UTF-8, so the expression works on bytes; `\d` and `\w` are ASCII as in nginx.
/// Unlike in nginx, `$` does not match before a newline at the end, so that `\.html$` means what it seems to
/// mean.
pub(crate) fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern).unicode(false).case_insensitive(ignore_case).build();
    regex.map_err(|error| format!("invalid regular expression: {error}"))
}
