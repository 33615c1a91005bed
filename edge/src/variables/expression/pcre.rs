//! What nginx's PCRE and the library for regular expressions write in different ways.

use std::borrow::Cow;

/// A pattern as the library reads it, and whether it is about letters, not bytes: nginx's `(*UTF8)`.
pub(super) fn translated(pattern: &str) -> (Cow<'_, str>, bool) {
    let bare = ["(*UTF8)", "(*UTF)"].iter().find_map(|word| pattern.strip_prefix(word));
    (in_classes(bare.unwrap_or(pattern)), bare.is_some())
}

/// Escapes what is a letter in a class of PCRE's, and more than that in one of the library's: a hyphen beside
/// a class (`[\w-.]`), brackets, and operators between sets (`[a&&b]`).
fn in_classes(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains('[') {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(token) = token(rest) {
        rest = &rest[token.len()..];
        out.push_str(token);
        if token == "[" {
            rest = class(rest, &mut out);
        }
    }
    Cow::Owned(out)
}

/// Copies a class from behind its bracket to its end, and returns what follows.
fn class<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    for first in ["^", "]"] {
        if let Some(behind) = rest.strip_prefix(first) {
            out.push_str(first);
            rest = behind;
        }
    }
    let mut after_set = false;
    while let Some(token) = class_token(rest) {
        rest = &rest[token.len()..];
        let next = class_token(rest).unwrap_or_default();
        match token {
            "-" if next != "]" && (after_set || is_set(next)) => out.push_str("\\-"),
            "[" => out.push_str("\\["),
            "&" | "~" if next == token => out.extend(["\\", token]),
            token => out.push_str(token),
        }
        if token == "]" {
            break;
        }
        after_set = is_set(token);
    }
    rest
}

/// One letter, or one that is escaped; within a class also `[:alpha:]`.
fn token(rest: &str) -> Option<&str> {
    let mut letters = rest.chars();
    let first = letters.next()?;
    if first == '\\' {
        letters.next();
    }
    rest.get(..rest.len() - letters.as_str().len())
}

fn class_token(rest: &str) -> Option<&str> {
    let named = rest.strip_prefix("[:").and_then(|name| {
        let end = name.find(":]")?;
        name[..end].bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'^').then_some(end + 4)
    });
    named.map_or_else(|| token(rest), |length| rest.get(..length))
}

/// Whether it stands for several letters.
fn is_set(token: &str) -> bool {
    token.starts_with("[:") || matches!(token, "\\d" | "\\D" | "\\w" | "\\W" | "\\s" | "\\S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_classes_are_escaped() {
        for (pattern, expected) in [
            (r"^/a$", r"^/a$"),
            (r"[\w-.]+", r"[\w\-.]+"),
            (r"[.-\w]", r"[.\-\w]"),
            (r"[[:alnum:]-_]", r"[[:alnum:]\-_]"),
            (r"[\w-]", r"[\w-]"),
            (r"[-\w]", r"[\-\w]"),
            (r"[a-z\d-]\[-", r"[a-z\d-]\[-"),
            (r"[]a][^]b]", r"[]a][^]b]"),
            (r"[[a][&&][~~]", r"[\[a][\&&][\~~]"),
            (r"[\]-a]\\[é-ü]", r"[\]-a]\\[é-ü]"),
            (r"[\", r"[\"),
        ] {
            assert_eq!(translated(pattern).0, expected, "{pattern}");
        }
        assert_eq!(translated("(*UTF8)^/é"), ("^/é".into(), true));
    }
}
