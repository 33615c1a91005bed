//! Cookies are personal, split the page, or are ignored. What is not known is personal.

pub mod defaults;

use std::sync::LazyLock;

use super::patterns::{self, Patterns};
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
pub struct CookieRules(Patterns<CookieClass>);

/// One cookie of a request, as sent, without the white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl CookieRules {
    /// From the owner's three lists of patterns, which come before the defaults. The error is for the
    /// settings checker.
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
        if rules.is_empty() {
            return Ok(Self::default());
        }
        patterns::check_count(rules.len())?;
        Ok(Self(Patterns::new([rules, patterns::built_in(defaults::LISTS)])))
    }

    /// The class of a cookie of this name. A name that no list knows is personal.
    pub fn class(&self, name: &[u8]) -> CookieClass {
        self.0.class(name).unwrap_or(CookieClass::Personal)
    }

    /// Each cookie of a Cookie line by its name, with its class.
    pub fn classes<'a>(&self, line: &'a [u8]) -> impl Iterator<Item = (&'a [u8], CookieClass)> {
        pairs(line).map(|cookie| (cookie.name, self.class(cookie.name)))
    }
}

impl Default for CookieRules {
    fn default() -> Self {
        static BUILT_IN: LazyLock<Patterns<CookieClass>> =
            LazyLock::new(|| Patterns::new([patterns::built_in(defaults::LISTS)]));
        Self(BUILT_IN.clone())
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

#[cfg(test)]
mod tests;
