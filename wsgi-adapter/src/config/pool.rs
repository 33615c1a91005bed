//! The settings of one pool.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use process::settings::Mistakes;
use process::units::{Size, Time};
use serde::Deserialize;
use uwsgi::packet;

use super::{
    AddedServers, Balance, BreakerConfig, CheckConfig, EjectConfig, Flavour, HashKey, KeepaliveConfig,
    QueueConfig, ReplyBufferConfig, RetryConfig, ServerConfig, ServerTlsConfig, StickyConfig, Variables,
};
use crate::address::Protocol;

/// `[[wsgi_adapter.pool]]`: application servers that run the same application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// What `pool = "…"` of a location names.
    pub name: String,
    pub balance: Balance,
    /// What `balance = "hash"` looks at: "uri", "client", "header:NAME", "cookie:NAME".
    pub hash_key: HashKey,
    /// A visitor stays with one server.
    pub sticky: Option<StickyConfig>,
    pub servers: Vec<ServerConfig>,
    /// Each request names its server, and the pool has none of its own: for locations with `pool_choice`.
    pub any_server: bool,
    /// What servers may be added while it runs.
    pub added_servers: AddedServers,
    /// How often the names of servers with `resolve`, and those of SRV records, are looked up.
    pub resolve_every: Time,
    /// Which addresses of these names count.
    pub resolve_to: AddressFamily,
    /// Who is asked for them, such as "127.0.0.1:53". Empty: whom the system asks.
    pub nameservers: Vec<SocketAddr>,
    /// Servers that were added, changed or removed while it ran are kept here. Once it is there, it counts
    /// instead of `servers`.
    pub state_file: Option<PathBuf>,

    /// What the servers are, where that makes a difference: "uwsgi", "gunicorn" or "php".
    pub flavour: Flavour,
    /// Where the application is mounted, such as "/shop": its SCRIPT_NAME, left out of PATH_INFO.
    pub mount: String,
    /// Further variables for the application, beside or in place of the usual ones.
    pub variables: Variables,
    /// Others in their place, by name, for the locations that name them.
    pub variable_sets: BTreeMap<String, Variables>,
    /// Connections to HTTP servers that stay open between requests.
    pub keepalive: KeepaliveConfig,
    /// How `https://` servers are recognised.
    pub tls: Option<ServerTlsConfig>,

    /// Name lookup and connecting, all addresses of a server together.
    pub connect_timeout: Time,
    /// Between two writes to the server.
    pub send_timeout: Time,
    /// Between two reads from the server.
    pub read_timeout: Time,
    /// A connection that has switched to another protocol (WebSocket) ends after so long without a byte
    /// either way.
    pub tunnel_timeout: Time,

    /// Bytes of variables that the servers take: uWSGI's `buffer-size`.
    pub buffer_size: Size,
    /// Variables that the servers take.
    pub max_vars: usize,
    /// Bytes of a reply's head.
    pub reply_head: Size,

    /// Requests at the servers at once, all servers together.
    pub max_in_flight: usize,
    /// Requests beyond that wait here, first come first served.
    pub queue: QueueConfig,
    /// Servers that are tried for one request.
    pub tries: usize,
    /// How long, and for how many of the requests.
    pub retry: RetryConfig,
    /// Active health checks.
    pub check: Option<CheckConfig>,
    /// Outlier ejection.
    pub eject: Option<EjectConfig>,
    /// Circuit breaker of each server.
    pub breaker: BreakerConfig,

    /// Receive the whole body before a server is bothered with it. A body of unknown length is always
    /// received first.
    pub request_buffering: bool,
    /// A body larger than this goes to a temporary file.
    pub buffer_memory: Size,
    pub max_body: Size,
    /// Bodies being received at once.
    pub max_uploads: usize,
    /// Between two pieces of a request's body.
    pub body_timeout: Time,
    /// Bytes per second that a request's body comes with at least, over 20 seconds. 0: any.
    pub body_rate: Size,
    /// Where replies wait for clients that are slower than the application.
    pub reply_buffer: ReplyBufferConfig,

    /// Tunnels (WebSocket) and event streams at once. They are not in flight.
    pub max_tunnels: usize,
    /// Percent of max_in_flight, queue.length, max_uploads and max_tunnels that one client (address, or IPv6
    /// /64) may have.
    pub client_share: usize,
    /// Send `Via` to `http://` servers.
    pub via: bool,
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    #[default]
    All,
    Ipv4,
    Ipv6,
}

