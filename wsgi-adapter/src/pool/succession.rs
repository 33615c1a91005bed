//! A pool that takes the place of another one of the same name, because its settings have changed: which
//! servers it has, and what is known of them already.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::entry::Entry;
use super::member::ServerId;
use super::{Pool, roster};
use crate::config::{PoolConfig, ServerConfig};

impl Pool {
    /// Whether these settings are this pool's own.
    pub(crate) fn is_by(&self, config: &PoolConfig) -> bool {
        is_same(&self.config, config)
    }

    /// Puts the servers of a pool that is new to use.
    pub(crate) fn start(self: &Arc<Self>) {
        self.read_tls();
        for entry in &self.entries() {
            self.begin(entry, None);
        }
    }

    /// Reads what handshakes need on this thread, which may have more rights than those that shake hands.
    pub(super) fn read_tls(&self) {
        let is_secure = |server: &ServerConfig| server.address.tls_host().is_some();
        if self.config.servers.iter().any(is_secure)
            && let Err(why) = self.means.tls.renew()
        {
            tracing::warn!(pool = self.config.name, "`tls` cannot be used: {why}");
        }
    }

    /// Says that the settings no longer name it.
    pub(crate) fn leaves(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Says that they name it, again or still.
    pub(crate) fn stays(&self) {
        self.leaving.store(false, Ordering::Relaxed);
        self.read_tls();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Takes the place of `before`, whose requests finish there: what is known of servers that stay is kept,
    /// and so are those that were added while it ran.
    pub(crate) fn succeed(self: &Arc<Self>, before: &Self) {
        self.read_tls();
        let entries = {
            let (old, mut state) = (before.state.lock(), self.state.lock());
            state.next_id = old.next_id;
            let entries = match self.has_servers_of(before) {
                true => old.entries.clone(),
                false => {
                    merged(&old.entries, &before.config.servers, &self.config.servers, &mut state.next_id)
                }
            };
            // A list of both that cannot be used: the settings' own.
            let is_right = roster::check(&entries, &self.config).is_ok();
            let entries = if is_right { entries } else { roster::of_settings(&self.config.servers) };
            state.entries.clone_from(&entries);
            let known =
                old.servers.iter().map(|member| (member.server.address.as_str().to_owned(), member.clone()));
            state.inherited = known.collect();
            entries
        };
        let now = Instant::now();
        for entry in &entries {
            let is_known = self.state.lock().inherited.contains_key(entry.server.address.as_str());
            self.begin(entry, (!is_known).then_some(now));
        }
        before.retire(Some(&**self));
    }

    /// Lets go of its servers: no check asks them, and figures of those that `successor` does not have are
    /// forgotten. Requests in progress and those that wait go on.
    pub(crate) fn retire(&self, successor: Option<&Self>) {
        self.retired.store(true, Ordering::Relaxed);
        let stays = |address: &str| {
            let has = |entry: &Entry| entry.server.address.as_str() == address;
            // What a name stands for is found out later.
            let has_names = |entry: &Entry| entry.server.stands_for_others();
            successor.is_some_and(|next| next.entries().iter().any(|entry| has(entry) || has_names(entry)))
        };
        let state = self.state.lock();
        for member in state.servers.iter() {
            let address = member.server.address.as_str();
            if !stays(address) {
                self.metrics.forget(&self.config.name, address);
            }
        }
    }

    /// Whether the list of servers is as it was there, so that its changes since hold.
    fn has_servers_of(&self, before: &Self) -> bool {
        match (&self.config.state_file, &before.config.state_file) {
            (None, None) => is_same(&self.config.servers, &before.config.servers),
            // The file outranks the settings.
            (mine, theirs) => mine == theirs,
        }
    }
}

/// Settings are compared by what they show of themselves, which is all of it.
fn is_same<T: std::fmt::Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// The servers in use, `live`, after a change of the settings from `old` to `new`: what the settings say
/// otherwise counts, and what was changed by the API besides stays.
fn merged(live: &[Entry], old: &[ServerConfig], new: &[ServerConfig], next_id: &mut u32) -> Vec<Entry> {
    let of = |servers: &[ServerConfig], address: &str| {
        servers.iter().find(|server| server.address.as_str() == address).cloned()
    };
    let mut entries = Vec::new();
    for entry in live {
        let address = entry.server.address.as_str();
        match (of(old, address), of(new, address)) {
            (Some(_), None) => {}
            (before, Some(now)) if before.as_ref().is_none_or(|before| !is_same(before, &now)) => {
                entries.push(Entry { server: now, ..*entry });
            }
            _ => entries.push(entry.clone()),
        }
    }
    for server in new {
        let address = server.address.as_str();
        let is_there = entries.iter().any(|entry| entry.server.address.as_str() == address);
        if !is_there && of(old, address).is_none() {
            entries.push(Entry { id: ServerId(*next_id), server: server.clone() });
            *next_id += 1;
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerConfig {
        let (address, weight) = text.split_once('*').unwrap_or((text, "1"));
        ServerConfig {
            weight: weight.parse().unwrap(),
            ..ServerConfig::new(format!("a:{address}").parse().unwrap())
        }
    }

    fn servers(text: &str) -> Vec<ServerConfig> {
        text.split_whitespace().map(server).collect()
    }

    #[test]
    fn what_the_settings_say_otherwise_counts_and_the_rest_stays() {
        // In use now, the settings before and after, in use then.
        for (live, old, new, expected) in [
            ("1 2", "1 2", "1 2", "0:1 1:2"),
            ("1 2", "1 2", "2 3", "1:2 2:3"),
            ("1*5 2", "1 2", "1 2 3", "0:1*5 1:2 2:3"),
            ("1*5 2", "1 2", "1*7 2", "0:1*7 1:2"),
            ("1 9", "1 2", "1 2 3", "0:1 1:9 2:3"),
            ("1 9", "1", "9*2", "1:9*2"),
            ("", "1", "1 2", "2:2"),
        ] {
            let live = servers(live).into_iter().zip(0..);
            let live: Vec<_> = live.map(|(server, id)| Entry { id: ServerId(id), server }).collect();
            let entries = merged(&live, &servers(old), &servers(new), &mut 2);
            let shown = |entry: &Entry| {
                let (_, port) = entry.server.address.as_str().rsplit_once(':').unwrap();
                let weight = Some(entry.server.weight).filter(|weight| *weight != 1);
                format!(
                    "{}:{port}{}",
                    entry.id.0,
                    weight.map(|weight| format!("*{weight}")).unwrap_or_default()
                )
            };
            assert_eq!(entries.iter().map(shown).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
