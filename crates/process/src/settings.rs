//! Settings: one TOML or YAML file, the environment over it, every mistake reported at once with its line.
//!
//! Defaults are the serde defaults of the services' own config structs. A variable sets one key:
//! `WEIR__EDGE__LISTEN='["0.0.0.0:80"]'` sets `edge.listen`; an empty variable sets nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use config::{Config, File, Value, ValueKind};
use serde::de::DeserializeOwned;

use fault::Fault;
use file::SettingsFile;
use node::{Node, Walk};
use places::Places;

mod environment;
mod fault;
mod file;
mod forms;
mod mistakes;
mod nearest;
mod node;
mod origin;
mod path;
mod place;
mod places;
mod syntax_mistake;
mod toml_lines;
mod tree;
mod yaml_lines;

#[cfg(test)]
mod tests;

pub use forms::{OneOrMany, text_or_table};
pub use mistakes::Mistakes;
pub use origin::Origin;
pub use tree::SettingsTree;

/// One section as a process runs by it, and as it was written.
#[derive(Clone, Debug)]
pub struct LoadedSection<T> {
    pub section: T,
    pub tree: SettingsTree,
}

/// The one section of a file that a process is run by: read, and checked by `check`. `known` are all sections
/// a file may have. Everything that is wrong is in the error.
pub fn load_section<T: DeserializeOwned>(
    file: &Path,
    name: &str,
    known: &[&str],
    check: impl FnOnce(&T, &mut Mistakes),
) -> Result<LoadedSection<T>, Mistakes> {
    let settings = Settings::load(Some(file), std::env::vars())?;
    let mut mistakes = settings.mistakes();
    settings.unknown_sections(known, &mut mistakes);
    let section = settings.section(name, &mut mistakes);
    if let Some(section) = &section {
        check(section, &mut mistakes);
    }
    match section {
        Some(section) if mistakes.is_empty() => {
            Ok(LoadedSection { section, tree: settings.tree().of_section(name) })
        }
        _ => Err(mistakes),
    }
}

/// The merged tree of file and environment, and where each key of it stands.
#[derive(Clone, Debug)]
pub struct Settings {
    root: BTreeMap<String, Value>,
    /// The text of each variable that set something.
    variables: BTreeMap<String, String>,
    places: Arc<Places>,
}

impl Settings {
    /// Reads the file, if any, and lays over it what `env` (as of `std::env::vars()`) sets. A name that ends
    /// in `.yaml` or `.yml` is YAML, any other TOML.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        Self::merge(file.map(SettingsFile::read).transpose()?, env)
    }

    /// Reads a text in TOML as if it were in a file of this name.
    pub fn load_text(
        name: &str,
        text: &str,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        Self::merge(Some(SettingsFile::of_toml(name, text)?), env)
    }

    fn merge(
        file: Option<SettingsFile>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let variables = environment::ours(env);
        let mut merged = Config::builder();
        if let Some(file) = &file {
            merged = merged.add_source(File::from_str(&file.text, file.format));
        }
        for (name, text) in &variables {
            merged = merged.add_source(environment::Variable::new(name, text));
        }
        let mut places = file.map_or_else(Places::default, |file| Places::of_file(file.name, file.lines));
        let merged = merged.build().map_err(|error| Mistakes::of_whole_file(&places, error.to_string()))?;
        places.add_variables(&merged.cache);
        let root = match merged.cache.kind {
            ValueKind::Table(table) => table.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        Ok(Self { root, variables, places: Arc::new(places) })
    }

    /// A list of mistakes that knows the lines of these settings.
    pub fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        mistakes.locate(&self.places);
        mistakes
    }

    /// All that is set, as one table. What TOML cannot hold (nothing, or a number beyond 63 bits) is left
    /// out.
    pub fn table(&self) -> toml::Table {
        origin::tree(&self.root)
    }

    /// Where the value at a path (`edge.site[0].pool`) comes from.
    pub fn origin(&self, path: &str) -> Origin {
        Origin::of(&self.places, path)
    }

    pub fn has(&self, section: &str) -> bool {
        self.root.contains_key(section)
    }

    /// Adds a mistake for each section that is none of `known`.
    pub fn unknown_sections(&self, known: &[&str], mistakes: &mut Mistakes) {
        mistakes.locate(&self.places);
        for name in self.root.keys().filter(|name| !known.contains(&name.as_str())) {
            mistakes.add(name, nearest::unknown("section", name, known));
        }
    }

    /// One section as `T`; one that is left out is read as an empty table.
    ///
    /// Every mistake in it is added to `mistakes`. What is wrong is then left out as if it had not been
    /// written (for a missing key: the whole table that needs it), so that the caller can check the rest.
    /// `None` where nothing useful is left. A `T` is to be used only if `mistakes` is empty in the end.
    pub fn section<T: DeserializeOwned>(&self, name: &str, mistakes: &mut Mistakes) -> Option<T> {
        mistakes.locate(&self.places);
        let empty = Value::new(None, ValueKind::Table(config::Map::new()));
        let value = self.root.get(name).unwrap_or(&empty);
        let mut dropped = BTreeSet::new();
        for _ in 0..mistakes::MOST {
            let walk = Walk { variables: &self.variables, dropped: &dropped };
            let fault = match T::deserialize(Node { value, path: name.to_owned(), walk: &walk }) {
                Ok(section) => return Some(section),
                Err(fault) => fault,
            };
            let path = fault.path.as_deref().unwrap_or(name).to_owned();
            if !follows_from(&fault, &path, &dropped) {
                mistakes.add(&path, fault.text());
            }
            mistakes.doubt(&path);
            if path == name || !dropped.insert(path) {
                return None;
            }
        }
        None
    }
}

/// A key left out because its value is wrong is not missing, and a table or list without it is not what was
/// written.
fn follows_from(fault: &Fault, path: &str, dropped: &BTreeSet<String>) -> bool {
    match fault.missing_key() {
        Some(key) => dropped.contains(&path::key(path, key)),
        None => dropped.iter().any(|below| path::parent(below) == Some(path)),
    }
}
