//! `upstream`: servers, and how requests are spread over them.

use nginx_conf::{Directive, values};

use crate::ledger::Ledger;
use crate::limits::time;
use crate::settings::{Table, Value};
use crate::sticky;

/// The protocols that a pool can speak, as the beginning of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Uwsgi,
    Fastcgi,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Uwsgi => "uwsgi",
            Self::Fastcgi => "fastcgi",
        }
    }

    /// An address of nginx's, `host:port`, `host` or `unix:/path`, as Weir writes it.
    pub(crate) fn address(self, text: &str) -> String {
        let name = self.name();
        match text.strip_prefix("unix:") {
            Some(path) => format!("{name}+unix://{path}"),
            None if has_port(text) => format!("{name}://{text}"),
            None if self == Self::Https => format!("{name}://{text}:443"),
            None => format!("{name}://{text}:80"),
        }
    }

    /// HTTP, with TLS or without.
    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// Whether some server's name is looked up again and again.
pub(crate) fn resolves(upstream: &Directive) -> bool {
    let servers = upstream.children().iter().filter(|directive| directive.name() == "server");
    servers.flat_map(Directive::texts).any(|parameter| parameter == "resolve")
}

fn has_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The keys of a pool that an `upstream` block tells. Without `server` lines there is nothing.
pub(crate) fn translate(upstream: &Directive, scheme: Scheme, table: &mut Table, ledger: &mut Ledger<'_>) {
    let mut servers: Vec<Table> = Vec::new();
    for directive in upstream.children() {
        match directive.name() {
            "server" => add(server(directive, scheme, ledger), &mut servers),
            "least_conn" => table.from("balance", "least_conn", &ledger.origin(directive)),
            "ip_hash" => table.from("balance", "ip_hash", &ledger.origin(directive)),
            "least_time" => table.from("balance", "least_time", &ledger.origin(directive)),
            "random" => table.from("balance", "random_two", &ledger.origin(directive)),
            "hash" => hash(directive, table, ledger),
            "sticky" => {
                sticky::translate(directive, upstream.arg(0).unwrap_or_default(), table, ledger);
            }
            _ => {}
        }
    }
    table.set("tries", u64::try_from(servers.len().max(1)).unwrap_or(1), "as many as there are servers");
    table.set("servers", Value::List(servers.into_iter().map(shortest).collect()), "");
    keepalive(upstream, scheme, table, ledger);
}

/// Adds a server. As in nginx, one that is named twice is another one.
fn add(mut server: Table, servers: &mut Vec<Table>) {
    if servers.iter().any(|known| known.get("address") == server.get("address")) {
        server.set("again", true, "");
    }
    servers.push(server);
}

/// The address alone where there is nothing else.
fn shortest(server: Table) -> Value {
    let address = server.get("address").cloned().unwrap_or(Value::Flag(false));
    let mut plain = Table::default();
    plain.set("address", address.clone(), "");
    if server.says(&plain) { address } else { Value::Inline(server) }
}

fn server(directive: &Directive, scheme: Scheme, ledger: &mut Ledger<'_>) -> Table {
    let address = scheme.address(directive.arg(0).unwrap_or_default());
    let mut table = Table::default();
    table.set("address", address.as_str(), "");
    for parameter in directive.texts().skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let number = values::number(value);
        let milliseconds = values::milliseconds(value);
        match (name, number, milliseconds) {
            ("weight" | "max_conns" | "max_fails", Some(number), _) => table.set(name, number, ""),
            ("fail_timeout" | "slow_start", _, Some(value)) => table.set(name, time(value), ""),
            ("backup" | "down" | "drain" | "resolve", ..) if value.is_empty() => table.set(name, true, ""),
            _ => ledger.not_done(
                directive,
                format!("the parameter `{parameter}` is not there"),
                "leave it out",
            ),
        }
    }
    table
}

/// `hash KEY [consistent]`: locations tell what the key is for each request.
fn hash(directive: &Directive, table: &mut Table, ledger: &Ledger<'_>) {
    let consistent = directive.arg(1) == Some("consistent");
    let balance = if consistent { "hash" } else { "hash_modulo" };
    table.from("balance", balance, &ledger.origin(directive));
    table.set("hash_key", "told", "");
}

/// What the `hash` of a block looks at.
pub(crate) fn hash_key(upstream: &Directive) -> Option<&str> {
    let hash = upstream.children().iter().find(|directive| directive.name() == "hash")?;
    hash.arg(0)
}

fn keepalive(upstream: &Directive, scheme: Scheme, table: &mut Table, ledger: &mut Ledger<'_>) {
    if !scheme.is_http() {
        return;
    }
    let one = |name: &str| upstream.children().iter().find(|directive| directive.name() == name);
    let mut keepalive = Table::default();
    if let Some(count) = one("keepalive").and_then(|directive| values::number(directive.arg(0)?)) {
        keepalive.set("connections", count, "");
    }
    for (key, name) in [("timeout", "keepalive_timeout"), ("age", "keepalive_time")] {
        if let Some(milliseconds) = one(name).and_then(|directive| values::milliseconds(directive.arg(0)?)) {
            keepalive.set(key, time(milliseconds), "");
        }
    }
    if let Some(count) = one("keepalive_requests").and_then(|directive| values::number(directive.arg(0)?)) {
        keepalive.set("requests", count, "");
    }
    let origin = ["keepalive", "keepalive_timeout", "keepalive_time", "keepalive_requests"];
    if let Some(directive) = origin.into_iter().find_map(one) {
        table.from("keepalive", Value::Inline(keepalive), &ledger.origin(directive));
    }
}
