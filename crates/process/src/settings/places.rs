//! Where each key of the merged settings stands: a line of the file, or a variable of the environment.

use std::collections::BTreeMap;

use config::{Value, ValueKind};

use super::path;
use super::place::Place;

/// The lines of all keys and list elements by their paths; the variables, likewise.
#[derive(Debug, Default)]
pub(super) struct Places {
    file: Option<String>,
    lines: BTreeMap<String, usize>,
    variables: BTreeMap<String, String>,
}

impl Places {
    pub(super) fn of_file(name: String, lines: BTreeMap<String, usize>) -> Self {
        Self { file: Some(name), lines, variables: BTreeMap::new() }
    }

    /// Notes what in the merged tree comes from the environment.
    pub(super) fn add_variables(&mut self, merged: &Value) {
        self.add_variables_below("", merged);
    }

    /// The nearest place that is known for `path`: its own, else that of what holds it.
    pub(super) fn of(&self, path: &str) -> Place {
        let mut at = Some(path);
        while let Some(path) = at {
            if let Some(name) = self.variables.get(path) {
                return Place::Variable(name.clone());
            }
            if let (Some(name), Some(line)) = (&self.file, self.lines.get(path)) {
                return Place::File { name: name.clone(), line: Some(*line), column: None };
            }
            at = path::parent(path);
        }
        match &self.file {
            Some(name) => Place::File { name: name.clone(), line: None, column: None },
            None => Place::Unknown,
        }
    }

    /// Returns a variable that set something at or below `path`. A table that stands only in the environment
    /// is placed there.
    fn add_variables_below(&mut self, path: &str, value: &Value) -> Option<String> {
        let mut inside = value.origin().map(str::to_owned);
        match &value.kind {
            ValueKind::Table(table) => {
                for (key, value) in table {
                    let below = self.add_variables_below(&path::key(path, key), value);
                    inside = inside.or(below);
                }
            }
            ValueKind::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.add_variables_below(&path::element(path, index), value);
                }
            }
            _ => {}
        }
        let name = inside?;
        if value.origin().is_some() || !self.lines.contains_key(path) {
            self.variables.insert(path.to_owned(), name.clone());
        }
        Some(name)
    }
}
