//! `listen`: the edge's listeners, and which of them each server answers on.

use nginx_conf::Directive;

use crate::client_certificate;
use crate::ledger::Ledger;
use crate::limits;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::{Options, Translator};

/// One `listen` of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen<'a> {
    /// As Weir writes it: `0.0.0.0:80`, `[::]:443`, `localhost:8080`.
    pub(crate) address: String,
    pub(crate) ssl: bool,
    pub(crate) http2: bool,
    pub(crate) proxy_protocol: bool,
    pub(crate) is_default: bool,
    /// `None`: nginx's default, where the server has no `listen`.
    pub(crate) directive: Option<&'a Directive>,
}

impl Listen<'_> {
    fn plain(address: String) -> Self {
        Self { address, ssl: false, http2: false, proxy_protocol: false, is_default: false, directive: None }
    }
}

/// What a server listens on.
pub(crate) fn of_server<'a>(
    server: &'a Directive,
    options: &Options,
    ledger: &mut Ledger<'_>,
) -> Vec<Listen<'a>> {
    let named = server.children().iter().filter(|directive| directive.name() == "listen");
    let mut found: Vec<_> = named.flat_map(|directive| parse(directive, ledger)).collect();
    let is_listening = server.children().iter().any(|directive| directive.name() == "listen");
    if !is_listening {
        let port = if options.is_root { 80 } else { 8000 };
        found.push(Listen::plain(format!("0.0.0.0:{port}")));
    }
    // `ssl on;` of old files.
    if Scope::new(server.children()).is_on("ssl") {
        found.iter_mut().for_each(|listen| listen.ssl = true);
    }
    found
}

/// The addresses where some server asks for TLS.
pub(crate) fn with_tls(servers: &[&Directive], options: &Options, ledger: &mut Ledger<'_>) -> Vec<String> {
    let listens = servers.iter().flat_map(|server| of_server(server, options, ledger));
    listens.filter(|listen| listen.ssl).map(|listen| listen.address).collect()
}

/// One or, for `ipv6only=off`, two addresses.
fn parse<'a>(directive: &'a Directive, ledger: &mut Ledger<'_>) -> Vec<Listen<'a>> {
    let Some(text) = directive.arg(0) else { return Vec::new() };
    let Some(addresses) = addresses(text) else {
        ledger.not_done(directive, format!("`{text}` is no address"), "name an address and a port");
        return Vec::new();
    };
    let Some((address, further)) = addresses.split_first() else { return Vec::new() };
    let mut listen = Listen { directive: Some(directive), ..Listen::plain(address.clone()) };
    let mut is_dual = false;
    for parameter in directive.texts().skip(1) {
        match parameter.split_once('=').map_or(parameter, |(name, _)| name) {
            "ssl" => listen.ssl = true,
            "http2" => listen.http2 = true,
            "default_server" | "default" => listen.is_default = true,
            "ipv6only" => is_dual = parameter == "ipv6only=off",
            "reuseport" | "backlog" | "rcvbuf" | "sndbuf" | "fastopen" | "accept_filter" | "deferred"
            | "bind" | "so_keepalive" | "setfib" | "multipath" => {}
            "quic" => ledger.left_out(directive, "Weir does not speak HTTP/3; clients use HTTP/2 instead"),
            "proxy_protocol" => listen.proxy_protocol = true,
            _ => ledger.not_done(directive, format!("the parameter `{parameter}` is not known"), ""),
        }
    }
    let mut found = Vec::new();
    for address in [address].into_iter().chain(further) {
        let second = address.strip_prefix("[::]:").filter(|_| is_dual);
        found.extend(second.map(|port| Listen { address: format!("0.0.0.0:{port}"), ..listen.clone() }));
        found.push(Listen { address: address.clone(), ..listen.clone() });
    }
    found
}

/// More ports than this in one range are a mistake.
const MOST_PORTS: usize = 1000;

/// One address, or those of a range of ports: `127.0.0.1:8000-8010`.
fn addresses(text: &str) -> Option<Vec<String>> {
    if let Some(path) = text.strip_prefix("unix:") {
        return path.starts_with('/').then(|| vec![text.to_owned()]);
    }
    let (front, last) = match text.rsplit_once('-') {
        Some((front, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            (front, last.parse::<u16>().ok()?)
        }
        _ => return address(text).map(|one| vec![one]),
    };
    let first = address(front)?;
    let (host, port) = first.rsplit_once(':')?;
    let ports: Vec<u16> = (port.parse().ok()?..=last).take(MOST_PORTS).collect();
    (!ports.is_empty()).then(|| ports.iter().map(|port| format!("{host}:{port}")).collect())
}

/// `80`, `*:80`, `127.0.0.1`, `[::1]:80`, `localhost:80` as host and port.
fn address(text: &str) -> Option<String> {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if is_port(text) {
        return Some(format!("0.0.0.0:{text}"));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, port),
        _ if text.ends_with(']') || !text.contains(':') => (text, "80"),
        _ => return None,
    };
    let host = if host == "*" { "0.0.0.0" } else { host };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    (!host.is_empty() && (is_bracketed || !host.contains(':'))).then(|| format!("{host}:{port}"))
}

