//! The `[wsgi_adapter]` table of the settings file.

use std::collections::HashSet;
use std::path::PathBuf;

use process::settings::Mistakes;
use process::units::{Size, Time};
use serde::Deserialize;
use weir_proto::tls::{Tls, TlsConfig};

mod flavour;
mod keepalive;
mod variables;

pub use flavour::Flavour;
pub use keepalive::KeepaliveConfig;
pub use variables::{VariableValue, Variables};

mod added;
mod balance;
mod health;
mod pool;
mod queue;
mod reply_buffer;
mod retry;
mod server;
mod server_tls;
mod sticky;

pub use added::AddedServers;
pub use balance::{Balance, HashKey};
pub use health::{BreakerConfig, CheckConfig, EjectConfig, Statuses};
pub use pool::PoolConfig;
pub use queue::QueueConfig;
pub use reply_buffer::ReplyBufferConfig;
pub use retry::RetryConfig;
pub use server::ServerConfig;
pub use server_tls::ServerTlsConfig;
pub use sticky::StickyConfig;

/// `[wsgi_adapter]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to serve gRPC on, for a process of its own.
    pub listen: String,
    /// Where the admin listener is: metrics and health. "off" for none. Of no effect in `weir run`: the
    /// edge's shows them too.
    pub admin: String,
    /// Left out: plain gRPC, to whoever reaches the address.
    pub tls: Option<TlsConfig>,
    /// Names under which `admin` answers besides localhost, its own address and, if it is not on loopback,
    /// other addresses.
    pub admin_hosts: Vec<String>,
    /// Holds the token that every change of servers must show. Left out: one that the process makes at its
    /// start, where `admin` is on loopback; elsewhere nothing can be changed.
    pub admin_token_file: Option<PathBuf>,
    /// Bytes of bodies held in memory, all requests together, both ways. What finds it full goes to temporary
    /// files.
    pub body_memory: Size,
    /// How long connections that switched to another protocol (WebSocket) may go on at shutdown.
    pub tunnel_drain: Time,
    pub pool: Vec<PoolConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7102".to_owned(),
            admin: "127.0.0.1:9902".to_owned(),
            tls: None,
            admin_hosts: Vec::new(),
            admin_token_file: None,
            body_memory: Size::mebibytes(256),
            tunnel_drain: Time::from_secs(2),
            pool: Vec::new(),
        }
    }
}

impl Config {
    /// Adds everything that is wrong in `[wsgi_adapter]` and that its types do not rule out.
    pub fn check(&self, mistakes: &mut Mistakes) {
        if !has_port(&self.listen) {
            mistakes.push("wsgi_adapter.listen", "not an address and a port; write \"0.0.0.0:7102\"");
        }
        if self.body_memory < Size::mebibytes(1) {
            mistakes.push("wsgi_adapter.body_memory", "must be 1MiB or more, for all bodies on their way");
        }
        if self.admin != "off" && !has_port(&self.admin) {
            mistakes.push(
                "wsgi_adapter.admin",
                "not an address and a port; write \"127.0.0.1:9902\", or \"off\"",
            );
        }
        if let Some(Err(error)) = self.tls.as_ref().map(Tls::load) {
            mistakes.push(format!("wsgi_adapter.tls.{}", error.key), error.to_string());
        }
        for name in self.admin_hosts.iter().filter_map(|name| admin::hosts::mistake(name)) {
            mistakes.push("wsgi_adapter.admin_hosts", name);
        }
        if let Some(Err(error)) = self.admin_token_file.as_ref().map(std::fs::read) {
            mistakes.push("wsgi_adapter.admin_token_file", format!("cannot be read: {error}"));
        }
        let mut names = HashSet::new();
        for (index, pool) in self.pool.iter().enumerate() {
            let path = format!("wsgi_adapter.pool[{index}]");
            if !pool.name.is_empty() && !names.insert(&pool.name) {
                mistakes.push(format!("{path}.name"), format!("there is another pool \"{}\"", pool.name));
            }
            pool.check(&path, mistakes);
        }
    }

    /// Checks the settings of a process of its own. Without a pool it has nothing to do, while `weir run` may
    /// well serve files only.
    pub fn check_alone(&self, mistakes: &mut Mistakes) {
        self.check(mistakes);
        if self.pool.is_empty() {
            mistakes.push(
                "wsgi_adapter.pool",
                "no pool: write [[wsgi_adapter.pool]] with a name and its servers",
            );
        }
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests;
