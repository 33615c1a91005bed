//! Which servers may be added to a pool by the API: nobody shall be able to send visitors just anywhere.

use std::path::PathBuf;

use ipnet::IpNet;
use process::settings::Mistakes;
use serde::Deserialize;

use super::ServerConfig;
use crate::address::Endpoint;

/// `added_servers = { networks = ["10.0.0.0/8"], names = ["*.app.internal"], sockets = ["/run/app"] }`. Hosts
/// and sockets of the servers in the settings are allowed too.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddedServers {
    /// Networks in which the address of a server may be.
    pub networks: Vec<IpNet>,
    /// Names that may stand for a server: "app.internal", "*.app.internal".
    pub names: Vec<String>,
    /// Directories in which the socket of a server may be.
    pub sockets: Vec<PathBuf>,
}

/// Loopback and the private networks of RFC 1918, RFC 6598 and RFC 4193. Not the link-local one, where clouds
/// give out secrets.
const PRIVATE: [&str; 7] =
    ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

impl Default for AddedServers {
    fn default() -> Self {
        let networks = PRIVATE.iter().filter_map(|network| network.parse().ok()).collect();
        Self { networks, names: Vec::new(), sockets: Vec::new() }
    }
}

impl AddedServers {
    /// Whether `server` may be added to a pool whose settings list `known`.
    pub(crate) fn allow(&self, server: &ServerConfig, known: &[ServerConfig]) -> bool {
        let known = || known.iter().map(|known| known.address.endpoint());
        match server.address.endpoint() {
            Endpoint::Tcp { host, .. } => {
                let is_known =
                    |known: &Endpoint| matches!(known, Endpoint::Tcp { host: known, .. } if known == host);
                known().any(is_known)
                    || match host.parse::<std::net::IpAddr>() {
                        Ok(ip) => self.networks.iter().any(|network| network.contains(&ip.to_canonical())),
                        Err(_) => self.names.iter().any(|pattern| is_named(pattern, host)),
                    }
            }
            Endpoint::Srv(name) => {
                known().any(|known| matches!(known, Endpoint::Srv(known) if known == name))
                    || self.names.iter().any(|pattern| is_named(pattern, name))
            }
            Endpoint::Unix(path) => {
                let is_plain = path.components().all(|part| part != std::path::Component::ParentDir);
                let is_known = |known: &Endpoint| matches!(known, Endpoint::Unix(known) if known == path);
                is_plain
                    && (known().any(is_known) || self.sockets.iter().any(|allowed| path.starts_with(allowed)))
            }
        }
    }

    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        for directory in self.sockets.iter().filter(|directory| !directory.is_absolute()) {
            mistakes.push(format!("{path}.sockets"), format!("{} is not absolute", directory.display()));
        }
        let is_wrong = |name: &&String| {
            name.strip_prefix("*.").unwrap_or(name).contains(['*', ':', '/']) || name.is_empty()
        };
        for name in self.names.iter().filter(is_wrong) {
            let text = format!("\"{name}\" is not a name; write \"app.internal\" or \"*.app.internal\"");
            mistakes.push(format!("{path}.names"), text);
        }
    }
}

fn is_named(pattern: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        // "*.app.internal" is not "app.internal" itself.
        Some(end) => name.len() > end.len() && name.ends_with(end),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_added_where_settings_allow() {
        let server = |address: &str| ServerConfig::new(address.parse().unwrap());
        let known =
            ["uwsgi://203.0.113.7:3031", "uwsgi://web.example:3031", "unix:/run/shop/app.sock"].map(server);
        let usual = AddedServers::default();
        let own = AddedServers {
            networks: vec!["198.51.100.0/24".parse().unwrap()],
            names: vec!["*.App.internal".into()],
            sockets: vec!["/srv".into()],
        };
        for (address, usually, by_own) in [
            ("uwsgi://127.0.0.1:3031", true, false),
            ("uwsgi://[::1]:3031", true, false),
            ("uwsgi://10.1.2.3:3031", true, false),
            ("uwsgi://[::ffff:10.1.2.3]:3031", true, false),
            ("uwsgi://[fd00::1]:3031", true, false),
            ("uwsgi://203.0.113.7:3032", true, true),
            ("uwsgi://web.example:3032", true, true),
            ("unix:/run/shop/app.sock", true, true),
            ("unix:/run/shop/second.sock", false, false),
            ("unix:/run/redis.sock", false, false),
            ("unix:/srv/a/app.sock", false, true),
            ("unix:/srv/../run/redis.sock", false, false),
            ("uwsgi://198.51.100.9:3031", false, true),
            ("uwsgi://203.0.113.8:3031", false, false),
            ("uwsgi://169.254.169.254:80", false, false),
            ("uwsgi://localhost:3031", false, false),
            ("uwsgi://evil.example:3031", false, false),
            ("uwsgi://a.app.internal:3031", false, true),
            ("uwsgi://app.internal:3031", false, false),
            ("uwsgi://a.app.internal.evil.example:3031", false, false),
            ("uwsgi+srv://_web._tcp.app.internal", false, true),
            ("uwsgi+srv://_web._tcp.evil.example", false, false),
        ] {
            assert_eq!(usual.allow(&server(address), &known), usually, "{address}");
            assert_eq!(own.allow(&server(address), &known), by_own, "{address}");
        }
    }
}
