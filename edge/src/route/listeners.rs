//! Which sites answer on which listener, and by which names.

use std::sync::Arc;

use process::settings::Mistakes;

use crate::route::server_names::ServerNames;
use crate::settings::site_listen::{DefaultServer, ListenerName};
use crate::settings::{Config, Listen, SiteConfig};

/// The names of the sites of each listener, in the order of `edge.listen`.
pub(super) fn names(
    config: &Config,
    listeners: &[Listen],
    mistakes: &mut Mistakes,
) -> Option<Vec<Arc<ServerNames>>> {
    let before = mistakes.is_empty();
    let places: Vec<SitePlaces> = config
        .site
        .iter()
        .enumerate()
        .map(|(index, site)| SitePlaces::of(&format!("edge.site[{index}]"), site, listeners, mistakes))
        .collect();
    if before && !mistakes.is_empty() || places.is_empty() {
        return None;
    }
    let lists: Vec<_> = config.site.iter().map(|site| site.server_name.clone()).collect();
    let mut all = None;
    let mut whole = true;
    let mut tables = Vec::with_capacity(listeners.len());
    for (index, listener) in listeners.iter().enumerate() {
        let here: Vec<usize> =
            (0..places.len()).filter(|site| places.get(*site).is_some_and(|site| site.at[index])).collect();
        let defaults = |site: &&usize| places.get(**site).is_some_and(|site| site.default_at[index]);
        let mut chosen = here.iter().filter(defaults);
        let (first, second) = (chosen.next().or_else(|| here.first()).copied(), chosen.next());
        if let Some(second) = second {
            let text = format!("an earlier site is the default at {} already", listener.address);
            mistakes.push(format!("edge.site[{second}].default_server"), text);
            whole = false;
        }
        let Some(default) = first else {
            let text = "no site answers here; name it in the `listen` of a site";
            mistakes.push(format!("edge.listen[{index}]"), text);
            whole = false;
            continue;
        };
        // The rule is one table for all listeners.
        let alike = here.len() == places.len() && default == 0;
        let table = match all.clone().filter(|_| alike) {
            Some(table) => Ok(table),
            None => ServerNames::among(&lists, &here, default, config.first_name_counts).map(Arc::new),
        };
        match table {
            Ok(table) => {
                if alike {
                    all = Some(table.clone());
                }
                tables.push(table);
            }
            Err(wrong) => {
                whole = false;
                for (site, name, text) in wrong {
                    mistakes.push(format!("edge.site[{site}].server_name[{name}]"), text);
                }
            }
        }
    }
    whole.then_some(tables)
}

/// What tells the pages of a site from those of another one with the same host, on other listeners. The same
/// on all edges with the same settings.
pub(super) fn mark(site: &SiteConfig) -> Box<[u8]> {
    let joined =
        |names: &[ListenerName]| names.iter().map(ListenerName::as_str).collect::<Vec<_>>().join(",");
    let mut mark = joined(&site.listen);
    // Hosts that no site names may be another site's at other listeners.
    if let DefaultServer::At(names) = &site.default_server {
        mark.push_str(" default ");
        mark.push_str(&joined(names));
    }
    mark.into_bytes().into()
}

/// On which listeners one site answers, and on which by default.
struct SitePlaces {
    at: Vec<bool>,
    default_at: Vec<bool>,
}

impl SitePlaces {
    fn of(path: &str, site: &SiteConfig, listeners: &[Listen], mistakes: &mut Mistakes) -> Self {
        let mut resolve = |key: &str, names: &[ListenerName]| {
            let mut found = vec![false; listeners.len()];
            for (index, name) in names.iter().enumerate() {
                let before = found.iter().filter(|named| **named).count();
                name.among(listeners).for_each(|listener| found[listener] = true);
                if name.among(listeners).next().is_none() {
                    let known: Vec<_> = listeners.iter().map(|listen| listen.address.as_str()).collect();
                    let text = format!(
                        "no listener is at `{}`; `edge.listen` has {}",
                        name.as_str(),
                        known.join(", ")
                    );
                    mistakes.push(format!("{path}.{key}[{index}]"), text);
                } else if before == found.iter().filter(|named| **named).count() {
                    mistakes.push(format!("{path}.{key}[{index}]"), "is named already; remove it");
                }
            }
            found
        };
        let at = if site.listen.is_empty() {
            vec![true; listeners.len()]
        } else {
            resolve("listen", &site.listen)
        };
        let default_at = match &site.default_server {
            DefaultServer::Everywhere(yes) => at.iter().map(|at| *at && *yes).collect(),
            DefaultServer::At(names) => resolve("default_server", names),
        };
        if default_at.iter().zip(&at).any(|(default, at)| *default && !at) {
            let text = "names a listener that the site's `listen` does not";
            mistakes.push(format!("{path}.default_server"), text);
        }
        Self { at, default_at }
    }
}

#[cfg(test)]
mod tests;
