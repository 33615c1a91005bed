//! Which servers a pool has: those of the settings, until they are changed while it runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::entry::Entry;
use super::member::{Server, ServerId};
use super::names::NamedServer;
use super::{Pool, checks, resolve, state_file};
use crate::config::{PoolConfig, ServerConfig};

/// Servers in one pool, addresses of names included: each costs memory and figures.
const MOST: usize = 1000;

/// Why the list stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RosterError {
    #[error("there is no such server")]
    Unknown,
    #[error("this server is in the pool already")]
    Twice,
    #[error("{0}: {1}")]
    Invalid(&'static str, &'static str),
    #[error("address: no server of the settings speaks this protocol")]
    Protocol,
    #[error("address: `added_servers` of the pool does not allow it")]
    NotAllowed,
    #[error("address: cannot be changed; add a server and remove this one")]
    Address,
    #[error("the pool has {MOST} servers already")]
    TooMany,
    #[error("the state file cannot be written: {0}")]
    NotSaved(#[from] std::io::Error),
}

/// Those of the settings, numbered as they stand there.
pub(super) fn of_settings(servers: &[ServerConfig]) -> Vec<Entry> {
    let numbered = servers.iter().zip(0..);
    numbered.map(|(server, id)| Entry { id: ServerId(id), server: server.clone() }).collect()
}

/// What is wrong with a list.
pub(super) fn check(entries: &[Entry], pool: &PoolConfig) -> Result<(), RosterError> {
    if entries.len() > MOST {
        return Err(RosterError::TooMany);
    }
    for (index, Entry { id, server }) in entries.iter().enumerate() {
        server.check().map_err(|(key, text)| RosterError::Invalid(key, text))?;
        let others = entries.get(..index).unwrap_or_default();
        let is_same =
            |other: &Entry| other.server.address.as_str() == server.address.as_str() && !server.again;
        if others.iter().any(|other| other.id == *id || is_same(other)) {
            return Err(RosterError::Twice);
        }
        // Requests are held to what the servers of the settings take, before one is chosen.
        let known = |known: &ServerConfig| known.address.protocol() == server.address.protocol();
        if !pool.servers.iter().any(known) {
            return Err(RosterError::Protocol);
        }
    }
    Ok(())
}

/// The settings of a server that a listed name stands for. As in nginx, one that is listed as a backup has
/// none of its own.
fn meant(listed: &ServerConfig, found: &NamedServer) -> Option<ServerConfig> {
    if listed.backup && found.backup {
        return None;
    }
    Some(ServerConfig {
        address: listed.address.at(found.address).ok()?,
        weight: listed.weight.saturating_mul(found.weight),
        backup: listed.backup || found.backup,
        ..listed.clone()
    })
}