impl AddressFamily {
    pub(crate) fn has(self, address: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            balance: Balance::default(),
            hash_key: HashKey::default(),
            sticky: None,
            servers: Vec::new(),
            any_server: false,
            added_servers: AddedServers::default(),
            resolve_every: Time::from_secs(10),
            resolve_to: AddressFamily::All,
            nameservers: Vec::new(),
            state_file: None,
            flavour: Flavour::default(),
            mount: String::new(),
            variables: Variables::default(),
            variable_sets: BTreeMap::new(),
            keepalive: KeepaliveConfig::default(),
            tls: None,
            connect_timeout: Time::from_secs(5),
            send_timeout: Time::from_secs(60),
            read_timeout: Time::from_secs(60),
            tunnel_timeout: Time::from_secs(60),
            // uWSGI's own defaults.
            buffer_size: Size(4096),
            max_vars: 128,
            reply_head: Size::kibibytes(32),
            // uWSGI's `listen` is 100: more would be refused, not queued.
            max_in_flight: 100,
            queue: QueueConfig::default(),
            tries: 3,
            retry: RetryConfig::default(),
            check: None,
            eject: None,
            breaker: BreakerConfig::default(),
            request_buffering: true,
            buffer_memory: Size::kibibytes(64),
            max_body: Size::mebibytes(1024),
            max_uploads: 1000,
            body_timeout: Time::from_secs(60),
            body_rate: Size(500),
            reply_buffer: ReplyBufferConfig::default(),
            max_tunnels: 1000,
            client_share: 50,
            via: false,
        }
    }
}

