//! The `[edge]` table of the settings file: its structure, its defaults, and the checks of its values.

mod access;
pub(crate) mod acme;
mod auth_request;
pub(crate) mod autoindex;
mod body_files;
mod bounds;
mod cache;
mod check;
mod client_certificate;
mod compress;
pub(crate) mod expires;
pub(crate) mod files;
mod forwarded_host;
mod limit;
mod listen;
pub(crate) mod listener_bounds;
pub(crate) mod logs;
pub(crate) mod network;
pub(crate) mod pattern;
mod place;
mod pool_choice;
mod pool_request;
mod priority;
mod real_ip;
mod replace;
pub(crate) mod reply_fields;
mod reply_rewrite;
mod rule;
mod secure_link;
pub(crate) mod site_listen;
pub(crate) mod syslog;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use process::settings::OneOrMany;
use process::units::{Size, Time};
use serde::Deserialize;
use weir_proto::tls::TlsConfig;

pub use crate::settings::expires::Expires;
use crate::settings::files::FileCacheConfig;
use crate::variables::{GeoConfig, MapConfig, SplitConfig};

pub use access::{AuthBasicConfig, AuthBasicTable, Satisfy};
pub use acme::{AcmeConfig, ChallengeKind, ExternalAccountConfig};
pub use auth_request::{AuthRequestConfig, AuthRequestTable};
pub use body_files::BodyFiles;
pub(crate) use bounds::NO_TIME;
pub use bounds::{Limits, Timeouts};
pub use cache::{CacheConfig, CookiesConfig, RulesConfig, TtlConfig};
pub use client_certificate::{ClientCertificateConfig, ClientVerify};
pub use compress::{CompressConfig, CompressTable};
pub use forwarded_host::ForwardedHost;
pub use limit::{LimitConnConfig, LimitReqConfig, ZoneConfig};
pub use listen::{CertificateConfig, KeyPairConfig, Listen, TlsSetting};
pub use listener_bounds::ListenerBoundsConfig;
pub use logs::{ErrorLogConfig, ErrorLogLevel, Escape, LogConfig, LogFormatConfig};
pub(crate) use place::PlaceConfig;
pub use place::{LocationConfig, SiteConfig};
pub use pool_choice::{PoolChoiceConfig, ServerScheme};
pub use pool_request::PoolRequestConfig;
pub use priority::Priority;
pub use real_ip::RealIpHeader;
pub use replace::{RecodeConfig, ReplaceConfig, TrailerConfig};
pub use reply_fields::{
    CorsConfig, ExpiresSetting, InheritFields, ReplyFieldConfig, RequestFieldConfig, Security,
};
pub use reply_rewrite::ReplyRewriteConfig;
pub use rule::{RuleConfig, WhenConfig};
pub use secure_link::SecureLinkConfig;
pub use site_listen::{DefaultServer, ListenerName};

pub(crate) use access::AccessSettings;
pub(crate) use limit::{connection_limits, request_limits, zones};

/// The `[edge]` table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
    /// File that holds the key with which the application signs what fills named values in shared pages.
    /// Left out: every visitor gets the text that the page has for those who have none.
    pub values_key_file: Option<PathBuf>,
    /// The name of this edge in the answer to a purge; no two edges may share a name. Left out: the host's
    /// name and the port.
    pub name: Option<String>,
    /// Addresses that may send PURGE requests. Nobody by default.
    #[serde(deserialize_with = "network::list")]
    pub purge_allow: Vec<IpNet>,
    /// How long pages from memory are used while no cache-node is in touch.
    pub watch_grace: Time,
    /// Proxies whose X-Forwarded-For, -Proto, -Host and -Port, and fields of the same meaning, are believed.
    #[serde(deserialize_with = "network::list")]
    pub trusted_proxies: Vec<IpNet>,
    /// What their X-Forwarded-Host decides.
    pub forwarded_host: ForwardedHost,
    /// Variables of such fields hold what anybody sends in them, as in nginx.
    pub untrusted_variables: bool,
    /// The field in which they name the client, or "proxy_protocol".
    pub real_ip_header: RealIpHeader,
    /// Whether addresses of proxies are passed over in that field; false: the last address is the client.
    pub real_ip_recursive: bool,
    /// Requests with a raw `" < > \ ^ { | }`, backtick or letter beyond ASCII in path or query get 400;
    /// otherwise these are percent-encoded.
    pub strict_targets: bool,
    /// Lines of a request's head may end with LF alone, as nginx takes them.
    pub bare_line_feeds: bool,
    /// Fields whose names hold an underscore reach HTTP applications.
    pub underscores: bool,
    /// A name of a site that an earlier site at the same address has is passed over, as by nginx; otherwise
    /// it is a mistake.
    pub first_name_counts: bool,
    /// Names of reply fields are written as `Content-Type` in HTTP/1, as nginx does; else in lower case.
    pub title_names: bool,
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
    /// From which level on messages are written to stderr.
    pub error_log_level: ErrorLogLevel,
    /// Formats for `logs`, by name.
    pub log_formats: BTreeMap<String, LogFormatConfig>,
    /// Further access logs.
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
    /// Certificates that come by themselves: `tls = "auto"`.
    pub acme: AcmeConfig,
    /// Which replies are compressed on the fly; the default of all sites.
    pub compress: Option<CompressConfig>,
    /// What `limit_req` and `limit_conn` count by, by name.
    pub limit_zones: BTreeMap<String, ZoneConfig>,
    pub site: Vec<SiteConfig>,
}

