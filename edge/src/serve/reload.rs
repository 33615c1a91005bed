//! Taking over new settings while connections are served: everything is built and bound first, so that
//! nothing has changed if something cannot be had.

use std::net::TcpListener as StdListener;
use std::sync::Arc;

use parking_lot::Mutex;
use process::listen::{self, ListenError};
use tokio::net::TcpListener;

use super::EdgeServer;
use crate::edge::{EdgePlan, StartError};
use crate::listen::floor::Floor;
use crate::listen::generation::{self, Generation};
use crate::listen::listeners::{bind, bind_admin};
use crate::listen::room;
use crate::settings::{Config, Listen};

/// The settings of the edge that only a new process takes over, with all below them: what runs from the start
/// to the end, and what other services know this edge by.
pub const FIXED: &[&str] = &["edge.runtime", "edge.name", "edge.peers", "edge.watch_grace"];

/// New settings with all that they need. Dropped, it leaves nothing behind.
pub struct ReloadPlan {
    edge: EdgePlan,
    opened: OpenedSockets,
}

/// Sockets at addresses that are new; closed and forgotten if they are not taken.
#[derive(Default)]
struct OpenedSockets {
    http: Vec<(String, Vec<StdListener>)>,
    admin: Option<(String, TcpListener)>,
}

impl Drop for OpenedSockets {
    fn drop(&mut self) {
        let http = self.http.iter().map(|(address, _)| address);
        for address in http.chain(self.admin.as_ref().map(|(address, _)| address)) {
            listen::forget(address);
        }
    }
}

impl EdgeServer {
    /// Builds and binds what new settings need. Must be called within a runtime, and the plan carried out
    /// before the next one is made.
    pub fn prepare(&self, mut settings: Config) -> Result<ReloadPlan, StartError> {
        let edge = self.edge();
        let now = &edge.settings;
        // What only a new process takes over stays as it is.
        settings.runtime = now.runtime;
        settings.name.clone_from(&now.name);
        settings.peers.clone_from(&now.peers);
        settings.watch_grace = now.watch_grace;
        generation::check(&settings)?;
        let opened = self.bind_new(now, &settings)?;
        Ok(ReloadPlan { edge: edge.prepare(settings)?, opened })
    }

    fn bind_new(&self, now: &Config, settings: &Config) -> Result<OpenedSockets, ListenError> {
        let serving = self.serving.lock();
        let count = serving.floor.as_ref().map_or(1, Floor::sockets);
        let mut opened = OpenedSockets::default();
        for Listen { address, .. } in &settings.listen {
            let is_open = serving.closing.contains_key(address);
            if !is_open && opened.http.iter().all(|(known, _)| known != address) {
                // Some of its sockets may be bound already.
                let sockets = bind(address, count).inspect_err(|_| listen::forget(address))?;
                opened.http.push((address.clone(), sockets));
            }
        }
        if settings.admin != now.admin && settings.admin != "off" {
            opened.admin = Some((settings.admin.clone(), bind_admin(&settings.admin)?));
        }
        Ok(opened)
    }

    /// Takes over new settings, or changes nothing.
    pub fn reload(self: &Arc<Self>, settings: Config) -> Result<(), StartError> {
        self.take_over(self.prepare(settings)?)
    }

    /// Carries the plan out. Requests in progress finish by the settings that they came under.
    pub fn take_over(self: &Arc<Self>, plan: ReloadPlan) -> Result<(), StartError> {
        let ReloadPlan { edge: plan, mut opened } = plan;
        let before = self.edge();
        let newest = before.take_over(plan).unwrap_or_else(|| before.clone());
        let generation = Generation::new(newest.clone(), &self.tickets)?;
        self.current.store(Arc::new(generation));
        let connections = newest.settings.limits.connections;
        if connections != before.settings.limits.connections {
            room::warn(connections);
        }
        self.crowd.resize(room::connections(connections));
        self.open_and_close(&newest.settings, std::mem::take(&mut opened.http));
        self.take_over_admin(&before.settings, &newest.settings, opened.admin.take());
        newest.tell_applications(self.guard.token().as_deref());
        self.look_after_certificates();
        // As with nginx: some tell it by SIGHUP that a log has been moved.
        newest.reopen_logs();
        if !Arc::ptr_eq(&before, &newest) {
            before.retire();
        }
        Ok(())
    }

    fn open_and_close(&self, settings: &Config, opened: Vec<(String, Vec<StdListener>)>) {
        let mut serving = self.serving.lock();
        if let Some(floor) = serving.floor.take() {
            for (address, sockets) in opened {
                serving.open(&floor, &address, sockets, &self.process);
            }
            serving.floor = Some(floor);
        }
        let is_listed = |address: &str| settings.listen.iter().any(|listen| listen.address == address);
        serving.closing.retain(|address, closing| {
            if is_listed(address) {
                return true;
            }
            listen::forget(address);
            closing.begin();
            false
        });
    }

    fn take_over_admin(&self, before: &Config, settings: &Config, admin: Option<(String, TcpListener)>) {
        if settings.admin != "off" {
            self.guard.follow(&settings.admin, &settings.admin_hosts, settings.admin_token_file.as_deref());
        }
        self.identity.send_if_modified(|known| {
            let now = super::identity(settings);
            let is_other = *known != now;
            *known = now;
            is_other
        });
        if before.admin != settings.admin {
            listen::forget(&before.admin);
            self.admins.send_replace(admin.map(|(_, listener)| Arc::new(Mutex::new(Some(listener)))));
        }
    }
}
