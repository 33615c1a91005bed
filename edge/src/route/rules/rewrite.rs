//! nginx's `rewrite`: another path, or a redirect, where a regular expression matches the path.

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use process::settings::Mistakes;

use crate::request::path::PATH_ESCAPES;
use crate::variables::expression::{self, Expression};
use crate::variables::{Facts, Template, VariableNames};

/// What nginx escapes in a capture that becomes part of a query: also what separates parameters, and `+`.
const IN_QUERY: &AsciiSet = &PATH_ESCAPES.add(b'&').add(b'+').add(b';');

/// What it leaves escaped in the path of a redirect; and the backslash, which browsers read as a slash.
const IN_LOCATION: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?').add(b'\\');

#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    pub(crate) regex: Expression,
    path: Template,
    /// What follows the question mark.
    query: Option<Template>,
    /// The request's own query is added.
    keeps_query: bool,
    pub(crate) then: RewriteFlag,
}

/// What follows a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RewriteFlag {
    /// The next rule.
    Next,
    /// The location of the new path.
    Last,
    /// This location answers.
    Break,
    Redirect(StatusCode),
}

/// What a match makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RewriteResult {
    /// A decoded path, and a query.
    Path(Vec<u8>, Option<Vec<u8>>),
    /// The value of Location.
    Location(StatusCode, Vec<u8>),
}

impl Rewrite {
    /// Parses "REGEX REPLACEMENT [last|break|redirect|permanent]".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let (Some(pattern), Some(replacement)) = (words.next(), words.next()) else {
            return Err(format!(
                "`{text}`: write \"REGEX REPLACEMENT\", and perhaps `last`, `break`, `redirect` or `permanent`"
            ));
        };
        let then = match words.next() {
            None => RewriteFlag::Next,
            Some("last") => RewriteFlag::Last,
            Some("break") => RewriteFlag::Break,
            Some("redirect") => RewriteFlag::Redirect(StatusCode::FOUND),
            Some("permanent") => RewriteFlag::Redirect(StatusCode::MOVED_PERMANENTLY),
            Some(other) => {
                return Err(format!(
                    "`{other}` is none of `last`, `break`, `redirect`, `permanent`; write `\\s` for a space in the regex"
                ));
            }
        };
        if let Some(more) = words.next() {
            return Err(format!("`{more}` is too much; write `\\s` for a space in the regex"));
        }
        let is_url = ["http://", "https://", "$scheme"].iter().any(|begin| replacement.starts_with(begin));
        let then = match then {
            RewriteFlag::Next | RewriteFlag::Last | RewriteFlag::Break if is_url => {
                RewriteFlag::Redirect(StatusCode::FOUND)
            }
            then => then,
        };
        if !is_url && !replacement.starts_with(['/', '$']) {
            return Err(format!("`{replacement}` is neither a path that begins with `/`, nor a URL"));
        }
        let (replacement, keeps_query) = match replacement.strip_suffix('?') {
            Some(replacement) => (replacement, false),
            None => (replacement, true),
        };
        let (path, query) = match replacement.split_once('?') {
            Some((path, query)) => (path, Some(Template::parse(query)?)),
            None => (replacement, None),
        };
        Ok(Self {
            regex: expression::build(pattern, false)?,
            path: Template::parse(path)?,
            query,
            keeps_query,
            then,
        })
    }

    pub(crate) fn check(&self, path: &str, names: &VariableNames, mistakes: &mut Mistakes) {
        self.path.check(path, names, mistakes);
        if let Some(query) = &self.query {
            query.check(path, names, mistakes);
        }
    }

    pub(super) fn group_names(&self) -> Vec<String> {
        self.regex.names().map(str::to_owned).collect()
    }

    /// The result of a match whose captures are known to `facts`.
    pub(crate) fn apply(&self, facts: &Facts<'_>, own_query: Option<&str>) -> RewriteResult {
        let redirect = if let RewriteFlag::Redirect(status) = self.then { Some(status) } else { None };
        let mut path = Vec::new();
        self.path.write_with(facts, &mut path, |capture, out| match redirect {
            Some(_) => out.extend(percent_encode(capture, IN_LOCATION).to_string().into_bytes()),
            None => out.extend_from_slice(capture),
        });
        let mut query = None;
        if let Some(template) = &self.query {
            let mut value = Vec::new();
            template.write_with(facts, &mut value, |capture, out| {
                out.extend(percent_encode(capture, IN_QUERY).to_string().into_bytes());
            });
            query = Some(value);
        }
        if let Some(own) = own_query.filter(|own| self.keeps_query && !own.is_empty()) {
            let value = query.get_or_insert_default();
            if !value.is_empty() {
                value.push(b'&');
            }
            value.extend_from_slice(own.as_bytes());
        }
        let Some(status) = redirect else {
            return RewriteResult::Path(path, query.filter(|query| !query.is_empty()));
        };
        if let Some(query) = query {
            path.push(b'?');
            path.extend(query);
        }
        RewriteResult::Location(status, path)
    }
}
