//! Request fields are personal, split the page, may be named in Vary, or are ignored. What is not known is
//! personal.

mod credential;
pub mod defaults;

use std::sync::LazyLock;

use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderMap, HeaderName};

use super::patterns::{self, Patterns};
use crate::fields::is_hop_by_hop;
use crate::{Glob, Reason};

/// Orders from cautious to bold: between equally particular patterns the more cautious class counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldClass {
    /// Tells who asks, or may: the request goes straight to the application, with everything.
    Personal,
    /// One variant of the page per value; the value is in the key, and the application sees it.
    Split,
    /// Not in the key, and not seen by the application while it makes a page to be shared.
    Ignore,
    /// Not in the key, but seen by the application: a reply that depends on it says so in Vary.
    Vary,
}

/// The owner's lists of patterns. A name comes before the defaults; a pattern with `*` comes behind those
/// that are personal.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldLists<'a> {
    pub personal: &'a [String],
    pub split: &'a [String],
    pub vary: &'a [String],
    pub ignore: &'a [String],
    /// Names that the settings speak of elsewhere: ignored, where no list knows them.
    pub mentioned: &'a [&'a str],
}

/// The names in the owner's lists, then the credentials that are known, then the owner's patterns, then the
/// other defaults. Within each the more particular pattern counts.
///
/// A name that looks like a credential's and that only a pattern with `*` matches, the owner's or ours, is
/// personal: `vary = ["*"]` makes no credential a part of shared pages, be it known or not.
#[derive(Clone, Debug)]
pub struct FieldRules {
    patterns: Patterns<FieldClass>,
    is_default: bool,
}

/// The most fields that split one request, and the longest value. With more, or longer ones, the request goes
/// past the cache, or a visitor could make variants without end.
const MAX_SPLIT: usize = 16;
const MAX_SPLIT_VALUE: usize = 128;

impl FieldRules {
    /// The error is for the settings checker.
    pub fn new(lists: &FieldLists<'_>) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (class, patterns) in [
            (FieldClass::Personal, lists.personal),
            (FieldClass::Split, lists.split),
            (FieldClass::Vary, lists.vary),
            (FieldClass::Ignore, lists.ignore),
        ] {
            for pattern in patterns {
                let pattern = pattern.to_ascii_lowercase();
                check(&pattern)?;
                rules.push((Glob::new(&pattern)?, class));
            }
        }
        patterns::check_count(rules.len())?;
        let mentioned = lists.mentioned.iter().filter_map(|name| Glob::new(&name.to_ascii_lowercase()).ok());
        Ok(Self::of(rules, mentioned.map(|name| (name, FieldClass::Ignore)).collect()))
    }

    fn of(owners: Vec<(Glob, FieldClass)>, mentioned: Vec<(Glob, FieldClass)>) -> Self {
        if owners.is_empty() && mentioned.is_empty() {
            return Self::default();
        }
        Self { patterns: Self::patterns(owners, mentioned), is_default: false }
    }

    fn patterns(owners: Vec<(Glob, FieldClass)>, mentioned: Vec<(Glob, FieldClass)>) -> Patterns<FieldClass> {
        let (names, owners) = owners.into_iter().partition(|(glob, _)| glob.is_exact());
        let built_in = patterns::built_in(defaults::LISTS).into_iter();
        let (personal, others) = built_in.partition(|(_, class)| *class == FieldClass::Personal);
        Patterns::new([names, personal, owners, others, mentioned])
    }

    /// The class of a field by its name in lower case. A name that no list knows is personal.
    pub fn class(&self, name: &[u8]) -> FieldClass {
        match self.patterns.find(name) {
            Some((class, true)) => class,
            Some((class, false)) if !credential::looks_like_one(name) => class,
            _ => FieldClass::Personal,
        }
    }

    /// Whether the class of this field counts. Cookies, Authorization, the host and what is about one
    /// connection have rules of their own.
    pub fn counts(&self, name: &HeaderName) -> bool {
        !is_apart(name)
    }

    /// The settings add nothing to the lists of [`defaults`].
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// The first field for which the request goes straight to the application.
    pub fn personal<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderName> {
        request
            .keys()
            .find(|name| !is_apart(name) && self.class(name.as_str().as_bytes()) == FieldClass::Personal)
    }

    /// Appends `\0\x01name:value` for each field that splits the page, by name. No cookie's name holds a
    /// control character, so that no cookie looks like a field.
    pub(crate) fn push(&self, request: &HeaderMap, key: &mut Vec<u8>) -> Result<(), Reason> {
        let mut fields = [("", &b""[..]); MAX_SPLIT];
        let mut count = 0;
        for (name, value) in request {
            if is_apart(name) || self.class(name.as_str().as_bytes()) != FieldClass::Split {
                continue;
            }
            let value = value.as_bytes().trim_ascii();
            let place =
                fields.get_mut(count).filter(|_| value.len() <= MAX_SPLIT_VALUE).ok_or(Reason::KeyField)?;
            *place = (name.as_str(), value);
            count += 1;
        }
        let fields = fields.get_mut(..count).unwrap_or_default();
        // Stable: of two fields of one name the order may count.
        fields.sort_by_key(|(name, _)| *name);
        for (name, value) in fields {
            key.extend_from_slice(b"\0\x01");
            key.extend_from_slice(name.as_bytes());
            key.push(b':');
            key.extend_from_slice(value);
        }
        Ok(())
    }
}

impl Default for FieldRules {
    fn default() -> Self {
        static BUILT_IN: LazyLock<Patterns<FieldClass>> =
            LazyLock::new(|| FieldRules::patterns(Vec::new(), Vec::new()));
        Self { patterns: BUILT_IN.clone(), is_default: true }
    }
}

/// Fields that have rules of their own: cookies by their names, Authorization by RFC 9111 section 3.5; the
/// host is in the key, and what is about one connection ends here.
pub(crate) fn is_apart(name: &HeaderName) -> bool {
    *name == COOKIE || *name == AUTHORIZATION || *name == HOST || is_hop_by_hop(name)
}

fn check(pattern: &str) -> Result<(), String> {
    let why = match HeaderName::try_from(pattern.replace('*', "x").as_str()) {
        Err(_) => return Err(format!("{pattern:?} is not a field name")),
        Ok(_) if pattern.contains('*') => return Ok(()),
        Ok(name) if name == COOKIE => "name its cookies in `cookies`",
        Ok(name) if name == AUTHORIZATION => "it is always personal",
        Ok(name) if name == HOST => "it is always in the key",
        Ok(name) if is_hop_by_hop(&name) => "it is about one connection",
        Ok(_) => return Ok(()),
    };
    Err(format!("{pattern:?} has no class of its own: {why}"))
}

#[cfg(test)]
mod tests;
