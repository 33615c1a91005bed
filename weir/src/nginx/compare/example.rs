//! A text that a regular expression of a location or of `server_name` matches: one of many.

use std::iter::Peekable;
use std::str::Chars;

/// Groups within groups, and repetitions, are bounded.
const MOST_DEPTH: usize = 16;
const MOST_REPEATS: usize = 64;

/// A text that the pattern probably matches: the first alternative, each class's first letter, as few
/// repetitions as there may be. `start` stands before it if the pattern may begin anywhere.
pub(super) fn of(pattern: &str, start: &str) -> String {
    let pattern = pattern.strip_prefix("(?i)").or_else(|| pattern.strip_prefix("(?s)")).unwrap_or(pattern);
    let (begins, rest) = match pattern.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => (start, pattern),
    };
    format!("{begins}{}", alternative(&mut rest.chars().peekable(), 0))
}

/// The first alternative, up to the bracket that ends the group.
fn alternative(rest: &mut Peekable<Chars<'_>>, depth: usize) -> String {
    let mut text = String::new();
    while let Some(letter) = rest.next() {
        let atom = match letter {
            ')' => return text,
            '|' => {
                skip_group(rest);
                return text;
            }
            '^' | '$' => String::new(),
            '.' => "x".to_owned(),
            '[' => class(rest),
            '(' if depth < MOST_DEPTH => group(rest, depth),
            '\\' => escape(rest.next()),
            letter => letter.to_string(),
        };
        text.push_str(&atom.repeat(repeats(rest)));
    }
    text
}

fn group(rest: &mut Peekable<Chars<'_>>, depth: usize) -> String {
    if rest.next_if_eq(&'?').is_some() {
        match rest.next() {
            // What must not follow.
            Some('!') => {
                skip_group(rest);
                return String::new();
            }
            Some('<' | 'P') => {
                let name: String = rest.by_ref().take_while(|letter| *letter != '>').collect();
                if name.starts_with(['!', '=']) {
                    skip_group(rest);
                    return String::new();
                }
            }
            _ => {}
        }
    }
    alternative(rest, depth + 1)
}

/// Passes over what is left of a group.
fn skip_group(rest: &mut Peekable<Chars<'_>>) {
    let mut open = 0usize;
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => drop(rest.next()),
            '(' => open += 1,
            ')' if open == 0 => return,
            ')' => open -= 1,
            _ => {}
        }
    }
}

fn class(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut letters = Vec::new();
    while let Some(letter) = rest.next() {
        match letter {
            ']' if !letters.is_empty() => break,
            '\\' => letters.extend(escape(rest.next()).chars()),
            letter => letters.push(letter),
        }
    }
    match letters.first() {
        Some('^') => {
            ['x', '1', '-', '/'].into_iter().find(|other| !letters.contains(other)).map(String::from)
        }
        Some(first) => Some(first.to_string()),
        None => None,
    }
    .unwrap_or_default()
}

fn escape(letter: Option<char>) -> String {
    match letter {
        Some('d') => "1".to_owned(),
        Some('w') => "a".to_owned(),
        Some('s') => "%20".to_owned(),
        Some('D' | 'W' | 'S') => "x".to_owned(),
        Some('b' | 'B' | 'A' | 'z' | 'Z') | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// How often the atom stands before what follows it.
fn repeats(rest: &mut Peekable<Chars<'_>>) -> usize {
    let count = match rest.peek() {
        Some('?' | '*') => {
            rest.next();
            0
        }
        Some('+') => {
            rest.next();
            1
        }
        Some('{') => {
            rest.next();
            let bounds: String = rest.by_ref().take_while(|letter| *letter != '}').collect();
            bounds.split(',').next().and_then(|least| least.parse().ok()).unwrap_or(1)
        }
        _ => 1,
    };
    // Greedy or not is all the same here.
    rest.next_if(|letter| matches!(letter, '?' | '+'));
    count.min(MOST_REPEATS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_match_what_they_come_from() {
        let cases = [
            (r"\.(jpg|jpeg)$", "/sample.jpg"),
            (r"^/api/", "/api/"),
            (r"^/(media|static)/(.*)$", "/media/"),
            (r"^/user/(\d+)/[a-z]{2}$", "/user/1/aa"),
            (r"/\.(?!well-known)", "/sample/."),
            (r"^/(?<name>[^/]+)/x?$", "/x/"),
            (r"^(/a|/b(c|d))+e", "/ae"),
            ("(((", "/sample"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(of(pattern, "/sample"), expected, "{pattern}");
        }
    }
}
