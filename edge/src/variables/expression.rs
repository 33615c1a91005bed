//! Regular expressions as settings write them: `~ re`, and `~* re`, which ignores case.
//!
//! Most take time in proportion to the text. What looks around or back, `/\.(?!well-known)`, needs a search
//! that tries: it gets a bound of steps.

mod pcre;

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

/// Steps of one search that tries. A visitor who finds a path that costs more has cost a millisecond.
const MOST_STEPS: usize = 100_000;

/// A search that needed more steps than it may take. Whether it would have matched is not known, so the
/// request gets 500, as from nginx at the limit of PCRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the search of a regular expression needs more than {MOST_STEPS} steps")]
pub(crate) struct EndlessSearch;

/// A regular expression over bytes.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    search: Search,
    /// The names of its groups; the first is the whole match.
    groups: Box<[Option<Box<str>>]>,
}

#[derive(Clone, Debug)]
enum Search {
    Linear(Regex),
    Trying(Box<fancy_regex::Regex>),
}

/// The places of the groups of a match; the first is the whole match.
pub(crate) type GroupPlaces = Vec<Option<Range<usize>>>;

impl Expression {
    pub(crate) fn is_match(&self, text: &[u8]) -> Result<bool, EndlessSearch> {
        match &self.search {
            Search::Linear(regex) => Ok(regex.is_match(text)),
            Search::Trying(regex) => regex.is_match(&*letters(text)).map_err(|_| EndlessSearch),
        }
    }

    /// Whether it has groups beside the whole match.
    pub(crate) fn has_groups(&self) -> bool {
        self.groups.len() > 1
    }

    /// How many groups it has beside the whole match.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len().saturating_sub(1)
    }

    /// The names of its groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flatten().map(AsRef::as_ref)
    }

    /// The names of its groups, each with its number.
    pub(crate) fn named_groups(&self) -> impl Iterator<Item = (usize, &str)> {
        self.groups.iter().enumerate().filter_map(|(number, name)| Some((number, name.as_deref()?)))
    }

    /// Where the groups of the first match are.
    pub(crate) fn find_groups(&self, text: &[u8]) -> Result<Option<GroupPlaces>, EndlessSearch> {
        match &self.search {
            Search::Linear(regex) => {
                let found = regex.captures(text);
                Ok(found.map(|found| found.iter().map(|group| group.map(|group| group.range())).collect()))
            }
            Search::Trying(regex) => {
                let letters = letters(text);
                let found = regex.captures(&*letters).map_err(|_| EndlessSearch)?;
                let place = |group: fancy_regex::Match<'_>| {
                    Some(byte_place(&letters, group.start())?..byte_place(&letters, group.end())?)
                };
                Ok(found.map(|found| found.iter().map(|group| group.and_then(place)).collect()))
            }
        }
    }
}

/// The bytes as letters: the search that tries knows texts only. Bytes above 127 become the letters of
/// Latin-1, one each.
fn letters(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(letters) if text.is_ascii() => Cow::Borrowed(letters),
        _ => Cow::Owned(text.iter().copied().map(char::from).collect()),
    }
}

/// The number of the byte that a letter stands for.
fn byte_place(letters: &str, at: usize) -> Option<usize> {
    if letters.is_ascii() { Some(at) } else { Some(letters.get(..at)?.chars().count()) }
}

/// The expression of a text that begins with `~`; `None`: the text is no expression.
pub(crate) fn parse(text: &str) -> Option<Result<Expression, String>> {
    let (pattern, ignore_case) = match text.strip_prefix("~*") {
        Some(pattern) => (pattern, true),
        None => (text.strip_prefix('~')?, false),
    };
    Some(build(pattern.trim_start(), ignore_case))
}

/// An expression that is not empty.
pub(crate) fn build(pattern: &str, ignore_case: bool) -> Result<Expression, String> {
    if pattern.is_empty() {
        return Err("the regex is empty".into());
    }
    compile(pattern, ignore_case)
}

