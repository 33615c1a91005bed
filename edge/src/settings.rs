//! The `[edge]` table of the settings file: its structure, its defaults, and the checks of its values.

mod bounds;
mod cache;
pub(crate) mod expires;
pub(crate) mod files;
pub(crate) mod logs;
pub(crate) mod pattern;
mod priority;
pub(crate) mod reply_fields;
pub(crate) mod syslog;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use process::settings::{Mistakes, OneOrMany, text_or_table};
use process::units::{Size, Time};
use serde::Deserialize;
use weir_proto::tls::{Tls, TlsConfig};

pub use crate::settings::expires::Expires;
use crate::settings::files::FileCacheConfig;
use crate::settings::files::Symlinks;
use crate::variables::{GeoConfig, MapConfig, SplitConfig, Template};

pub use bounds::{Limits, Timeouts};
pub use cache::{CacheConfig, CookiesConfig, RulesConfig, TtlConfig};
pub use logs::{Escape, LogConfig, LogFormatConfig};
pub use priority::Priority;
pub use reply_fields::{
    CorsConfig, ExpiresSetting, InheritFields, ReplyFieldConfig, RequestFieldConfig, Security,
};

/// The `[edge]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses to serve HTTP on.
    pub listen: Vec<Listen>,
    /// "per_core": a thread for each core serves its connections to the end; "shared": one runtime for all.
    pub runtime: Runtime,
    /// Address of the admin listener: metrics, health, API, live page. "off" for none.
    pub admin: String,
    /// Names under which `admin` answers besides localhost, its own address and, if it is not on loopback,
    /// other addresses.
    pub admin_hosts: Vec<String>,
    /// File that holds the token for what changes something there. Left out: where `admin` is on loopback,
    /// purges need none, and changes of servers and `explain` need one that the process makes at its start;
    /// elsewhere nothing can be changed.
    pub admin_token_file: Option<PathBuf>,
    /// The name of this edge in the answer to a purge; no two edges may share a name. Left out: the host's
    /// name and the port.
    pub name: Option<String>,
    /// Addresses that may send PURGE requests. Nobody by default.
    pub purge_allow: Vec<IpNet>,
    /// How long pages from memory are used while no cache-node is in touch.
    pub watch_grace: Time,
    /// Proxies whose X-Forwarded-For, -Proto, -Host and -Port, and fields of the same meaning, are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests with a raw `" < > \ ^ { | }` or backtick in path or query get 400; otherwise these are
    /// percent-encoded.
    pub strict_targets: bool,
    /// Pages kept in this edge's own memory.
    pub l1: L1Config,
    /// Where the other services are; left out in `weir run`.
    pub peers: Option<PeersConfig>,
    /// The pages that the reply to a change names in Location and Content-Location become stale.
    pub invalidate_named: bool,
    /// Adds X-Cache-Status in nginx's words.
    pub nginx_cache_status: bool,
    /// "combined", "json" or "off".
    pub access_log: LogFormat,
    /// "stdout", "stderr" or a file.
    pub access_log_to: String,
    /// Formats for `logs`, by name.
    pub log_formats: BTreeMap<String, LogFormatConfig>,
    /// Further access logs, for sites and locations that have none of their own.
    pub logs: Vec<LogConfig>,
    pub timeouts: Timeouts,
    pub limits: Limits,
    /// Static files kept in memory.
    pub files: FileCacheConfig,
    /// Fields added to replies, replaced or removed.
    pub reply_fields: Vec<ReplyFieldConfig>,
    /// Fields set in requests to the application, or removed.
    pub request_fields: Vec<RequestFieldConfig>,
    /// A set of reply fields that protect visitors.
    pub security: Option<Security>,
    /// Variables chosen by the value of others.
    pub map: Vec<MapConfig>,
    /// Variables chosen by an address.
    pub geo: Vec<GeoConfig>,
    /// Variables with one of several values, by shares.
    pub split: Vec<SplitConfig>,
    pub site: Vec<SiteConfig>,
}