/// Proxies that are believed, and the field in which they name the client.
#[derive(Clone, Copy)]
pub(crate) struct TrustedProxies<'a> {
    pub(crate) proxies: &'a [IpNet],
    pub(crate) field: &'a RealIpHeader,
    /// Addresses of proxies in the field are passed over.
    pub(crate) recursive: bool,
}

/// Whether a proxy that asks for the first host may say that its client has asked for the second.
pub(crate) type HostRule<'a> = &'a dyn Fn(&str, &str) -> bool;

/// What counts of the fields in which proxies describe clients and the URLs that these have asked for.
#[derive(Clone, Copy)]
pub(crate) struct ForwardingRules<'a> {
    pub(crate) trusted: TrustedProxies<'a>,
    pub(crate) hosts: HostRule<'a>,
    /// Whether a host without a port gets that of X-Forwarded-Port.
    pub(crate) names_port: bool,
    /// What others say is kept, for variables.
    pub(crate) keeps_claims: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct L1Config {
    pub memory: Size,
    /// A page larger than this is not kept in L1 (it may be in the cache-node).
    pub max_object: Size,
    /// The memory for compressed copies of pages and files.
    pub compressed: Size,
}

/// `[edge.peers]`: URLs of the other services.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![Listen::plain("127.0.0.1:8080")],
            runtime: Runtime::default(),
            admin: "127.0.0.1:9900".into(),
            admin_hosts: Vec::new(),
            admin_token_file: None,
            values_key_file: None,
            name: None,
            purge_allow: Vec::new(),
            watch_grace: Time::from_secs(1),
            trusted_proxies: Vec::new(),
            forwarded_host: ForwardedHost::default(),
            untrusted_variables: false,
            real_ip_header: RealIpHeader::default(),
            real_ip_recursive: true,
            strict_targets: false,
            bare_line_feeds: false,
            underscores: false,
            first_name_counts: false,
            title_names: false,
            l1: L1Config::default(),
            peers: None,
            invalidate_named: true,
            nginx_cache_status: false,
            access_log: LogFormat::Combined,
            access_log_to: "stdout".into(),
            error_log_level: ErrorLogLevel::default(),
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
            acme: AcmeConfig::default(),
            compress: None,
            limit_zones: BTreeMap::new(),
            site: Vec::new(),
        }
    }
}

impl Default for L1Config {
    fn default() -> Self {
        Self { memory: Size::mebibytes(128), max_object: Size::mebibytes(1), compressed: Size::mebibytes(64) }
    }
}

impl Config {
    /// Who is believed about the client, and where they name it.
    pub(crate) fn trusted(&self) -> TrustedProxies<'_> {
        TrustedProxies {
            proxies: &self.trusted_proxies,
            field: &self.real_ip_header,
            recursive: self.real_ip_recursive,
        }
    }

    pub(crate) fn forwarding<'a>(&'a self, hosts: HostRule<'a>) -> ForwardingRules<'a> {
        ForwardingRules {
            trusted: self.trusted(),
            hosts,
            names_port: self.forwarded_host == ForwardedHost::ChoosesSite,
            keeps_claims: self.untrusted_variables,
        }
    }

    pub(crate) fn name(&self) -> String {
        let first = self.listen.first().map_or("", |listen| listen.address.as_str());
        let port = first.rsplit_once(':').map_or("", |(_, port)| port);
        self.name.clone().unwrap_or_else(|| format!("{}:{port}", process::host_name()))
    }

    /// Each place's own bound for stored pages: the path of its `cache` in the settings, and the bound.
    pub fn max_objects(&self) -> Vec<(String, Size)> {
        let mut bounds = Vec::new();
        for (index, site) in self.site.iter().enumerate() {
            let path = format!("edge.site[{index}]");
            let bound = site.cache.as_ref().and_then(|cache| cache.max_object);
            bounds.extend(bound.map(|bound| (format!("{path}.cache"), bound)));
            max_objects_within(&path, &site.location, &mut bounds);
        }
        bounds
    }

    /// Each place where a pool answers: its path in the settings, the pool's name and the name of its set of
    /// variables.
    pub fn pools(&self) -> Vec<(String, String, String)> {
        let mut pools = Vec::new();
        for (index, site) in self.site.iter().enumerate() {
            let (path, place) = (format!("edge.site[{index}]"), site.place());
            let pool = place.pool.clone();
            pools.extend(pool.map(|pool| (path.clone(), pool, place.variables.clone().unwrap_or_default())));
            pools_within(&path, &site.location, &place, &mut pools);
        }
        pools
    }
}

fn max_objects_within(path: &str, locations: &[LocationConfig], bounds: &mut Vec<(String, Size)>) {
    for (index, location) in locations.iter().enumerate() {
        let path = format!("{path}.location[{index}]");
        let bound = location.cache.as_ref().and_then(|cache| cache.max_object);
        bounds.extend(bound.map(|bound| (format!("{path}.cache"), bound)));
        max_objects_within(&path, &location.location, bounds);
    }
}

fn pools_within(
    path: &str,
    locations: &[LocationConfig],
    outer: &PlaceConfig,
    pools: &mut Vec<(String, String, String)>,
) {
    for (index, location) in locations.iter().enumerate() {
        let (path, place) = (format!("{path}.location[{index}]"), location.within(outer));
        let own = location.pool.is_some() || location.variables.is_some();
        if let Some(pool) = place.pool.as_ref().filter(|_| own) {
            pools.push((path.clone(), pool.clone(), place.variables.clone().unwrap_or_default()));
        }
        pools_within(&path, &location.location, &place, pools);
    }
}