impl Pool {
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.state.lock().entries.clone()
    }

    pub(crate) async fn add(self: &Arc<Self>, server: ServerConfig) -> Result<Entry, RosterError> {
        if !self.config.added_servers.allow(&server, &self.config.servers) {
            return Err(RosterError::NotAllowed);
        }
        let _changing = self.changing.lock().await;
        let mut entries = self.entries();
        let id = {
            let mut state = self.state.lock();
            state.next_id += 1;
            ServerId(state.next_id - 1)
        };
        let entry = Entry { id, server };
        entries.push(entry.clone());
        self.take_over(entries).await?;
        self.begin(&entry, Some(Instant::now()));
        Ok(entry)
    }

    /// Other settings for a server; requests under way at it go on.
    pub(crate) async fn change(
        self: &Arc<Self>,
        id: ServerId,
        server: ServerConfig,
    ) -> Result<Entry, RosterError> {
        let _changing = self.changing.lock().await;
        let mut entries = self.entries();
        let entry = entries.iter_mut().find(|entry| entry.id == id).ok_or(RosterError::Unknown)?;
        if entry.server.address != server.address || entry.server.resolve != server.resolve {
            return Err(RosterError::Address);
        }
        entry.server = server;
        let entry = entry.clone();
        self.take_over(entries).await?;
        let mut state = self.state.lock();
        for member in state.servers.ids_of(id) {
            state.servers.change(member, entry.server.clone(), Instant::now());
        }
        drop(state);
        self.serve_waiters();
        Ok(entry)
    }

    /// No request is sent to it any more; those under way at it go on.
    pub(crate) async fn remove(self: &Arc<Self>, id: ServerId) -> Result<Entry, RosterError> {
        let _changing = self.changing.lock().await;
        let mut entries = self.entries();
        let index = entries.iter().position(|entry| entry.id == id).ok_or(RosterError::Unknown)?;
        let entry = entries.remove(index);
        self.take_over(entries).await?;
        let members = self.state.lock().servers.ids_of(id);
        members.into_iter().for_each(|member| self.leave(member));
        self.serve_waiters();
        Ok(entry)
    }

    async fn take_over(&self, entries: Vec<Entry>) -> Result<(), RosterError> {
        check(&entries, &self.config)?;
        if let Some(file) = &self.config.state_file {
            state_file::write(file, &entries).await?;
        }
        self.state.lock().entries = entries;
        Ok(())
    }

    /// Puts a listed server to use. `joined`: when, if the pool is at work already.
    pub(super) fn begin(self: &Arc<Self>, entry: &Entry, joined: Option<Instant>) {
        if entry.server.stands_for_others() {
            self.state.lock().unresolved += 1;
            tokio::spawn(resolve::keep(Arc::downgrade(self), entry.id, entry.server.address.clone()));
        } else {
            self.join(entry.id, entry.id, entry.server.clone(), joined);
        }
    }

    fn join(
        self: &Arc<Self>,
        id: ServerId,
        listed: ServerId,
        settings: ServerConfig,
        joined: Option<Instant>,
    ) {
        let metrics = self.metrics.server(&self.config.name, settings.address.as_str());
        let address = settings.address.clone();
        let route = self.sticky.as_ref().and_then(|sticky| sticky.route(&self.config.name, address.as_str()));
        let server = Arc::new(Server { id, listed, address, metrics, route });
        {
            let mut state = self.state.lock();
            let known = state.inherited.remove(server.address.as_str());
            state.servers.add(Arc::clone(&server), settings, joined);
            if let Some(known) = known {
                state.servers.inherit(id, known);
            }
        }
        if let Some(check) = &self.config.check {
            tokio::spawn(checks::keep(Arc::downgrade(self), server, check.clone()));
        }
        self.serve_waiters();
    }

    fn leave(&self, id: ServerId) {
        if let Some(server) = self.state.lock().servers.remove(id) {
            self.metrics.forget(&self.config.name, server.address.as_str());
        }
    }

    /// What a listed name stands for now. `None`: nothing was found, so what it stood for stays. False: it is
    /// not listed any more.
    pub(super) fn resolved(self: &Arc<Self>, listed: ServerId, found: Option<&[NamedServer]>) -> bool {
        let now = Instant::now();
        let (entry, members, first) = {
            let state = self.state.lock();
            let entry = state.entries.iter().find(|entry| entry.id == listed);
            let Some(entry) = entry.filter(|_| !self.retired.load(Ordering::Relaxed)).cloned() else {
                return false;
            };
            let members: Vec<(ServerId, String)> = state
                .servers
                .ids_of(listed)
                .into_iter()
                .filter_map(|id| Some((id, state.servers.get(id)?.server.address.as_str().to_owned())))
                .collect();
            (entry, members, state.servers.iter().next().is_none())
        };
        let Some(found) = found else { return true };
        let meant: Vec<_> = found.iter().filter_map(|found| meant(&entry.server, found)).collect();
        for settings in &meant {
            let known = members.iter().find(|(_, known)| known == settings.address.as_str());
            let id = {
                let mut state = self.state.lock();
                if let Some(&(id, _)) = known {
                    state.servers.reweigh(id, settings, now);
                    continue;
                }
                if state.servers.iter().count() >= MOST {
                    break;
                }
                let address = settings.address.as_str();
                match state.inherited.get(address).filter(|member| member.server.listed == listed) {
                    Some(known) => known.id(),
                    None => {
                        state.next_id += 1;
                        ServerId(state.next_id - 1)
                    }
                }
            };
            self.join(id, listed, settings.clone(), (!first).then_some(now));
        }
        for (id, known) in members {
            if !meant.iter().any(|settings| settings.address.as_str() == known) {
                self.leave(id);
            }
        }
        self.serve_waiters();
        true
    }

    /// A name has been looked up for the first time, with or without success.
    pub(super) fn looked_up(self: &Arc<Self>) {
        self.state.lock().unresolved -= 1;
        self.serve_waiters();
    }

    pub(super) fn has(&self, id: ServerId) -> bool {
        !self.retired.load(Ordering::Relaxed) && self.state.lock().servers.get(id).is_some()
    }
}