/// One address to listen on: "0.0.0.0:8080", or { address = "0.0.0.0:8443", tls = { certificate = "…", key =
/// "…" } }.
#[derive(Clone, Debug)]
pub struct Listen {
    pub address: String,
    /// Offers TLS here. The certificate is for names that no site has a certificate for.
    pub tls: Option<CertificateConfig>,
    /// Whether HTTP/2 is offered beside HTTP/1; left out: only over TLS. Without TLS, clients must know it
    /// beforehand (h2c).
    pub http2: Option<bool>,
}

/// `tls = { certificate = "…", key = "…" }`: two PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The certificate, followed by those that lead to its issuer.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Listen {
    pub fn plain(address: impl Into<String>) -> Self {
        Self { address: address.into(), tls: None, http2: None }
    }

    pub(crate) fn speaks_http2(&self) -> bool {
        self.http2.unwrap_or_else(|| self.tls.is_some())
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            address: String,
            tls: Option<CertificateConfig>,
            http2: Option<bool>,
        }
        let expecting = "an address such as \"0.0.0.0:8080\", or a table with `address`";
        let table = |Table { address, tls, http2 }| Self { address, tls, http2 };
        text_or_table(deserializer, expecting, |address: String| Self::plain(address), table)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct L1Config {
    pub memory: Size,
    /// A page larger than this is not kept in L1 (it may be in the cache-node).
    pub max_object: Size,
}

/// `[edge.peers]`: URLs of the other services.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    pub cache_node: OneOrMany,
    pub wsgi_adapter: OneOrMany,
    /// The certificates for URLs that begin with `https`.
    pub tls: Option<TlsConfig>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    PerCore,
    #[default]
    Shared,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Combined,
    Json,
    Off,
}

/// One `[[edge.site]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteConfig {
    pub server_name: Vec<String>,
    pub root: Option<String>,
    pub index: Option<Vec<String>>,
    pub access_log: Option<bool>,
    /// Access logs of its own, in place of the outer `logs`.
    pub logs: Vec<LogConfig>,
    /// The certificate for this site's names, on every listener with TLS; without it, the listener's
    /// certificate is used.
    pub tls: Option<CertificateConfig>,
    /// Fields added to replies, replaced or removed.
    pub reply_fields: Vec<ReplyFieldConfig>,
    /// Fields set in requests to the application, or removed.
    pub request_fields: Vec<RequestFieldConfig>,
    /// Whether `reply_fields` and `request_fields` follow the outer ones or replace them.
    pub inherit_fields: InheritFields,
    pub cors: Option<CorsConfig>,
    pub security: Option<Security>,
    /// Pairs of a variable and its value, set in this order.
    pub set: Vec<(String, Template)>,
    pub location: Vec<LocationConfig>,
}

/// One `[[edge.site.location]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationConfig {
    /// nginx's five kinds: "= /x", "^~ /x", "~ re", "~* re", "/x".
    #[serde(rename = "match")]
    pub pattern: String,
    pub root: Option<String>,
    pub alias: Option<String>,
    pub index: Option<Vec<String>>,
    /// Which symbolic links are followed: "inside" (those that end below root or alias) or "follow".
    #[serde(default)]
    pub symlinks: Symlinks,
    /// Send `name.br`, `name.zst` or `name.gz` beside a file to clients that take it.
    #[serde(default)]
    pub precompressed: bool,
    pub expires: Option<ExpiresSetting>,
    /// False: requests here are not in the access log.
    pub access_log: Option<bool>,
    /// Access logs of its own, in place of the outer `logs`.
    #[serde(default)]
    pub logs: Vec<LogConfig>,
    /// False: a missing file is not logged.
    #[serde(default = "yes")]
    pub log_not_found: bool,
    /// The pool of application servers, by its name in [wsgi_adapter].
    pub pool: Option<String>,
    /// Whose requests go first if they must wait for a server: "high", "normal", "low".
    #[serde(default)]
    pub priority: Priority,
    /// False: bodies go to the application as they arrive, whatever the pool's setting says.
    #[serde(default = "yes")]
    pub request_buffering: bool,
    /// Replies are taken off the application as fast as it sends them, and wait in the adapter for slow
    /// clients.
    #[serde(default = "yes")]
    pub buffering: bool,
    /// True: the application's work continues although the client has closed its side of the connection.
    #[serde(default)]
    pub ignore_client_abort: bool,
    /// Which of the pool's `variable_sets` the application gets; empty: the pool's own variables.
    #[serde(default)]
    pub variables: String,
    /// Only requests that the application sends here by X-Accel-Redirect are answered; others get 404.
    #[serde(default)]
    pub internal: bool,
    /// Fields added to replies, replaced or removed.
    #[serde(default)]
    pub reply_fields: Vec<ReplyFieldConfig>,
    /// Fields set in requests to the application, or removed.
    #[serde(default)]
    pub request_fields: Vec<RequestFieldConfig>,
    /// Whether `reply_fields` and `request_fields` follow the outer ones or replace them.
    #[serde(default)]
    pub inherit_fields: InheritFields,
    #[serde(default)]
    pub cors: Option<CorsConfig>,
    #[serde(default)]
    pub security: Option<Security>,
    /// Pairs of a variable and its value, set in this order.
    #[serde(default)]
    pub set: Vec<(String, Template)>,
    pub cache: Option<CacheConfig>,
    /// The largest request body; larger bodies get 413.
    #[serde(default = "default_max_body")]
    pub max_body: Size,
}