/// `edge.listen`: each address once, with TLS where a server asks for it.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    http: &Scope<'a>,
    servers: &[&'a Directive],
    edge: &mut Table,
) {
    let mut addresses: Vec<Value> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let all: Vec<_> = servers
        .iter()
        .flat_map(|server| {
            let scope = http.inside(server.children());
            of_server(server, translator.options, &mut translator.ledger)
                .into_iter()
                .map(move |listen| (scope.clone(), listen))
        })
        .collect();
    for (_, listen) in &all {
        if seen.contains(&listen.address) {
            continue;
        }
        seen.push(listen.address.clone());
        let same: Vec<_> = all.iter().filter(|(_, other)| other.address == listen.address).collect();
        let is_tls = same.iter().any(|(_, listen)| listen.ssl);
        let http2 = same.iter().any(|(scope, listen)| listen.http2 || scope.is_on("http2"));
        let announced = same.iter().find(|(_, listen)| listen.proxy_protocol);
        let scopes: Vec<&Scope<'_>> = same.iter().map(|(scope, _)| scope).collect();
        // As in nginx, what is not known of a connection before its request is the default server's affair.
        let default = same.iter().find(|(_, listen)| listen.is_default).or_else(|| same.first());
        let bounds = default.and_then(|(scope, _)| limits::of_listener(scope));
        if !is_tls && !http2 && announced.is_none() && bounds.is_none() {
            addresses.push(listen.address.as_str().into());
            continue;
        }
        let mut table = Table::default();
        table.set("address", listen.address.as_str(), "");
        let certificate = same.iter().find_map(|(scope, _)| certificate(translator, scope));
        if is_tls && let Some(mut certificate) = certificate {
            client_certificate::translate(translator, &scopes, &mut certificate);
            let named = same.iter().find_map(|(scope, _)| scope.all("ssl_certificate").first().copied());
            match named.map(|directive| translator.ledger.origin(directive)) {
                Some(origin) => table.from("tls", Value::Inline(certificate), &origin),
                None => table.set("tls", Value::Inline(certificate), ""),
            }
        } else if is_tls && let Some(directive) = listen.directive {
            translator.ledger.not_done(directive, "no server here has an ssl_certificate", "");
        }
        table.set("http2", http2, "");
        if let Some(bounds) = bounds {
            table.set("bounds", Value::Inline(bounds), "");
        }
        if let Some((scope, listen)) = announced {
            table.set("proxy_protocol", true, "");
            if let Some(directive) = listen.directive.filter(|_| scope.one("set_real_ip_from").is_none()) {
                let why = "only balancers that are named may send the PROXY protocol";
                translator.ledger.not_done(directive, why, "name them: set_real_ip_from 10.0.0.0/8;");
            }
        }
        addresses.push(Value::Inline(table));
    }
    if !addresses.is_empty() {
        edge.set("listen", Value::List(addresses), "");
    }
}

/// The certificate of a server, and a second one with a key of another kind.
pub(crate) fn certificate(translator: &mut Translator<'_>, scope: &Scope<'_>) -> Option<Table> {
    let (certificates, keys) = (scope.all("ssl_certificate"), scope.all("ssl_certificate_key"));
    let mut pairs = certificates.iter().zip(&keys);
    let mut table = pair(translator, pairs.next()?)?;
    if let Some(mut second) = pairs.next().and_then(|second| pair(translator, second)) {
        second.set("replaces", true, "");
        table.set("also", Value::Inline(second), "");
    }
    for (further, _) in pairs {
        translator.ledger.left_out(further, "two certificates for each server");
    }
    Some(table)
}

fn pair(translator: &mut Translator<'_>, (certificate, key): (&&Directive, &&Directive)) -> Option<Table> {
    for directive in [certificate, key] {
        let text = directive.arg(0).unwrap_or_default();
        if text.contains('$') || text.starts_with("data:") || text.starts_with("engine:") {
            translator.ledger.not_done(directive, "the certificate and its key must be files", "");
            return None;
        }
    }
    let mut table = Table::default();
    table.set("certificate", translator.conf_path(certificate.arg(0)?), "");
    table.set("key", translator.conf_path(key.arg(0)?), "");
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_is_several_listeners() {
        let range = addresses("127.0.0.1:8000-8002").unwrap_or_default();
        assert_eq!(range, ["127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002"]);
        assert_eq!(addresses("my-host:80").unwrap_or_default(), ["my-host:80"]);
        assert_eq!(addresses("127.0.0.1:9-8"), None);
    }

    #[test]
    fn addresses_are_nginx_s() {
        let cases = [
            ("80", Some("0.0.0.0:80")),
            ("*:8080", Some("0.0.0.0:8080")),
            ("127.0.0.1", Some("127.0.0.1:80")),
            ("127.0.0.1:81", Some("127.0.0.1:81")),
            ("[::]:443", Some("[::]:443")),
            ("[::1]", Some("[::1]:80")),
            ("localhost:8000", Some("localhost:8000")),
            ("localhost", Some("localhost:80")),
            ("::1", None),
            ("0", Some("0:80")),
            ("127.0.0.1:8000-8010", None),
            ("", None),
        ];
        assert_eq!(addresses("unix:/run/a.sock"), Some(vec!["unix:/run/a.sock".to_owned()]));
        for (text, expected) in cases {
            assert_eq!(address(text).as_deref(), expected, "{text}");
        }
    }
}
