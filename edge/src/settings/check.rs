//! What must hold between settings, beyond what the type of each says.

use std::net::SocketAddr;
use std::time::Duration;

use process::settings::{Mistakes, OneOrMany};
use weir_proto::tls::Tls;

use crate::settings::{Config, Listen, NO_TIME, TlsSetting, listener_bounds};

/// A fifth of it is the time between two heartbeats.
const SHORTEST_GRACE: Duration = Duration::from_millis(100);
const LONGEST_GRACE: Duration = Duration::from_secs(60);
/// A cache-node waits for at most this long.
const LONGEST_PURGE: Duration = Duration::from_secs(30);

impl Config {
    /// Reports everything that deserialising cannot see, each with its place. What the edge builds from the
    /// settings (names, patterns, cache rules) is checked by building it: [`crate::check`].
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        self.check_listeners(mistakes);
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
        self.check_times(mistakes);
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

    /// Nothing can be done in no time at all.
    fn check_times(&self, mistakes: &mut Mistakes) {
        let times = &self.timeouts;
        let all = [
            ("handshake", times.handshake),
            ("head", times.head),
            ("body", times.body),
            ("send", times.send),
            ("application", times.application),
        ];
        for (key, _) in all.iter().filter(|(_, time)| time.0.is_zero()) {
            mistakes.push(format!("edge.timeouts.{key}"), NO_TIME);
        }
        let limits = &self.limits;
        let counts = [
            ("connections", limits.connections == 0),
            ("requests_per_connection", limits.requests_per_connection == 0),
        ];
        for (key, _) in counts.iter().filter(|(_, is_none)| *is_none) {
            mistakes.push(format!("edge.limits.{key}"), "must be at least 1");
        }
    }

    fn check_listeners(&self, mistakes: &mut Mistakes) {
        if self.listen.is_empty() {
            mistakes.push("edge.listen", "must name at least one address, such as \"127.0.0.1:8080\"");
        }
        for (i, listen) in self.listen.iter().enumerate() {
            check_listener(&format!("edge.listen[{i}]"), listen, mistakes);
        }
        let announced = self.listen.iter().position(|listen| listen.proxy_protocol);
        if let Some(i) = announced.filter(|_| self.trusted_proxies.is_empty()) {
            let text = "nobody may use it: name the proxies in `edge.trusted_proxies`";
            mistakes.push(format!("edge.listen[{i}].proxy_protocol"), text);
        }
        for (i, site) in self.site.iter().enumerate() {
            if site.tls.as_ref().and_then(TlsSetting::files).is_some_and(|tls| tls.client.is_some()) {
                let text = "a handshake asks for it before the site is known; write it in `edge.listen`";
                mistakes.push(format!("edge.site[{i}].tls.client"), text);
            }
        }
        for (i, _) in
            self.listen.iter().enumerate().filter(|(_, listen)| listen.tls == Some(TlsSetting::Reject))
        {
            mistakes.push(
                format!("edge.listen[{i}].tls"),
                "a listener needs a certificate; only sites may reject",
            );
        }
        let some_tls = self.listen.iter().any(|listen| listen.tls.is_some());
        for (i, _) in self.site.iter().enumerate().filter(|(_, site)| site.tls.is_some() && !some_tls) {
            let text = "no listener has TLS; give one entry of `edge.listen` a certificate too";
            mistakes.push(format!("edge.site[{i}].tls"), text);
        }
    }
}

fn check_listener(path: &str, listen: &Listen, mistakes: &mut Mistakes) {
    match listen.address.strip_prefix("unix:") {
        Some(socket) if socket.starts_with('/') => {}
        Some(socket) => mistakes.push(path, format!("`{socket}` is no absolute path of a socket")),
        None => check_address(path, &listen.address, mistakes),
    }
    for (key, text) in listen.bounds.iter().flat_map(|bounds| listener_bounds::mistakes(bounds)) {
        mistakes.push(format!("{path}.bounds.{key}"), text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_in_no_time_and_by_nobody() {
        for (settings, said) in [
            ("timeouts = { send = \"0s\" }", "edge.timeouts.send: must be longer than zero"),
            ("timeouts = { application = 0 }", "edge.timeouts.application: must be longer than zero"),
            ("timeouts = { keepalive = \"0s\", wait = \"0s\" }", ""),
            ("limits = { connections = 0 }", "edge.limits.connections: must be at least 1"),
            (
                "listen = [{ address = \"[::1]:1\", bounds = { body_timeout = \"0s\" } }]",
                "edge.listen[0].bounds.body_timeout: must be longer",
            ),
        ] {
            let config: Config = toml::from_str(&format!("site = [{{}}]\n{settings}")).unwrap();
            let mut mistakes = Mistakes::default();
            config.check(&mut mistakes);
            let found = mistakes.to_string();
            assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{settings}: {found}");
        }
    }
}