impl LocationConfig {
    /// A location with only its `match`.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            root: None,
            alias: None,
            index: None,
            symlinks: Symlinks::default(),
            precompressed: false,
            expires: None,
            access_log: None,
            logs: Vec::new(),
            log_not_found: true,
            pool: None,
            priority: Priority::Normal,
            request_buffering: true,
            buffering: true,
            ignore_client_abort: false,
            variables: String::new(),
            internal: false,
            reply_fields: Vec::new(),
            request_fields: Vec::new(),
            inherit_fields: InheritFields::default(),
            cors: None,
            security: None,
            set: Vec::new(),
            cache: None,
            max_body: default_max_body(),
        }
    }
}

fn yes() -> bool {
    true
}

fn default_max_body() -> Size {
    Size::mebibytes(1)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![Listen::plain("127.0.0.1:8080")],
            runtime: Runtime::default(),
            admin: "127.0.0.1:9900".into(),
            admin_hosts: Vec::new(),
            admin_token_file: None,
            name: None,
            purge_allow: Vec::new(),
            watch_grace: Time::from_secs(1),
            trusted_proxies: Vec::new(),
            strict_targets: false,
            l1: L1Config::default(),
            peers: None,
            invalidate_named: true,
            nginx_cache_status: false,
            access_log: LogFormat::Combined,
            access_log_to: "stdout".into(),
            log_formats: BTreeMap::new(),
            logs: Vec::new(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            files: FileCacheConfig::default(),
            reply_fields: Vec::new(),
            request_fields: Vec::new(),
            security: None,
            map: Vec::new(),
            geo: Vec::new(),
            split: Vec::new(),
            site: Vec::new(),
        }
    }
}

impl Default for L1Config {
    fn default() -> Self {
        Self { memory: Size::mebibytes(128), max_object: Size::mebibytes(1) }
    }
}

