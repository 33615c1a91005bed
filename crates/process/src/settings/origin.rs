//! What is set, and where each value comes from, for those who show it.

use std::collections::BTreeMap;

use config::{Value, ValueKind};

use super::place::Place;
use super::places::Places;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `line` begins at 1; `None`: it is not known.
    File { name: String, line: Option<usize> },
    /// A variable of the environment, by its name.
    Variable(String),
}

impl Origin {
    pub(super) fn of(places: &Places, path: &str) -> Self {
        match places.of(path) {
            Place::File { name, line, .. } => Self::File { name, line },
            Place::Variable(name) => Self::Variable(name),
            Place::Unknown => Self::File { name: String::new(), line: None },
        }
    }
}

pub(super) fn tree(root: &BTreeMap<String, Value>) -> toml::Table {
    root.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect()
}

fn plain(value: &Value) -> Option<toml::Value> {
    Some(match &value.kind {
        ValueKind::Nil | ValueKind::I128(_) | ValueKind::U128(_) => return None,
        ValueKind::Boolean(value) => (*value).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::U64(number) => i64::try_from(*number).ok()?.into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::String(text) => text.clone().into(),
        ValueKind::Table(table) => {
            let table = table.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?)));
            toml::Value::Table(table.collect())
        }
        ValueKind::Array(list) => toml::Value::Array(list.iter().filter_map(plain).collect()),
    })
}
