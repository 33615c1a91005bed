//! What an application says of itself, in the words of the site: nginx's `proxy_redirect`,
//! `proxy_cookie_domain` and `proxy_cookie_path`.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{Entry, LOCATION, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use process::settings::Mistakes;

use crate::fields::cookie_flags::CookieFlags;
use crate::fields::reply::VariableScope;
use crate::settings::ReplyRewriteConfig;
use crate::variables::expression::{self, Expression};
use crate::variables::{Definitions, Facts, RouteFacts, Template};

#[derive(Debug)]
pub(crate) struct ReplyRewrite {
    location: Vec<Replacement>,
    cookie_domain: Vec<Replacement>,
    cookie_path: Vec<Replacement>,
    cookie_flags: Vec<CookieFlags>,
    definitions: Arc<Definitions>,
}

#[derive(Debug)]
struct Replacement {
    from: RewritePattern,
    to: Template,
}

#[derive(Debug)]
enum RewritePattern {
    Text(Template),
    /// The whole value, if it matches.
    Regex(Expression),
}

/// How a text is compared with a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// It is the beginning, and the rest stays.
    Beginning,
    /// It is all of it, whatever the case of letters.
    Whole,
}

impl ReplyRewrite {
    /// Reports mistakes below `at`. `None`: nothing is replaced.
    pub(crate) fn build(
        at: &str,
        config: &ReplyRewriteConfig,
        defined: VariableScope<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let mut pairs = |key: &str, pairs: &[(String, Template)]| -> Vec<Replacement> {
            let pairs = pairs.iter().enumerate();
            pairs
                .filter_map(|(index, (from, to))| {
                    let path = format!("{at}.{key}[{index}]");
                    to.check(&path, defined.names, mistakes);
                    match RewritePattern::parse(from, key == "cookie_domain") {
                        Ok(from) => {
                            if let RewritePattern::Text(text) = &from {
                                text.check(&path, defined.names, mistakes);
                            }
                            Some(Replacement { from, to: to.clone() })
                        }
                        Err(text) => {
                            mistakes.push(path, text);
                            None
                        }
                    }
                })
                .collect()
        };
        let path_of_flags = format!("{at}.cookie_flags");
        let built = Self {
            location: pairs("location", &config.location),
            cookie_domain: pairs("cookie_domain", &config.cookie_domain),
            cookie_path: pairs("cookie_path", &config.cookie_path),
            cookie_flags: flags(&path_of_flags, &config.cookie_flags, mistakes),
            definitions: defined.definitions.clone(),
        };
        let all = [&built.location, &built.cookie_domain, &built.cookie_path];
        let is_needed = all.iter().any(|list| !list.is_empty()) || !built.cookie_flags.is_empty();
        is_needed.then_some(built)
    }

