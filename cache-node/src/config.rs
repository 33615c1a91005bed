//! The `[cache_node]` table: every bound the node keeps, with its default.

mod redis;

use std::path::PathBuf;
use std::time::Duration;

use admin::Authority;
use process::settings::Mistakes;
use process::units::{Size, Time};
use serde::Deserialize;
use weir_proto::tls::{Tls, TlsConfig};

pub use self::redis::{RedisConfig, WrongSetting};

/// Settings of one cache-node. `check` tells what is wrong with them; the rest of the crate takes them as
/// right.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where edges reach the node: "0.0.0.0:7101".
    pub listen: String,
    /// Where the admin listener is: metrics and health. "off" for none. Of no effect in `weir run`: the
    /// edge's shows them too.
    pub admin: String,
    /// Names under which `admin` answers besides localhost, its own address and, if it is not on loopback,
    /// other addresses.
    pub admin_hosts: Vec<String>,
    /// Holds the token that a purge must show; the edges' `admin_token_file` holds the same. Left out: purges
    /// are taken where `listen` is on loopback or `tls` is set, and nowhere else. Of no effect in `weir run`.
    pub admin_token_file: Option<PathBuf>,
    /// Left out: plain gRPC, to whoever reaches the address.
    pub tls: Option<TlsConfig>,
    /// What this node is called in the answer to a purge; no two may share a name. Left out: the host's name
    /// and the port.
    pub name: Option<String>,
    /// Weight of the entries kept in memory: bodies, heads and keys.
    pub memory: Size,
    /// Left out: memory only, every node for itself.
    pub redis: Option<RedisConfig>,
    /// The largest body that is stored.
    pub max_object: Size,
    /// Bodies being received at the same time, together.
    pub max_receiving: Size,
    /// Exchange streams open at the same time. More are refused.
    pub max_streams: usize,
    /// Streams that wait for another's page: on the whole node, and for one page.
    pub max_waiting: usize,
    pub max_waiting_per_page: usize,
    /// Variants stored under one key (Vary). The one used least makes room.
    pub max_variants: usize,
    /// Keys of `shared` limit zones that are remembered in memory. Those that come rarely make room.
    pub limit_keys: u32,
    /// The longest a stream is kept waiting, whatever it asks for.
    pub max_wait: Time,
    /// Time limit of a lease in the store; renewed at a third of it. How long other nodes wait for one that
    /// died.
    pub lease: Time,
    /// How long a living stream may hold a lease. Then the next one gets it, and what the late holder stores
    /// is refused.
    pub max_lease: Time,
    /// How long an entry is kept at most, stale time included.
    pub max_lifetime: Time,
    /// How long pages from memory are used while the node is out of touch with the purge log in Redis.
    pub watch_grace: Time,
    /// How long an edge may take to read one message of an answer.
    pub send_timeout: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7101".to_owned(),
            admin: "127.0.0.1:9901".to_owned(),
            admin_hosts: Vec::new(),
            admin_token_file: None,
            tls: None,
            name: None,
            memory: Size::mebibytes(256),
            redis: None,
            max_object: Size::mebibytes(8),
            max_receiving: Size::mebibytes(128),
            max_streams: 16_384,
            max_waiting: 8_192,
            max_waiting_per_page: 2_048,
            max_variants: 64,
            limit_keys: 50_000,
            max_wait: Time::from_secs(60),
            lease: Time::from_secs(3),
            max_lease: Time::from_secs(60),
            max_lifetime: Time::from_secs(24 * 60 * 60),
            watch_grace: Time::from_secs(1),
            // A message of 64 KiB for a client that takes as little as `edge.limits.send_rate`.
            send_timeout: Time::from_secs(180),
        }
    }
}

