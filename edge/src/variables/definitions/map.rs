//! nginx's `map`: a variable whose value is chosen by the value of a template.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

use process::settings::Mistakes;
use serde::Deserialize;

use crate::variables::definitions::listing;
use crate::variables::expression::{self, Expression};
use crate::variables::facts::Facts;
use crate::variables::names::Variable;
use crate::variables::template::Template;
use crate::variables::values::Values;

/// One `[[edge.map]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapConfig {
    /// The variable that it defines.
    pub variable: String,
    /// What the cases are compared with.
    pub from: Template,
    /// Pairs: a text (no case), "~regex", "~*regex", and with `hostnames` "*.example.com", ".example.com" or
    /// "mail.*"; and the value.
    #[serde(default)]
    pub cases: Vec<(String, Template)>,
    /// More cases, in nginx's form: `key value;`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The value if no case fits.
    #[serde(default = "empty")]
    pub default: Template,
    /// The cases are names of hosts, with wildcards.
    #[serde(default)]
    pub hostnames: bool,
}

fn empty() -> Template {
    Template::literal("")
}

/// Chosen in nginx's order: the text itself, the longest "*.example.com", the longest "mail.*", the first
/// regular expression, the default.
#[derive(Debug)]
pub(super) struct Map {
    path: String,
    from: Template,
    values: Vec<Template>,
    /// Keys are in lower case.
    exact: Keys,
    /// ".example.com" also stands for the name itself.
    with_subdomains: Keys,
    /// What follows the "*.".
    ends: Keys,
    /// What comes before the ".*".
    beginnings: Keys,
    regexes: Vec<(Expression, usize)>,
    default: Template,
    hostnames: bool,
    uses: Vec<Variable>,
}

/// Places in `values`.
type Keys = HashMap<Box<[u8]>, usize, ahash::RandomState>;

impl Map {
    pub(super) fn build(path: &str, config: &MapConfig, mistakes: &mut Mistakes) -> Option<Self> {
        let mut map = Self {
            path: path.to_owned(),
            from: config.from.clone(),
            values: Vec::with_capacity(config.cases.len()),
            exact: Keys::default(),
            with_subdomains: Keys::default(),
            ends: Keys::default(),
            beginnings: Keys::default(),
            regexes: Vec::new(),
            default: config.default.clone(),
            hostnames: config.hostnames,
            uses: Vec::new(),
        };
        let mut whole = true;
        for (at, (key, value)) in config.cases.iter().enumerate() {
            if let Err(text) = map.add(key, value.clone()) {
                mistakes.push(format!("{path}.cases[{at}]"), text);
                whole = false;
            }
        }
        if let Some(file) = &config.file
            && let Err(text) = map.add_file(file)
        {
            mistakes.push(format!("{path}.file"), text);
            whole = false;
        }
        for template in map.values.iter().chain([&config.from, &config.default]) {
            for variable in template.variables() {
                if !map.uses.contains(variable) {
                    map.uses.push(variable.clone());
                }
            }
        }
        let mut uses = std::mem::take(&mut map.uses);
        uses.retain(|variable| !map.is_captured(variable));
        map.uses = uses;
        whole.then_some(map)
    }

    pub(super) fn uses(&self) -> Vec<(String, &Variable)> {
        self.uses.iter().map(|variable| (self.path.clone(), variable)).collect()
    }

    pub(super) fn value<'a>(&'a self, facts: &Facts<'a>) -> Cow<'a, [u8]> {
        let from = self.from.value(facts);
        let text = match from.strip_suffix(b".") {
            Some(name) if self.hostnames => name,
            _ => &from,
        };
        if let Some(value) = self.by_text(text).and_then(|at| self.values.get(at)) {
            return value.value(facts);
        }
        for (regex, at) in &self.regexes {
            // nginx's map leaves its captures to the rest of the request; here they are the map's own.
            if !regex.has_groups() {
                if facts.found(regex.is_match(text)) {
                    return self.values.get(*at).map(|value| value.value(facts)).unwrap_or_default();
                }
                continue;
            }
            let mut own = facts.values.clone();
            if facts.found(own.matches(regex, text)) {
                return self.values.get(*at).map(|value| with(value, facts, &own)).unwrap_or_default();
            }
        }
        self.default.value(facts)
    }

