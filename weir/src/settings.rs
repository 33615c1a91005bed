//! The settings file of all three services: loads and checks it, and reports every mistake at once.

use std::path::Path;

use process::settings::{Mistakes, Settings};

/// The tables of the file.
const SECTIONS: [&str; 3] = ["edge", "cache_node", "wsgi_adapter"];

/// The settings of all three services.
pub(crate) struct Loaded {
    pub(crate) edge: edge::Config,
    pub(crate) cache_node: cache_node::Config,
    pub(crate) wsgi_adapter: wsgi_adapter::Config,
}

/// Reads the file and the environment over it, and checks everything.
pub(crate) fn load(file: &Path) -> Result<Loaded, Mistakes> {
    checked(Settings::load(Some(file), std::env::vars())?)
}

/// Reads a text as if it were in a file of this name.
pub(crate) fn load_text(name: &str, text: &str) -> Result<Loaded, Mistakes> {
    checked(Settings::load_text(name, text, std::env::vars())?)
}

fn checked(settings: Settings) -> Result<Loaded, Mistakes> {
    let mut mistakes = settings.mistakes();
    settings.unknown_sections(&SECTIONS, &mut mistakes);
    let edge = settings.section("edge", &mut mistakes);
    let cache_node = settings.section("cache_node", &mut mistakes);
    let wsgi_adapter = settings.section("wsgi_adapter", &mut mistakes);
    let loaded = match (edge, cache_node, wsgi_adapter) {
        (Some(edge), Some(cache_node), Some(wsgi_adapter)) => Loaded { edge, cache_node, wsgi_adapter },
        _ => return Err(mistakes),
    };
    loaded.check(&mut mistakes);
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes) }
}

impl Loaded {
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        edge::check(&self.edge, mistakes);
        self.cache_node.check(mistakes);
        self.wsgi_adapter.check(mistakes);
        if self.edge.peers.is_some() {
            // The pools may be in another file, on another machine.
            return;
        }
        for (site, location, pool, variables) in self.edge.pools() {
            let path = format!("edge.site[{site}].location[{location}]");
            if let Some(known) = self.wsgi_adapter.pool.iter().find(|known| known.name == pool) {
                if known.variables_of(variables).is_none() {
                    let text = format!("the pool `{pool}` has no `variable_sets.{variables}`");
                    mistakes.push(format!("{path}.variables"), text);
                }
            } else {
                let known: Vec<_> =
                    self.wsgi_adapter.pool.iter().map(|pool| format!("`{}`", pool.name)).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                mistakes.push(
                    format!("{path}.pool"),
                    format!("there is no [[wsgi_adapter.pool]] named `{pool}`; known pools: {known}"),
                );
            }
        }
    }
}