/// Paths are bytes, not always UTF-8, so the expression works on bytes; `\d` and `\w` are ASCII as in nginx.
/// Unlike in nginx, `$` does not match before a newline at the end, so that `\.html$` means what it seems to
/// mean.
pub(crate) fn compile(pattern: &str, ignore_case: bool) -> Result<Expression, String> {
    let (pattern, of_letters) = pcre::translated(pattern);
    let error = match RegexBuilder::new(&pattern).unicode(of_letters).case_insensitive(ignore_case).build() {
        Ok(regex) => {
            let groups = regex.capture_names().map(|name| name.map(Box::from)).collect();
            return Ok(Expression { search: Search::Linear(regex), groups });
        }
        // One that needs too much memory would need it here too, without a bound.
        Err(error @ regex::Error::CompiledTooBig(_)) => {
            return Err(format!("invalid regular expression: {error}"));
        }
        Err(error) => error,
    };
    let cased = if ignore_case { Cow::Owned(format!("(?i){pattern}")) } else { pattern };
    // What it searches has a letter for each byte.
    let cased = letters(cased.as_bytes());
    let trying = fancy_regex::RegexBuilder::new(&cased).backtrack_limit(MOST_STEPS).build();
    // What both refuse is wrong; the first says it better.
    let regex = trying.map_err(|_| format!("invalid regular expression: {error}"))?;
    let groups = regex.capture_names().map(|name| name.map(Box::from)).collect();
    Ok(Expression { search: Search::Trying(Box::new(regex)), groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_around_or_back_matches_as_in_pcre() {
        let cases: [(&str, &[u8], bool); 18] = [
            (r"^/caf\xc3\xa9(?!x)", "/caf\u{e9}/a".as_bytes(), true),
            ("^/caf\u{e9}(?!x)", "/caf\u{e9}/a".as_bytes(), true),
            ("^/caf\u{e9}$", "/caf\u{e9}".as_bytes(), true),
            ("^/caf[\u{e9}\u{e8}]{2}$", "/caf\u{e9}".as_bytes(), true),
            ("(*UTF8)^/caf[\u{e9}\u{e8}]$", "/caf\u{e9}".as_bytes(), true),
            (r"^/([\w-.]+)/$", b"/a-b.c/", true),
            (r"^/[[:alpha:]-_]+$", b"/a-b_c", true),
            (r"/\.(?!well-known)", b"/.git/config", true),
            (r"/\.(?!well-known)", b"/.well-known/acme", false),
            (r"/\.(?!well-known)", b"/.well-known/.env", true),
            (r"/\.(?!well-known)", b"/\xff/.git", true),
            (r"^/(?=x)(x|y)$", b"/x", true),
            (r"^/(?=x)(x|y)$", b"/y", false),
            (r"(?<!\.min)\.js$", b"/a.js", true),
            (r"(?<!\.min)\.js$", b"/a.min.js", false),
            (r"^/(a+)/\1$", b"/aa/aa", true),
            (r"^/(a+)/\1$", b"/aa/a", false),
            (r"^(?>a+)b", b"aab", true),
        ];
        for (pattern, text, expected) in cases {
            let expression = compile(pattern, false).unwrap();
            assert_eq!(expression.is_match(text), Ok(expected), "{pattern} {text:?}");
        }
        assert_eq!(compile(r"^/ADMIN(?!x)", true).unwrap().is_match(b"/admin"), Ok(true));
        assert!(compile("(", false).is_err_and(|error| error.starts_with("invalid regular expression")));
    }

    #[test]
    fn groups_are_places_of_bytes() {
        let expression = compile(r"^/(?!thanks$)(?<form>[^/]+)/(\w)", false).unwrap();
        let text = b"/\xe9\xe9/a";
        let groups = expression.find_groups(text).unwrap().unwrap();
        assert_eq!(groups, [Some(0..5), Some(1..3), Some(4..5)]);
        assert_eq!(expression.named_groups().collect::<Vec<_>>(), [(1, "form")]);
        assert_eq!(expression.find_groups(b"/thanks"), Ok(None));
    }

    #[test]
    fn a_search_that_costs_too_much_ends() {
        let expression = compile(r"^(?:(?=a)(a+))+$", false).unwrap();
        let started = std::time::Instant::now();
        let text: Vec<u8> = [b'a'; 4000].iter().copied().chain(*b"!").collect();
        assert_eq!(expression.is_match(&text), Err(EndlessSearch));
        assert_eq!(expression.find_groups(&text), Err(EndlessSearch));
        assert!(started.elapsed().as_secs() < 5);
    }
}
