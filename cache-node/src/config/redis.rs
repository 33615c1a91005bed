//! The `[cache_node.redis]` table: which servers, how they are spoken to, and the bounds kept with them.

use std::path::PathBuf;

use process::settings::{Mistakes, OneOrMany};
use process::units::{Size, Time};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use serde::Deserialize;

/// The Redis that nodes share: one server, a Cluster, or the master that Sentinels name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path`. Several
    /// only for nodes of a Cluster or for Sentinels, alike but for host and port.
    pub url: OneOrMany,
    /// The servers are a Redis Cluster, of which `url` names some nodes.
    #[serde(default)]
    pub cluster: bool,
    /// What the Sentinels at `url` call the master. User, password and database of `url` are the master's.
    pub sentinel: Option<String>,
    /// User and password of the Sentinels themselves.
    pub sentinel_user: Option<String>,
    pub sentinel_password: Option<String>,
    /// PEM files for TLS: who vouches for the servers (left out: the system's authorities), and the
    /// certificate and key that this node shows them.
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The longest one operation may take, a new connection included. Beyond it the node works from memory.
    #[serde(default = "RedisConfig::default_timeout")]
    pub timeout: Time,
    /// How long one attempt to connect may take.
    #[serde(default = "RedisConfig::default_connect_timeout")]
    pub connect_timeout: Time,
    /// Connections for entries. Two more carry leases and news.
    #[serde(default = "RedisConfig::default_connections")]
    pub connections: u32,
    /// Larger entries stay in the node's memory.
    #[serde(default = "RedisConfig::default_max_object")]
    pub max_object: Size,
    /// Bodies of this size and more are compressed, unless they are by themselves.
    #[serde(default = "RedisConfig::default_compress_from")]
    pub compress_from: Size,
    /// Holds a secret by which records are signed: what has no such signature is as if it were not there.
    /// Left out: whoever can write to Redis can put pages there.
    pub record_key_file: Option<PathBuf>,
    /// Holds the secret of before, by which records are still read.
    pub previous_record_key_file: Option<PathBuf>,
    /// What the names of all records begin with.
    #[serde(default = "RedisConfig::default_prefix")]
    pub prefix: String,
}

/// A setting that is wrong, seen when what it describes is built.
#[derive(Debug, thiserror::Error)]
#[error("cache_node.redis.{setting}: {text}")]
pub struct WrongSetting {
    pub(crate) setting: &'static str,
    pub(crate) text: String,
}

impl RedisConfig {
    /// The defaults, with this server.
    pub fn at(url: &str) -> Self {
        Self {
            url: OneOrMany(vec![url.to_owned()]),
            cluster: false,
            sentinel: None,
            sentinel_user: None,
            sentinel_password: None,
            ca: None,
            certificate: None,
            key: None,
            timeout: Self::default_timeout(),
            connect_timeout: Self::default_connect_timeout(),
            connections: Self::default_connections(),
            max_object: Self::default_max_object(),
            compress_from: Self::default_compress_from(),
            record_key_file: None,
            previous_record_key_file: None,
            prefix: Self::default_prefix(),
        }
    }

    pub(super) fn check(&self, mistakes: &mut Mistakes) {
        self.check_each(&mut |right, setting, text| {
            if !right {
                mistakes.push(format!("cache_node.redis.{setting}"), text);
            }
        });
    }

    /// Tells whether each setting is right by itself.
    pub(crate) fn is_right(&self) -> bool {
        let mut is_right = true;
        self.check_each(&mut |right, _, _| is_right &= right);
        is_right
    }

