//! The variables that the settings define for all sites: `map`, `geo` and `split`.

pub(crate) mod geo;
pub(crate) mod listing;
pub(crate) mod map;
mod murmur;
pub(crate) mod split;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use process::settings::Mistakes;

use crate::variables::facts::{Facts, OwnVariables};
use crate::variables::names::{Needs, Variable, VariableNames};
use geo::{Geo, GeoConfig};
use map::{Map, MapConfig};
use split::{Split, SplitConfig};

/// All of them, by name. Their values are computed where they are used.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    by_name: HashMap<Arc<str>, Definition, ahash::RandomState>,
}

#[derive(Debug)]
enum Definition {
    Map(Box<Map>),
    Geo(Geo),
    Split(Split),
}

/// The tables that define them.
pub(crate) struct DefinitionConfigs<'a> {
    pub(crate) maps: &'a [MapConfig],
    pub(crate) geos: &'a [GeoConfig],
    pub(crate) splits: &'a [SplitConfig],
}

/// One table as it is built: where it stands, the variable that it defines, and how. `None`: it has a
/// mistake.
struct BuiltTable<'a> {
    path: String,
    variable: &'a str,
    definition: Option<Definition>,
}

impl Definitions {
    /// Builds all of them, and adds their names to `names`. Reports every mistake under its path.
    pub(crate) fn build(
        configs: &DefinitionConfigs<'_>,
        names: &mut VariableNames,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut built = Self::default();
        let mut places = Vec::new();
        for (at, config) in configs.maps.iter().enumerate() {
            let path = format!("edge.map[{at}]");
            let definition = Map::build(&path, config, mistakes).map(|map| Definition::Map(Box::new(map)));
            places.extend(built.add(
                BuiltTable { path, variable: &config.variable, definition },
                names,
                mistakes,
            ));
        }
        for (at, config) in configs.geos.iter().enumerate() {
            let path = format!("edge.geo[{at}]");
            let definition = Geo::build(&path, config, mistakes).map(Definition::Geo);
            places.extend(built.add(
                BuiltTable { path, variable: &config.variable, definition },
                names,
                mistakes,
            ));
        }
        for (at, config) in configs.splits.iter().enumerate() {
            let path = format!("edge.split[{at}]");
            let definition = Split::build(&path, config, mistakes).map(Definition::Split);
            places.extend(built.add(
                BuiltTable { path, variable: &config.variable, definition },
                names,
                mistakes,
            ));
        }
        built.refuse_circles(&places, mistakes);
        built
    }

    /// Reports the variables in them that do not exist, once all names are known, and tells `names` what each
    /// depends on.
    pub(crate) fn check(&self, names: &mut VariableNames, mistakes: &mut Mistakes) {
        for definition in self.by_name.values() {
            for (path, variable) in definition.uses() {
                if let Some(mistake) = names.mistake(variable) {
                    mistakes.push(path, mistake);
                }
            }
        }
        // One that uses another depends on what that one does. A chain is no longer than all of them.
        for _ in 0..self.by_name.len() {
            for (name, definition) in &self.by_name {
                let uses = definition.uses();
                let needs =
                    uses.fold(Needs::NOTHING, |needs, (_, variable)| needs.and(names.needs(variable)));
                names.depends(name, needs);
            }
        }
    }

    fn add(
        &mut self,
        table: BuiltTable<'_>,
        names: &mut VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<(Arc<str>, String)> {
        let BuiltTable { path, variable, definition } = table;
        let name = match names.define(variable, Needs::NOTHING) {
            Ok(name) => name,
            Err(text) => {
                mistakes.push(format!("{path}.variable"), text);
                return None;
            }
        };
        if self.by_name.contains_key(&name) {
            mistakes.push(format!("{path}.variable"), format!("`${name}` is defined twice; remove one"));
            return None;
        }
        self.by_name.insert(name.clone(), definition?);
        Some((name, path))
    }

    /// A variable must not depend on itself, not even through others.
    fn refuse_circles(&self, places: &[(Arc<str>, String)], mistakes: &mut Mistakes) {
        for (name, path) in places {
            let mut open = vec![name];
            let mut seen: Vec<&Arc<str>> = Vec::new();
            while let Some(next) = open.pop() {
                let Some(definition) = self.by_name.get(next) else { continue };
                for used in definition.uses().filter_map(|(_, variable)| own(variable)) {
                    if used == name {
                        mistakes.push(path, format!("the value of `${name}` would depend on itself"));
                        return;
                    }
                    if !seen.contains(&used) {
                        seen.push(used);
                        open.push(used);
                    }
                }
            }
        }
    }
}

impl OwnVariables for Definitions {
    fn value<'a>(&'a self, name: &str, facts: &Facts<'a>) -> Option<Cow<'a, [u8]>> {
        // Most sites have none.
        if self.by_name.is_empty() {
            return None;
        }
        Some(match self.by_name.get(name)? {
            Definition::Map(map) => map.value(facts),
            Definition::Geo(geo) => Cow::Borrowed(geo.value(facts)),
            Definition::Split(split) => split.value(facts),
        })
    }
}

fn own(variable: &Variable) -> Option<&Arc<str>> {
    if let Variable::Own(name) = variable { Some(name) } else { None }
}

impl Definition {
    /// The variables that its value is computed from, each with the path of the setting that names it.
    fn uses(&self) -> impl Iterator<Item = (String, &Variable)> {
        let uses = match self {
            Self::Map(map) => map.uses(),
            Self::Geo(geo) => geo.uses(),
            Self::Split(split) => split.uses(),
        };
        uses.into_iter()
    }
}

#[cfg(test)]
mod tests;
