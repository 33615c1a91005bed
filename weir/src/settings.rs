//! The settings file of all three services: loads and checks it, and reports every mistake at once.

use std::path::Path;

use process::settings::{Mistakes, Settings, SettingsTree};

use crate::memory;

/// The tables of the file, and the one key beside them.
const SECTIONS: [&str; 4] = ["edge", "cache_node", "wsgi_adapter", MEMORY];
pub(crate) const MEMORY: &str = "memory";

/// The settings of all three services.
pub(crate) struct ServiceSettings {
    pub(crate) edge: edge::Config,
    pub(crate) cache_node: cache_node::Config,
    pub(crate) wsgi_adapter: wsgi_adapter::Config,
    /// As they were written.
    pub(crate) tree: SettingsTree,
}

/// Reads the file and the environment over it, and checks everything.
pub(crate) fn load(file: &Path) -> Result<ServiceSettings, Mistakes> {
    load_and_check(file, |_, _| {})
}

/// Reads a text as if it were in a file of this name.
pub(crate) fn load_text(name: &str, text: &str) -> Result<ServiceSettings, Mistakes> {
    checked(Settings::load_text(name, text, std::env::vars())?, |_, _| {})
}

/// Also asks `check` what is wrong.
pub(crate) fn load_and_check(
    file: &Path,
    check: impl FnOnce(&ServiceSettings, &mut Mistakes),
) -> Result<ServiceSettings, Mistakes> {
    checked(Settings::load(Some(file), std::env::vars())?, check)
}

fn checked(
    settings: Settings,
    check: impl FnOnce(&ServiceSettings, &mut Mistakes),
) -> Result<ServiceSettings, Mistakes> {
    let mut mistakes = settings.mistakes();
    settings.unknown_sections(&SECTIONS, &mut mistakes);
    let edge = settings.section("edge", &mut mistakes);
    let cache_node = settings.section("cache_node", &mut mistakes);
    let wsgi_adapter = settings.section("wsgi_adapter", &mut mistakes);
    let memory = settings.has(MEMORY).then(|| settings.section(MEMORY, &mut mistakes)).flatten();
    let mut loaded = match (edge, cache_node, wsgi_adapter) {
        (Some(edge), Some(cache_node), Some(wsgi_adapter)) => {
            ServiceSettings { edge, cache_node, wsgi_adapter, tree: settings.tree() }
        }
        _ => return Err(mistakes),
    };
    if let Some(memory) = memory {
        memory::share(memory, &mut loaded, &mut mistakes);
    }
    loaded.check(&mut mistakes);
    check(&loaded, &mut mistakes);
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes) }
}

impl ServiceSettings {
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        edge::check(&self.edge, mistakes);
        cache_node::check(&self.cache_node, mistakes);
        self.wsgi_adapter.check(mistakes);
        if self.edge.peers.is_some() {
            // The pools may be in another file, on another machine, and so may the node's settings.
            return;
        }
        self.check_body_limits(mistakes);
        for (path, pool, variables) in self.edge.pools() {
            if let Some(known) = self.wsgi_adapter.pool.iter().find(|known| known.name == pool) {
                if known.variables_of(&variables).is_none() {
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

    /// A location cannot store a page that neither L1 nor the node has room for.
    fn check_body_limits(&self, mistakes: &mut Mistakes) {
        let most = self.edge.l1.max_object.max(self.cache_node.max_object);
        for (path, max_object) in self.edge.max_objects() {
            if max_object > most {
                mistakes.push(
                    format!("{path}.max_object"),
                    format!(
                        "{} bytes are more than `edge.l1.max_object` and `cache_node.max_object` have room \
                         for: a page above {} bytes would be stored nowhere; raise one of these, or lower it",
                        max_object.0, most.0
                    ),
                );
            }
        }
    }
}
