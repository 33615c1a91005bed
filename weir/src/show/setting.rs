//! One setting as it is shown: its path, its value, and where that comes from.

use std::fmt;
use std::io::{self, Write};

use process::settings::Origin;
use serde_json::{Value as Json, json};
use toml::Value;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueOrigin {
    File {
        name: String,
        line: Option<usize>,
    },
    Variable(String),
    /// A flag of `weir serve`.
    Flag(&'static str),
    /// `weir serve` itself, whatever its flags say.
    Serve,
    /// A part of `memory`, which is set there.
    Share(Box<Self>),
    Default,
}

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct ShownSetting {
    pub(crate) path: String,
    /// `None`: nothing is set, and the default is none.
    pub(crate) value: Option<Value>,
    pub(crate) origin: ValueOrigin,
}

impl From<Origin> for ValueOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::File { name, line } => Self::File { name, line },
            Origin::Variable(name) => Self::Variable(name),
        }
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Serve => f.write_str("weir serve"),
            Self::Share(of) => write!(f, "part of memory, {of}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl ShownSetting {
    /// Whether it stands at or below this path; "" is all.
    pub(crate) fn is_below(&self, prefix: &str) -> bool {
        let rest = self.path.strip_prefix(prefix);
        rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
    }

    fn text(&self) -> String {
        let value = self.value.as_ref().map_or_else(|| "none".to_owned(), Value::to_string);
        format!("{} = {value}", self.path)
    }

    /// Columns that it takes without its origin.
    pub(crate) fn width(&self) -> usize {
        self.text().chars().count()
    }

    pub(crate) fn write(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        writeln!(out, "{:<width$}  {}", self.text(), self.origin)
    }

    pub(crate) fn json(&self) -> Json {
        let mut shown = json!({ "setting": self.path, "value": self.value.as_ref().map(as_json) });
        let mut origin = &self.origin;
        if let ValueOrigin::Share(of) = origin {
            shown["part_of"] = json!("memory");
            origin = of;
        }
        let (from, details) = match origin {
            ValueOrigin::File { name, line } => ("file", json!({ "file": name, "line": line })),
            ValueOrigin::Variable(name) => ("environment", json!({ "variable": name })),
            ValueOrigin::Flag(name) => ("flag", json!({ "flag": name })),
            ValueOrigin::Serve => ("weir serve", json!({})),
            ValueOrigin::Share(_) => ("memory", json!({})),
            ValueOrigin::Default => ("default", json!({})),
        };
        shown["from"] = json!(from);
        if let (Some(shown), Json::Object(details)) = (shown.as_object_mut(), details) {
            shown.extend(details);
        }
        shown
    }
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(value) => json!(value),
        Value::Datetime(time) => json!(time.to_string()),
        Value::Array(list) => list.iter().map(as_json).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_key_ends() {
        let setting =
            ShownSetting { path: "edge.l1.memory".into(), value: None, origin: ValueOrigin::Default };
        for (prefix, below) in
            [("", true), ("edge", true), ("edge.l1", true), ("edge.l", false), ("l1", false)]
        {
            assert_eq!(setting.is_below(prefix), below, "{prefix}");
        }
    }
}
