//! A text with variables, parsed once: `"$scheme://$host$request_uri"`, `"${name}_x"`.

use std::borrow::Cow;
use std::fmt;

use http::HeaderValue;
use process::settings::Mistakes;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::variables::facts::Facts;
use crate::variables::names::{Needs, Variable, VariableNames};

/// A setting's text with variables.
///
/// Read it from the settings, check it once with [`Template::check`], and ask for its value with
/// [`Template::value`] or, where the value becomes a header field or a part of one,
/// [`Template::field_value`].
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    source: Box<str>,
    /// Never two texts in succession.
    parts: Box<[TemplatePart]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TemplatePart {
    Text(Box<str>),
    Variable(Variable),
}

/// A value that must not be sent: it would end the field or the line that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value contains a control character")]
pub(crate) struct RefusedValue;

impl Template {
    /// Parses a text; `$$` is a dollar sign.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
                continue;
            }
            let (name, after) = name(after)
                .ok_or_else(|| format!("`{text}`: `$` needs the name of a variable; write `$$` for a `$`"))?;
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(TemplatePart::Variable(Variable::named(name)));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal.into()));
        }
        Ok(Self { source: text.into(), parts: parts.into() })
    }

    /// A text that is taken as it stands.
    pub fn literal(text: &str) -> Self {
        let parts = if text.is_empty() { Vec::new() } else { vec![TemplatePart::Text(text.into())] };
        Self { source: text.into(), parts: parts.into() }
    }

    /// A variable alone, also one whose name no text could hold: `$cookie_a-b`.
    pub(crate) fn of_variable(source: &str, variable: Variable) -> Self {
        Self { source: source.into(), parts: [TemplatePart::Variable(variable)].into() }
    }

    /// The text as in the settings.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value, if it depends on nothing.
    pub(crate) fn constant(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Reports the names that are no variables.
    pub(crate) fn check(&self, path: &str, names: &VariableNames, mistakes: &mut Mistakes) {
        for variable in self.variables() {
            if let Some(mistake) = names.mistake(variable) {
                mistakes.push(path, mistake);
            }
        }
    }

    /// What the value depends on.
    pub(crate) fn needs(&self, names: &VariableNames) -> Needs {
        self.variables().fold(Needs::NOTHING, |needs, variable| needs.and(names.needs(variable)))
    }

    /// What the value depends on besides the names of the place's files.
    pub(crate) fn needs_beyond_files(&self, names: &VariableNames) -> Needs {
        let others = self.variables().filter(|variable| !variable.is_of_files());
        others.fold(Needs::NOTHING, |needs, variable| needs.and(names.needs(variable)))
    }

    pub(crate) fn names_files(&self) -> bool {
        self.variables().any(Variable::is_of_files)
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Variable(variable) => Some(variable),
            TemplatePart::Text(_) => None,
        })
    }

    pub(crate) fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    /// The value. A variable that the request does not have is empty.
    pub(crate) fn value<'a>(&'a self, facts: &Facts<'a>) -> Cow<'a, [u8]> {
        match &*self.parts {
            [] => Cow::Borrowed(b""),
            [TemplatePart::Text(text)] => Cow::Borrowed(text.as_bytes()),
            [TemplatePart::Variable(variable)] => facts.value(variable).unwrap_or_default(),
            _ => {
                let mut value = Vec::new();
                self.write(facts, &mut value);
                Cow::Owned(value)
            }
        }
    }

    /// Appends the value.
    pub(crate) fn write(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePart::Variable(variable) => {
                    out.extend_from_slice(&facts.value(variable).unwrap_or_default())
                }
            }
        }
    }

    /// Appends the value; `capture` writes what `$1` to `$9` stand for.
    pub(crate) fn write_with(
        &self,
        facts: &Facts<'_>,
        out: &mut Vec<u8>,
        capture: impl Fn(&[u8], &mut Vec<u8>),
    ) {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePart::Variable(variable) => {
                    let value = facts.value(variable).unwrap_or_default();
                    match variable {
                        Variable::Capture(_) => capture(&value, out),
                        _ => out.extend_from_slice(&value),
                    }
                }
            }
        }
    }

    /// The value as a header field's. A control character in it, which could end the field, is refused.
    pub(crate) fn field_value(&self, facts: &Facts<'_>) -> Result<HeaderValue, RefusedValue> {
        HeaderValue::from_bytes(&self.value(facts)).map_err(|_| RefusedValue)
    }
}

/// The name at the front of what follows a `$`, and the rest.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, rest) = braced.split_once('}')?;
        return (!name.is_empty() && name.bytes().all(is_name)).then_some((name, rest));
    }
    // As in nginx, `$10` is `$1` with a zero behind it.
    let digits = text.bytes().take(1).filter(u8::is_ascii_digit).count();
    let length = if digits > 0 { digits } else { text.bytes().take_while(|byte| is_name(*byte)).count() };
    (length > 0).then(|| text.split_at(length))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

struct TemplateVisitor;

impl Visitor<'_> for TemplateVisitor {
    type Value = Template;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text, which may contain variables such as \"$host\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Template, E> {
        Template::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Template, E> {
        Ok(Template::literal(&number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Template, E> {
        Ok(Template::literal(&number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TemplateVisitor)
    }
}

#[cfg(test)]
mod tests;