    /// Changes the fields of an application's reply. Returns whether Location is another.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, facts: &Facts<'_>) -> bool {
        let facts =
            Facts { route: RouteFacts { definitions: Some(&*self.definitions), ..facts.route }, ..*facts };
        let is_moved =
            change(headers, &LOCATION, |value| first(&self.location, value, Extent::Beginning, &facts));
        change(headers, &REFRESH, |value| {
            let at = find_ignoring_case(value, b"url=")? + 4;
            let (before, url) = value.split_at_checked(at)?;
            Some([before, &first(&self.location, url, Extent::Beginning, &facts)?].concat())
        });
        if !self.cookie_domain.is_empty() || !self.cookie_path.is_empty() {
            change(headers, &SET_COOKIE, |value| self.cookie(value, &facts));
        }
        change(headers, &SET_COOKIE, |value| {
            let flags = self.cookie_flags.iter().find(|flags| flags.is_for(value));
            flags.map(|flags| flags.set(value))
        });
        is_moved
    }

    fn cookie(&self, line: &[u8], facts: &Facts<'_>) -> Option<Vec<u8>> {
        let mut parts = line.split(|byte| *byte == b';');
        let mut made = parts.next()?.to_vec();
        let mut changed = false;
        for part in parts {
            made.push(b';');
            let (name, value) = match part.iter().position(|byte| *byte == b'=') {
                Some(equals) => part.split_at_checked(equals + 1).unwrap_or((part, b"")),
                None => (part, &b""[..]),
            };
            let is = |word: &[u8]| name.trim_ascii().eq_ignore_ascii_case(word);
            let replaced = if is(b"domain=") {
                // As in nginx, the value's own dot stays, and those of the settings do not count.
                let dot = usize::from(value.starts_with(b"."));
                let (dot, bare) = value.split_at_checked(dot).unwrap_or((b"", value));
                let to = first(&self.cookie_domain, bare, Extent::Whole, facts);
                to.map(|to| [dot, to.strip_prefix(b".").unwrap_or(&to)].concat())
            } else if is(b"path=") {
                first(&self.cookie_path, value, Extent::Beginning, facts)
            } else {
                None
            };
            changed |= replaced.is_some();
            made.extend_from_slice(name);
            made.extend_from_slice(&replaced.map_or(Cow::Borrowed(value), Cow::Owned));
        }
        changed.then_some(made)
    }
}

fn flags(path: &str, config: &[(String, Vec<String>)], mistakes: &mut Mistakes) -> Vec<CookieFlags> {
    let mut all = Vec::new();
    for (index, (name, flags)) in config.iter().enumerate() {
        match CookieFlags::parse(name, flags) {
            Ok(flags) => all.push(flags),
            Err(text) => mistakes.push(format!("{path}[{index}]"), text),
        }
    }
    all
}

impl RewritePattern {
    /// Host names have no case.
    fn parse(from: &str, is_host: bool) -> Result<Self, String> {
        let (pattern, ignores_case) = match (from.strip_prefix("~*"), from.strip_prefix('~')) {
            (Some(pattern), _) => (pattern, true),
            (None, Some(pattern)) => (pattern, false),
            (None, None) if from.is_empty() => {
                return Err("nothing is replaced; write a text or a regex".into());
            }
            (None, None) => return Template::parse(from).map(Self::Text),
        };
        expression::compile(pattern.trim_start(), ignores_case || is_host).map(Self::Regex)
    }
}

/// What the first rule that matches makes of a value.
fn first(rules: &[Replacement], value: &[u8], extent: Extent, facts: &Facts<'_>) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| match &rule.from {
        RewritePattern::Regex(regex) => {
            let mut values = facts.values.clone();
            // What cannot be searched to its end stays as it is.
            let matched = values.matches(regex, value).unwrap_or(false);
            matched.then(|| rule.to.value(&Facts { values: &values, ..*facts }).into_owned())
        }
        RewritePattern::Text(from) => {
            let from = from.value(facts);
            let rest = match extent {
                Extent::Beginning => value.strip_prefix(&*from)?,
                Extent::Whole => {
                    let from = from.strip_prefix(b".").unwrap_or(&from);
                    value.eq_ignore_ascii_case(from).then_some(&b""[..])?
                }
            };
            Some([&rule.to.value(facts), rest].concat())
        }
    })
}

/// Puts what `make` makes of each value in its place, and returns whether it made any. A value that could end
/// its line is left as it was.
fn change(headers: &mut HeaderMap, name: &HeaderName, make: impl Fn(&[u8]) -> Option<Vec<u8>>) -> bool {
    let Entry::Occupied(mut lines) = headers.entry(name) else { return false };
    let mut is_changed = false;
    for line in lines.iter_mut() {
        let made = make(line.as_bytes()).and_then(|made| HeaderValue::from_bytes(&made).ok());
        if let Some(made) = made {
            *line = made;
            is_changed = true;
        }
    }
    is_changed
}

fn find_ignoring_case(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
