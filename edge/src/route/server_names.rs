//! Chooses the site of a request from its Host by nginx's rules for `server_name`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::variables::expression::{self, EndlessSearch, Expression};

type NameTable = HashMap<Box<str>, usize, ahash::RandomState>;

/// The names of all sites. An exact name is one hash lookup.
#[derive(Debug, Default)]
pub(crate) struct ServerNames {
    exact: NameTable,
    /// "*.example.com", by "example.com".
    leading: Wildcards,
    /// "www.*", by "www".
    trailing: Wildcards,
    /// In order of appearance.
    regexes: Vec<(Expression, usize)>,
    /// The site for hosts that no site names.
    default: usize,
}

#[derive(Debug, Default)]
struct Wildcards {
    sites: NameTable,
    /// Length of the longest text in the table: bounds the look-ups that a host of many labels costs.
    longest: usize,
}

impl ServerNames {
    /// Takes the `server_name` list of each site that is `here`, on one listener. A mistake is the index of
    /// the site, the index of the name, and what is wrong. A name in two sites is a mistake, unless the first
    /// counts: it would never choose the second.
    pub(crate) fn among(
        sites: &[Vec<String>],
        here: &[usize],
        default: usize,
        first_counts: bool,
    ) -> Result<Self, Vec<(usize, usize, String)>> {
        let mut names = Self { default, ..Self::default() };
        let mut mistakes = Vec::new();
        for (site, list) in here.iter().filter_map(|site| Some((*site, sites.get(*site)?))) {
            for (at, name) in list.iter().enumerate() {
                if let Err(mistake) = names.add(name, site)
                    && !(first_counts && mistake == TAKEN)
                {
                    mistakes.push((site, at, mistake));
                }
            }
        }
        if mistakes.is_empty() { Ok(names) } else { Err(mistakes) }
    }

    /// The site for a Host as received: the exact name, else the longest "*.name", else the longest "name.*",
    /// else the first regex, else the default site. `None`: a regex cannot be searched to its end.
    pub(crate) fn choose(&self, host: &str) -> Option<usize> {
        Some(self.named(host).ok()?.unwrap_or(self.default))
    }

    /// The site that names this Host, if one does.
    pub(crate) fn named(&self, host: &str) -> Result<Option<usize>, EndlessSearch> {
        let name = name_of(host);
        if let Some(site) = self.exact.get(name.as_ref()) {
            return Ok(Some(*site));
        }
        let wildcard = self.leading.longest_end(&name).or_else(|| self.trailing.longest_beginning(&name));
        if wildcard.is_some() {
            return Ok(wildcard);
        }
        for (regex, site) in &self.regexes {
            if regex.is_match(name.as_bytes())? {
                return Ok(Some(*site));
            }
        }
        Ok(None)
    }

    fn add(&mut self, name: &str, site: usize) -> Result<(), String> {
        if let Some(pattern) = name.strip_prefix('~') {
            self.regexes.push((regex(pattern)?, site));
            return Ok(());
        }
        check(name)?;
        let lower = name.to_ascii_lowercase();
        if let Some(parent) = lower.strip_prefix("*.") {
            return self.leading.add(parent, site);
        }
        if let Some(parent) = lower.strip_prefix('.') {
            insert(&mut self.exact, parent, site)?;
            return self.leading.add(parent, site);
        }
        if let Some(beginning) = lower.strip_suffix(".*") {
            return self.trailing.add(beginning, site);
        }
        insert(&mut self.exact, lower.strip_suffix('.').unwrap_or(&lower), site)
    }
}

/// A Host in the form for comparing names: without port and trailing dot, in lower case. Keeps the brackets
/// of an IPv6 address. Allocates only to change the case. Whether a Host is well-formed is checked elsewhere.
pub(crate) fn name_of(host: &str) -> Cow<'_, str> {
    let literal_end = if host.starts_with('[') { host.find(']') } else { None };
    let end = match literal_end {
        Some(bracket) => bracket + 1,
        None => memchr::memchr(b':', host.as_bytes()).unwrap_or(host.len()),
    };
    let name = host.get(..end).unwrap_or(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

impl Wildcards {
    fn add(&mut self, text: &str, site: usize) -> Result<(), String> {
        self.longest = self.longest.max(text.len());
        insert(&mut self.sites, text, site)
    }

    /// The longest text that follows a dot up to the end of the name.
    fn longest_end(&self, name: &str) -> Option<usize> {
        let ends = name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..));
        ends.filter(|end| end.len() <= self.longest).find_map(|end| self.sites.get(end)).copied()
    }

    /// The longest text from the beginning of the name up to a dot.
    fn longest_beginning(&self, name: &str) -> Option<usize> {
        let beginnings = name.rmatch_indices('.').filter_map(|(dot, _)| name.get(..dot));
        beginnings.filter(|text| text.len() <= self.longest).find_map(|text| self.sites.get(text)).copied()
    }
}

const TAKEN: &str = "an earlier site has this name";

fn insert(table: &mut NameTable, name: &str, site: usize) -> Result<(), String> {
    match table.entry(name.into()) {
        Entry::Vacant(entry) => {
            entry.insert(site);
            Ok(())
        }
        Entry::Occupied(entry) if *entry.get() == site => Ok(()),
        Entry::Occupied(_) => Err(TAKEN.into()),
    }
}

/// Refuses names that no Host could match, or only by accident.
fn check(name: &str) -> Result<(), String> {
    let is_address = name.starts_with('[') && name.ends_with(']');
    if name.contains(':') && !is_address {
        return Err(format!("`{name}`: a name must not have a scheme or port"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\' | b',')) {
        return Err(format!("`{name}` is not a host name; write names that are not ASCII in Punycode"));
    }
    if name.contains("..") || name == "." {
        return Err(format!("`{name}` has an empty label"));
    }
    let inner = name.strip_prefix("*.").or_else(|| name.strip_suffix(".*")).unwrap_or(name);
    if inner.contains('*') || (inner.is_empty() && !name.is_empty()) {
        return Err(format!("`{name}`: a star must stand for whole labels, at the beginning or at the end"));
    }
    Ok(())
}

/// As in nginx, a regex is compared with the lower-case name; a regex with a capital letter ignores case.
fn regex(pattern: &str) -> Result<Expression, String> {
    let has_capital = pattern.bytes().any(|byte| byte.is_ascii_uppercase());
    expression::build(pattern, has_capital)
}

#[cfg(test)]
mod tests;