impl Config {
    /// Reports everything that deserialising cannot see, each with its place. What the edge builds from the
    /// settings (names, patterns, cache rules) is checked by building it: [`crate::check`].
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        if self.listen.is_empty() {
            mistakes.push("edge.listen", "must name at least one address, such as \"127.0.0.1:8080\"");
        }
        for (i, listen) in self.listen.iter().enumerate() {
            check_address(&format!("edge.listen[{i}]"), &listen.address, mistakes);
        }
        let some_tls = self.listen.iter().any(|listen| listen.tls.is_some());
        for (i, _) in self.site.iter().enumerate().filter(|(_, site)| site.tls.is_some() && !some_tls) {
            let text = "no listener has TLS; give one entry of `edge.listen` a certificate too";
            mistakes.push(format!("edge.site[{i}].tls"), text);
        }
        if self.admin != "off" {
            check_address("edge.admin", &self.admin, mistakes);
        }
        for name in self.admin_hosts.iter().filter_map(|name| admin::hosts::mistake(name)) {
            mistakes.push("edge.admin_hosts", name);
        }
        if let Some(Err(error)) = self.admin_token_file.as_ref().map(std::fs::read) {
            mistakes.push("edge.admin_token_file", format!("cannot be read: {error}"));
        }
        if self.name.as_ref().is_some_and(String::is_empty) {
            mistakes.push("edge.name", "must not be empty");
        }
        if !(SHORTEST_GRACE..=LONGEST_GRACE).contains(&self.watch_grace.0) {
            mistakes.push("edge.watch_grace", "must be from 100ms to 1m");
        }
        if self.timeouts.purge.0 > LONGEST_PURGE {
            mistakes.push("edge.timeouts.purge", "must be at most 30s");
        }
        if self.site.is_empty() {
            mistakes.push("edge.site", "there is no site; add [[edge.site]] with a server_name");
        }
        if let Some(peers) = &self.peers {
            let scheme = if peers.tls.is_some() { "https" } else { "http" };
            check_urls("edge.peers.cache_node", &peers.cache_node, scheme, mistakes);
            check_urls("edge.peers.wsgi_adapter", &peers.wsgi_adapter, scheme, mistakes);
            if let Some(Err(error)) = peers.tls.as_ref().map(Tls::load) {
                mistakes.push(format!("edge.peers.tls.{}", error.key), error.to_string());
            }
        }
        if self.limits.head.bytes() < 1024 || self.limits.head.bytes() > 1 << 20 {
            mistakes.push("edge.limits.head", "must be from 1 KiB to 1 MiB");
        }
        if self.limits.http2_streams == 0 {
            mistakes.push("edge.limits.http2_streams", "must be at least 1");
        }
        if self.limits.fields == 0 || self.limits.fields > 1000 {
            mistakes.push("edge.limits.fields", "must be from 1 to 1000");
        }
    }
}

/// A fifth of it is the time between two heartbeats.
const SHORTEST_GRACE: Duration = Duration::from_millis(100);
const LONGEST_GRACE: Duration = Duration::from_secs(60);
/// A cache-node waits for at most this long.
const LONGEST_PURGE: Duration = Duration::from_secs(30);

impl Config {
    pub(crate) fn name(&self) -> String {
        let first = self.listen.first().map_or("", |listen| listen.address.as_str());
        let port = first.rsplit_once(':').map_or("", |(_, port)| port);
        self.name.clone().unwrap_or_else(|| format!("{}:{port}", process::host_name()))
    }

    /// Each location's pool: the indexes of site and location, the pool's name and the name of its set of
    /// variables.
    pub fn pools(&self) -> impl Iterator<Item = (usize, usize, &str, &str)> {
        self.site.iter().enumerate().flat_map(|(site, config)| {
            let locations = config.location.iter().enumerate();
            locations.filter_map(move |(location, config)| {
                Some((site, location, config.pool.as_deref()?, config.variables.as_str()))
            })
        })
    }
}

fn check_address(path: &str, address: &str, mistakes: &mut Mistakes) {
    let named =
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if address.parse::<SocketAddr>().is_err() && !named {
        mistakes.push(path, format!("`{address}` is not an address and port, such as \"127.0.0.1:8080\""));
    }
}

/// `scheme` is what all URLs must begin with, so that no link is without TLS by mistake.
fn check_urls(path: &str, urls: &OneOrMany, scheme: &str, mistakes: &mut Mistakes) {
    if urls.0.is_empty() {
        mistakes.push(path, "must name at least one URL");
    }
    for url in &urls.0 {
        let uri = url.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some());
        match uri.as_ref().and_then(http::Uri::scheme_str) {
            Some(is) if is == scheme => {}
            Some("https") => {
                mistakes.push(path, format!("`{url}` needs edge.peers.tls: certificate, key and ca"))
            }
            Some("http") => {
                mistakes.push(path, format!("`{url}` must begin with https:// because edge.peers.tls is set"))
            }
            _ => mistakes.push(path, format!("`{url}` is not a URL such as \"{scheme}://cache-node:7101\"")),
        }
    }
}
