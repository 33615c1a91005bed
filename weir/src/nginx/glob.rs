//! File names with `*`, `?` and `[…]`, as `include` has them: all files that match, in order.

use std::fs;
use std::path::{Path, PathBuf};

/// More files than this are taken for a mistake in the pattern.
const MOST: usize = 10_000;

pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Files that match an absolute pattern, sorted. Names that begin with a dot match only a pattern that does.
pub(crate) fn files(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !is_pattern(part) {
            found = found.into_iter().map(|path| path.join(part)).filter(|path| path.exists()).collect();
            continue;
        }
        found = found.iter().flat_map(|directory| entries(directory, part)).take(MOST).collect();
    }
    found
}

fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_seen = |name: &String| !name.starts_with('.') || pattern.starts_with('.');
    let mut names: Vec<_> =
        names.filter(is_seen).filter(|name| matches(pattern.as_bytes(), name.as_bytes())).collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Whether a name matches; in steps bounded by the lengths' product, because only the last `*` is tried
/// again.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while read < name.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, read));
                at += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => {
                class(pattern.get(at..).unwrap_or_default(), name.get(read).copied().unwrap_or_default())
            }
            Some(byte) => (name.get(read) == Some(byte)).then_some(1),
            None => None,
        };
        match (step, again) {
            (Some(step), _) => {
                at += step;
                read += 1;
            }
            (None, Some((behind, from))) => {
                again = Some((behind, from + 1));
                at = behind;
                read = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// The length of `[a-z]` at the front of a pattern, if it holds the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|byte| *byte == b']')? + 2;
    let inside = pattern.get(1..end)?;
    let (negated, inside) = match inside.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, inside),
    };
    let mut held = false;
    let mut rest = inside;
    while let Some((first, after)) = rest.split_first() {
        if let [b'-', last, behind @ ..] = after {
            held |= (*first..=*last).contains(&byte);
            rest = behind;
        } else {
            held |= *first == byte;
            rest = after;
        }
    }
    (held != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_glob_does() {
        let cases = [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[ab", "[ab", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "x", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_takes_bounded_time() {
        assert!(!matches("*a*a*a*a*a*a*a*a*b".as_bytes(), "a".repeat(10_000).as_bytes()));
    }
}