impl PoolConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let mut wrong = |key: &str, text: &str| mistakes.push(format!("{path}.{key}"), text);
        if self.name.is_empty() {
            wrong("name", "a pool needs a name, which the locations' `pool = \"…\"` refer to");
        }
        let times = [
            ("connect_timeout", self.connect_timeout),
            ("send_timeout", self.send_timeout),
            ("read_timeout", self.read_timeout),
            ("tunnel_timeout", self.tunnel_timeout),
            ("body_timeout", self.body_timeout),
            ("resolve_every", self.resolve_every),
        ];
        for (key, _) in times.into_iter().filter(|(_, time)| time.0.is_zero()) {
            wrong(key, "no time at all: every request would fail");
        }
        if self.queue.length > 0 && self.queue.timeout.0.is_zero() {
            wrong("queue.timeout", "no time at all; write length = 0 for no queue");
        }
        if !(1024..=packet::LARGEST).contains(&self.buffer_size.bytes()) {
            wrong("buffer_size", "must be from 1024 to 65535, and the same as buffer-size of uWSGI");
        }
        if self.max_vars < 64 {
            wrong("max_vars", "must be 64 or more: about 20 variables come with every request");
        }
        if !(1024..=1 << 20).contains(&self.reply_head.0) {
            wrong("reply_head", "must be from 1KiB to 1MiB");
        }
        let counts = [
            ("max_in_flight", self.max_in_flight),
            ("tries", self.tries),
            ("max_uploads", self.max_uploads),
            ("max_tunnels", self.max_tunnels),
        ];
        for (key, _) in counts.into_iter().filter(|(_, count)| *count == 0) {
            wrong(key, "must be 1 or more: no request could be served");
        }
        if !(1..=100).contains(&self.client_share) {
            wrong(
                "client_share",
                "must be from 1 to 100, in percent; 100 for no part of its own for each client",
            );
        }
        if !(1024..=64 << 20).contains(&self.reply_buffer.memory.0) {
            wrong(
                "reply_buffer.memory",
                "must be from 1KiB to 64MiB for each reply; the rest goes to a file",
            );
        }
        if self.buffer_memory > Size::mebibytes(64) {
            wrong("buffer_memory", "more than 64MiB for each body being received; larger ones go to a file");
        }
        self.added_servers.check(&format!("{path}.added_servers"), mistakes);
        self.check_protocols(path, mistakes);
        self.check_servers(path, mistakes);
        self.retry.check(&format!("{path}.retry"), mistakes);
        self.breaker.check(&format!("{path}.breaker"), mistakes);
        if let Some(check) = &self.check {
            check.check(&format!("{path}.check"), mistakes);
        }
        if let Some(eject) = &self.eject {
            eject.check(&format!("{path}.eject"), mistakes);
        }
        if let Some(sticky) = &self.sticky {
            sticky.check(&format!("{path}.sticky"), mistakes);
        }
    }

    /// What only some protocols can carry.
    fn check_protocols(&self, path: &str, mistakes: &mut Mistakes) {
        let mut wrong = |key: &str, text: &str| mistakes.push(format!("{path}.{key}"), text);
        let speaks = |protocol| self.servers.iter().any(|server| server.address.protocol() == protocol);
        let mount = &self.mount;
        let is_path = mount.is_empty() || (mount.starts_with('/') && !mount.ends_with('/'));
        if !is_path || mount.contains("//") || mount.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            wrong("mount", "must begin with a slash and not end in one, such as \"/shop\"");
        }
        if !mount.is_empty() && speaks(Protocol::Http) {
            wrong(
                "mount",
                "HTTP carries no SCRIPT_NAME. gunicorn: start it with SCRIPT_NAME in its environment. uvicorn, granian: \
                 `pool_path = \"/\"` in the location takes the prefix off, and --root-path (--url-path-prefix) names it",
            );
        }
        if !mount.is_empty() && self.flavour == Flavour::Gunicorn && speaks(Protocol::Uwsgi) {
            wrong(
                "mount",
                "gunicorn takes no SCRIPT_NAME by uwsgi; start it with SCRIPT_NAME in its environment",
            );
        }
        if !self.variables.0.is_empty() && speaks(Protocol::Http) {
            wrong("variables", "HTTP carries no variables; servers of this pool speak it");
        }
        if self.flavour == Flavour::Php
            && self.servers.iter().any(|s| s.address.protocol() != Protocol::FastCgi)
        {
            wrong("flavour", "\"php\" is for fastcgi:// servers");
        }
        if !self.variable_sets.is_empty() && speaks(Protocol::Http) {
            wrong("variable_sets", "HTTP carries no variables; servers of this pool speak it");
        }
        self.variables.check(&format!("{path}.variables"), mistakes);
        for (name, set) in &self.variable_sets {
            set.check(&format!("{path}.variable_sets.{name}"), mistakes);
        }
        self.keepalive.check(&format!("{path}.keepalive"), mistakes);
        let speaks_tls = self.servers.iter().any(|server| server.address.tls_host().is_some());
        match &self.tls {
            Some(tls) => tls.check(&format!("{path}.tls"), mistakes),
            None if self.any_server => {}
            None if speaks_tls => ServerTlsConfig::default().check(&format!("{path}.tls"), mistakes),
            None => {}
        }
    }

    /// Further variables for a location that names this set; empty: for all others. `None`: there is no such
    /// set.
    pub fn variables_of(&self, set: &str) -> Option<&Variables> {
        if set.is_empty() { Some(&self.variables) } else { self.variable_sets.get(set) }
    }

    fn check_servers(&self, path: &str, mistakes: &mut Mistakes) {
        let usable = |server: &&ServerConfig| !server.down && !server.drain;
        if self.any_server {
            if !self.servers.is_empty() {
                let text = "a pool that takes any server has none of its own; leave them out";
                mistakes.push(format!("{path}.servers"), text);
            }
        } else if self.servers.is_empty() {
            mistakes
                .push(format!("{path}.servers"), "no server; write servers = [\"uwsgi://127.0.0.1:29000\"]");
        } else if self.servers.iter().filter(usable).count() == 0 {
            mistakes.push(format!("{path}.servers"), "every server is down, or drained");
        } else if self.servers.iter().all(|server| server.backup) {
            mistakes.push(format!("{path}.servers"), "every server is a backup; leave `backup` out for one");
        }
        let mut known = HashSet::new();
        for (index, server) in self.servers.iter().enumerate() {
            let path = format!("{path}.servers[{index}]");
            if !known.insert(server.address.as_str()) && !server.again {
                mistakes.push(path.clone(), "listed twice; give it a weight instead, or `again = true`");
            }
            if let Err((key, text)) = server.check() {
                mistakes.push(format!("{path}.{key}"), text);
            }
        }
    }
}