    fn check_each(&self, require: &mut impl FnMut(bool, &str, &str)) {
        require(!self.timeout.0.is_zero(), "timeout", "must be more than 0");
        require(!self.connect_timeout.0.is_zero(), "connect_timeout", "must be more than 0");
        require((1..=64).contains(&self.connections), "connections", "must be 1 to 64");
        // Braces would choose the cluster slot of all records.
        require(
            !self.prefix.is_empty()
                && self.prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
            "prefix",
            "must be letters, digits, '-', '_' and '.'",
        );
        self.check_urls(require);
        self.check_sentinel(require);
        let together = self.certificate.is_some() == self.key.is_some();
        require(
            together,
            if self.key.is_none() { "key" } else { "certificate" },
            "is needed too: `certificate` and `key` go together",
        );
    }

    fn check_urls(&self, require: &mut impl FnMut(bool, &str, &str)) {
        require(!self.url.0.is_empty(), "url", "names no server");
        let one = !self.cluster && self.sentinel.is_none();
        require(
            self.url.0.len() <= 1 || !one,
            "url",
            "must be one server; several are for `cluster = true` or `sentinel = \"NAME\"`",
        );
        let mut first: Option<ConnectionInfo> = None;
        for (n, url) in (1..).zip(&self.url.0) {
            let Ok(info) = url.as_str().into_connection_info() else {
                require(false, "url", &format!("number {n} is no Redis URL, such as \"redis://redis:6379\""));
                continue;
            };
            self.check_server(&info, require);
            let first = first.get_or_insert_with(|| info.clone());
            require(alike(first, &info), "url", "all must have the same scheme, user, password and database");
        }
    }

    fn check_server(&self, info: &ConnectionInfo, require: &mut impl FnMut(bool, &str, &str)) {
        require(
            !self.cluster || info.redis_settings().db() == 0,
            "url",
            "a Cluster has no databases: take the number away",
        );
        match info.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => require(
                !insecure,
                "url",
                "certificates are always checked: take '#insecure' away and name the authority by `ca`",
            ),
            addr => {
                let unix = matches!(addr, ConnectionAddr::Unix(_));
                let one = !self.cluster && self.sentinel.is_none();
                require(one || !unix, "url", "a Cluster or Sentinel is reached by TCP, not by a unix socket");
                for (setting, file) in
                    [("ca", &self.ca), ("certificate", &self.certificate), ("key", &self.key)]
                {
                    require(file.is_none(), setting, "is for TLS: the URL must begin with rediss://");
                }
            }
        }
    }

    fn check_sentinel(&self, require: &mut impl FnMut(bool, &str, &str)) {
        require(
            !(self.cluster && self.sentinel.is_some()),
            "sentinel",
            "does not go with `cluster`: a Cluster has no Sentinels",
        );
        require(
            self.sentinel.as_ref().is_none_or(|name| !name.is_empty()),
            "sentinel",
            "must be the name of the master, such as \"mymaster\"",
        );
        for (setting, value) in
            [("sentinel_user", &self.sentinel_user), ("sentinel_password", &self.sentinel_password)]
        {
            require(self.sentinel.is_some() || value.is_none(), setting, "is of use with `sentinel` only");
        }
        require(
            self.sentinel_user.is_none() || self.sentinel_password.is_some(),
            "sentinel_password",
            "is needed with `sentinel_user`",
        );
    }

    fn default_timeout() -> Time {
        Time::from_millis(50)
    }

    fn default_connect_timeout() -> Time {
        Time::from_millis(250)
    }

    fn default_connections() -> u32 {
        4
    }

    fn default_max_object() -> Size {
        Size::mebibytes(1)
    }

    fn default_compress_from() -> Size {
        Size(4096)
    }

    fn default_prefix() -> String {
        "weir".to_owned()
    }
}

/// But for host and port.
fn alike(a: &ConnectionInfo, b: &ConnectionInfo) -> bool {
    let settings = |info: &ConnectionInfo| {
        let redis = info.redis_settings();
        let text = |value: Option<&str>| value.map(str::to_owned);
        (text(redis.username()), text(redis.password()), redis.db(), redis.protocol())
    };
    std::mem::discriminant(a.addr()) == std::mem::discriminant(b.addr()) && settings(a) == settings(b)
}

#[cfg(test)]
mod tests;