    fn by_text(&self, text: &[u8]) -> Option<usize> {
        let lower;
        let text = if text.iter().any(u8::is_ascii_uppercase) {
            lower = text.to_ascii_lowercase();
            &lower
        } else {
            text
        };
        if let Some(at) = self.exact.get(text) {
            return Some(*at);
        }
        if !self.hostnames {
            return None;
        }
        let dots = || text.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let whole = self.with_subdomains.get(text);
        // The first dot leaves the longest end.
        let end = || dots().find_map(|dot| self.ends.get(text.get(dot + 1..)?));
        let beginning = || {
            let mut found = None;
            for dot in dots() {
                found = text.get(..dot).and_then(|front| self.beginnings.get(front)).or(found);
            }
            found
        };
        whole.or_else(end).or_else(beginning).copied()
    }

    fn add(&mut self, key: &str, value: Template) -> Result<(), String> {
        let at = self.values.len();
        self.values.push(value);
        if let Some(pattern) = key.strip_prefix("~*") {
            self.regexes.push((expression::compile(pattern, true)?, at));
            return Ok(());
        }
        if let Some(pattern) = key.strip_prefix('~') {
            self.regexes.push((expression::compile(pattern, false)?, at));
            return Ok(());
        }
        // A backslash before a key that would mean something else.
        let key = key.strip_prefix('\\').unwrap_or(key).to_ascii_lowercase();
        let taken = |key: &str| format!("`{key}` is there twice; remove one");
        let put = |keys: &mut Keys, text: &str| match keys.insert(text.as_bytes().into(), at) {
            None => Ok(()),
            Some(_) => Err(taken(&key)),
        };
        if self.hostnames {
            if let Some(end) = key.strip_prefix("*.") {
                return put(&mut self.ends, end);
            }
            if let Some(name) = key.strip_prefix('.') {
                put(&mut self.ends, name)?;
                return put(&mut self.with_subdomains, name);
            }
            if let Some(front) = key.strip_suffix(".*") {
                return put(&mut self.beginnings, front);
            }
            if key.contains('*') {
                return Err(format!(
                    "`{key}`: a `*` stands for whole labels at the beginning or the end only"
                ));
            }
        }
        put(&mut self.exact, &key)
    }

    fn add_file(&mut self, file: &std::path::Path) -> Result<(), String> {
        for listing::ListingEntry { line, key, value } in listing::read(file)? {
            let wrong = |text: String| format!("{}:{line}: {text}", file.display());
            match (key.as_str(), value) {
                ("hostnames", None) if self.exact.is_empty() => self.hostnames = true,
                ("volatile", None) => {}
                ("default", Some(value)) => self.default = Template::parse(&value).map_err(wrong)?,
                (key, Some(value)) => {
                    let value = Template::parse(&value).map_err(wrong)?;
                    self.add(key, value).map_err(wrong)?;
                }
                (key, None) => return Err(wrong(format!("`{key}` has no value"))),
            }
        }
        Ok(())
    }

    /// A capture of the map's own expressions.
    fn is_captured(&self, variable: &Variable) -> bool {
        match variable {
            Variable::Capture(_) => self.regexes.iter().any(|(regex, _)| regex.has_groups()),
            Variable::Own(name) => self
                .regexes
                .iter()
                .any(|(regex, _)| regex.names().any(|group| group.eq_ignore_ascii_case(name))),
            _ => false,
        }
    }
}

fn with<'a>(value: &Template, facts: &Facts<'_>, own: &Values) -> Cow<'a, [u8]> {
    let facts = Facts { values: own, ..*facts };
    Cow::Owned(value.value(&facts).into_owned())
}
