//! Cookies are personal, split the page, or are ignored. What is not known is personal.

pub mod defaults;

use std::cmp::Ordering;

use crate::Glob;

/// Orders from cautious to bold: between equally particular patterns the more cautious class counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CookieClass {
    /// Identifies a visitor: the request may only be given pages whose reply says that they may be shared.
    Personal,
    /// One variant of the page per value; the value is in the key, and the application sees it.
    Split,
    /// Not in the key, and not seen by the application while it makes a page to be shared.
    Ignore,
}

/// The owner's lists, then the defaults; within each the more particular pattern counts.
#[derive(Clone, Debug)]
pub struct CookieRules {
    /// Patterns without `*`, sorted by length, then by name: most comparisons look at lengths alone.
    exact: Vec<(Box<[u8]>, Rule)>,
    /// By a name's first byte: the patterns with `*` that can match it, best first.
    by_first_byte: Box<[Vec<(Glob, Rule)>]>,
}

/// What a pattern says, and its place among all: a lower one counts before a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    place: usize,
    class: CookieClass,
}

/// One cookie of a request, as sent, without the white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The most patterns that one location's settings may list.
const MAX_PATTERNS: usize = 200;

impl CookieRules {
    /// From the owner's three lists of patterns, which come before the defaults. The error is for the settings checker.
    pub fn new<'a>(
        personal: impl IntoIterator<Item = &'a str>,
        split: impl IntoIterator<Item = &'a str>,
        ignore: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (class, patterns) in [
            (CookieClass::Personal, personal.into_iter().collect::<Vec<_>>()),
            (CookieClass::Split, split.into_iter().collect()),
            (CookieClass::Ignore, ignore.into_iter().collect()),
        ] {
            for pattern in patterns {
                if pattern.contains(['=', ';', ',']) {
                    return Err(format!("{pattern:?} is not a cookie's name"));
                }
                rules.push((Glob::new(pattern)?, class));
            }
        }
        if rules.len() > MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} cookie patterns"));
        }
        sort(&mut rules);
        let mut defaults = defaults::rules()?;
        sort(&mut defaults);
        rules.append(&mut defaults);
        Ok(Self::index(rules))
    }

    /// The class of a cookie of this name.
    pub fn class(&self, name: &[u8]) -> CookieClass {
        let Some(first) = name.first() else { return CookieClass::Personal };
        let found = self.exact.binary_search_by(|(exact, _)| by_length(exact, name)).ok();
        let exact = found.and_then(|at| self.exact.get(at)).map(|(_, rule)| *rule);
        let globs = self.by_first_byte.get(usize::from(*first)).map(Vec::as_slice).unwrap_or_default();
        let before = |rule: &Rule| exact.is_none_or(|exact| *rule < exact);
        let glob = globs.iter().take_while(|(_, rule)| before(rule)).find(|(glob, _)| glob.matches(name));
        glob.map(|(_, rule)| *rule).or(exact).map_or(CookieClass::Personal, |rule| rule.class)
    }

    /// Each cookie of a Cookie line by its name, with its class.
    pub fn classes<'a>(&self, line: &'a [u8]) -> impl Iterator<Item = (&'a [u8], CookieClass)> {
        pairs(line).map(|cookie| (cookie.name, self.class(cookie.name)))
    }

    /// `rules`: best first.
    fn index(rules: Vec<(Glob, CookieClass)>) -> Self {
        let mut exact: Vec<(Box<[u8]>, Rule)> = Vec::new();
        let mut by_first_byte = vec![Vec::new(); 256];
        for (place, (glob, class)) in rules.into_iter().enumerate() {
            let rule = Rule { place, class };
            if glob.is_exact() {
                exact.push((glob.as_str().as_bytes().into(), rule));
                continue;
            }
            for (byte, globs) in (0u8..=255).zip(&mut by_first_byte) {
                if glob.first_byte().is_none_or(|first| first == byte) {
                    globs.push((glob.clone(), rule));
                }
            }
        }
        exact.sort_by(|a, b| by_length(&a.0, &b.0).then(a.1.cmp(&b.1)));
        // Of one name listed twice the better rule comes first.
        exact.dedup_by(|later, first| later.0 == first.0);
        Self { exact, by_first_byte: by_first_byte.into() }
    }
}

impl Default for CookieRules {
    fn default() -> Self {
        // The defaults' patterns are constants, held to be valid by a test.
        Self::new([], [], []).unwrap_or_else(|_| Self::index(Vec::new()))
    }
}

/// The cookies of one Cookie line. Only `;` separates (RFC 6265 section 5.4); quotes mean nothing.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = Cookie<'_>> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).map(|pair| {
        match memchr::memchr(b'=', pair) {
            Some(at) => {
                let (name, value) = pair.split_at(at);
                Cookie {
                    name: name.trim_ascii_end(),
                    value: value.get(1..).unwrap_or_default().trim_ascii_start(),
                }
            }
            // Browsers and Django take it for a value without a name: nothing is known of it.
            None => Cookie { name: b"", value: pair },
        }
    })
}

fn by_length(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn sort(rules: &mut [(Glob, CookieClass)]) {
    rules.sort_by_key(|(glob, class)| (usize::MAX - glob.literal_len(), *class));
}

#[cfg(test)]
mod tests;