impl Config {
    /// Adds all that is wrong, with paths that begin with `cache_node`.
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        let mut require = |right: bool, name: &str, text: &str| {
            if !right {
                mistakes.push(format!("cache_node.{name}"), text);
            }
        };
        require(has_port(&self.listen), "listen", "must be \"ADDRESS:PORT\"");
        require(
            self.admin == "off" || has_port(&self.admin),
            "admin",
            "must be \"ADDRESS:PORT\", or \"off\"",
        );
        require(self.memory.0 > 0, "memory", "must be more than 0");
        require(self.max_object.0 > 0, "max_object", "must be more than 0");
        require(
            self.max_object.0 <= self.memory.0 / 4,
            "max_object",
            "must be a quarter of `memory` or less, or one page drives out all others",
        );
        require(self.max_receiving.0 >= self.max_object.0, "max_receiving", "must hold one `max_object`");
        require(self.max_receiving.0 <= u64::from(u32::MAX), "max_receiving", "must be less than 4GiB");
        require((1..=MAX_STREAMS).contains(&self.max_streams), "max_streams", "must be 1 to 1000000");
        require(self.max_waiting <= MAX_STREAMS, "max_waiting", "must be 1000000 or less");
        require(self.max_variants > 0, "max_variants", "must be 1 or more");
        require((1..=MAX_LIMIT_KEYS).contains(&self.limit_keys), "limit_keys", "must be 1 to 10000000");
        require(self.lease.0 >= SHORTEST_LEASE, "lease", "must be 100ms or more");
        require(self.max_lease.0 >= self.lease.0, "max_lease", "must be `lease` or longer");
        for (name, time) in [("max_wait", self.max_wait), ("max_lease", self.max_lease)] {
            require(time.0 <= LONGEST_STREAM, name, "must be 1d or less");
        }
        require(!self.max_lifetime.0.is_zero(), "max_lifetime", "must be more than 0");
        require(self.max_lifetime.0 <= LONGEST_LIFETIME, "max_lifetime", "must be 1y or less");
        require(
            (SHORTEST_GRACE..=LONGEST_GRACE).contains(&self.watch_grace.0),
            "watch_grace",
            "must be 100ms to 1m",
        );
        require(self.name.as_ref().is_none_or(|name| !name.is_empty()), "name", "must not be empty");
        require(!self.send_timeout.0.is_zero(), "send_timeout", "must be more than 0");
        require(self.send_timeout.0 <= LONGEST_STREAM, "send_timeout", "must be 1d or less");
        if let Some(redis) = &self.redis {
            redis.check(mistakes);
        }
        for name in self.admin_hosts.iter().filter_map(|name| admin::hosts::mistake(name)) {
            mistakes.push("cache_node.admin_hosts", name);
        }
        if let Some(Err(error)) = self.admin_token_file.as_ref().map(std::fs::read) {
            mistakes.push("cache_node.admin_token_file", format!("cannot be read: {error}"));
        }
        if let Some(Err(error)) = self.tls.as_ref().map(Tls::load) {
            mistakes.push(format!("cache_node.tls.{}", error.key), error.to_string());
        }
    }
}

/// A fifth of it is the time between two beats.
const SHORTEST_GRACE: Duration = Duration::from_millis(100);
const LONGEST_GRACE: Duration = Duration::from_secs(60);
/// Renewal at a third must leave time for a slow Redis.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
const LONGEST_STREAM: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const MAX_STREAMS: usize = 1_000_000;
const MAX_LIMIT_KEYS: u32 = 10_000_000;

impl Config {
    pub(crate) fn name(&self) -> String {
        let port = self.listen.rsplit_once(':').map_or(&*self.listen, |(_, port)| port);
        self.name.clone().unwrap_or_else(|| format!("{}:{port}", process::host_name()))
    }

    /// Who may purge by way of `listen`.
    pub(crate) fn authority(&self) -> Authority {
        match &self.admin_token_file {
            None if self.tls.is_some() => Authority::Local, // who has come so far has shown a certificate
            token => Authority::new(&self.listen, token.as_deref()),
        }
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_right() {
        let mut mistakes = Mistakes::default();
        Config::default().check(&mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
    }

    #[test]
    fn whoever_has_shown_a_certificate_may_purge_unless_there_is_a_token() {
        let [secure, open] = [true, false];
        for (listen, tls, token, expected) in [
            ("127.0.0.1:7101", open, None, Authority::Local),
            ("0.0.0.0:7101", open, None, Authority::Nobody),
            ("0.0.0.0:7101", secure, None, Authority::Local),
            ("0.0.0.0:7101", open, Some("token"), Authority::Token("token".into())),
            ("0.0.0.0:7101", secure, Some("token"), Authority::Token("token".into())),
        ] {
            let config = Config {
                listen: listen.to_owned(),
                tls: tls.then(|| TlsConfig {
                    certificate: "a".into(),
                    key: "b".into(),
                    ca: "c".into(),
                    peer_name: None,
                }),
                admin_token_file: token.map(PathBuf::from),
                ..Config::default()
            };
            assert_eq!(config.authority(), expected, "{listen}, {tls}, {token:?}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let config = Config {
            listen: "7101".to_owned(),
            admin: "localhost".to_owned(),
            memory: Size(0),
            redis: Some(RedisConfig::at("http://nowhere")),
            max_object: Size(1),
            max_receiving: Size(0),
            max_streams: 0,
            max_variants: 0,
            limit_keys: 0,
            lease: Time::from_millis(1),
            max_lease: Time::from_millis(0),
            max_wait: Time::from_secs(u64::MAX),
            max_lifetime: Time::from_secs(u64::MAX),
            watch_grace: Time::from_secs(0),
            name: Some(String::new()),
            send_timeout: Time::from_secs(0),
            ..Config::default()
        };
        let mut mistakes = Mistakes::default();
        config.check(&mut mistakes);
        let text = mistakes.to_string();
        for name in [
            "listen",
            "admin",
            "memory",
            "max_object",
            "max_receiving",
            "max_streams",
            "max_variants",
            "limit_keys",
            "lease",
            "max_lease",
            "max_wait",
            "max_lifetime",
            "watch_grace",
            "name",
            "send_timeout",
            "redis.url",
        ] {
            assert!(text.contains(&format!("cache_node.{name}: ")), "{name} is not in:\n{text}");
        }
    }
}
