//! `server`: a site, with its names, its certificate and its locations.

use nginx_conf::Directive;

use crate::branches;
use crate::forwarded;
use crate::ledger::Ledger;
use crate::listen::{self, Listen};
use crate::location;
use crate::place;
use crate::referers;
use crate::regex;
use crate::rules;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::unnamed::BlockLocations;

pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    http: &Scope<'a>,
    server: &'a Directive,
) -> Table {
    let scope = http.inside(server.children());
    let origin = translator.ledger.origin(server);
    let mut site = Table::new(Some(format!("{origin}: server")));
    names(translator, server, &mut site);
    let mut listens = listen::of_server(server, translator.options, &mut translator.ledger);
    for listen in &mut listens {
        listen.ssl |= translator.tls.contains(&listen.address);
    }
    let is_tls = listens.iter().any(|listen| listen.ssl);
    let rejects = scope.is_on("ssl_reject_handshake");
    if let Some(directive) = scope.one("ssl_reject_handshake").filter(|_| rejects && is_tls) {
        site.from("tls", "reject", &translator.ledger.origin(directive));
    } else if is_tls
        && let Some(certificate) = listen::certificate(translator, &scope)
        && let Some(directive) = scope.one("ssl_certificate")
    {
        site.from("tls", Value::Inline(certificate), &translator.ledger.origin(directive));
    }
    bind(&listens, &mut site, &mut translator.ledger);
    translator.server = ServerFacts::of(&listens, server);
    if translator.trusts_proxies {
        translator.server.scheme = None;
    }
    // What no location matches is answered by the server's own directives.
    let mut full = Table::default();
    forwarded::of_place(translator, &scope, &mut full);
    place::answer(translator, &scope, None, &mut full);
    let branches =
        rules::translate(server.children(), &BlockLocations::default(), &mut full, &mut translator.ledger);
    branches::apply(translator, &branches, &mut full);
    captures(server, &mut full);
    referers::translate(translator, &scope, &mut full);
    translator.site = full.clone();
    let mut locations = Vec::new();
    for directive in server.children().iter().filter(|directive| directive.name() == "location") {
        locations.extend(location::translate(translator, (&scope, &full), directive));
    }
    locations.append(&mut translator.unnamed);
    site.extend(full);
    if !locations.is_empty() {
        site.set("location", Value::Sections(locations), "");
    }
    site
}

/// What is the same for all requests to a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    /// `http` or `https`, where all its listeners are alike.
    pub(crate) scheme: Option<&'static str>,
    pub(crate) port: Option<String>,
    pub(crate) name: Option<String>,
}

impl ServerFacts {
    fn of(listens: &[Listen<'_>], server: &Directive) -> Self {
        let scheme = match listens.iter().filter(|listen| listen.ssl).count() {
            0 => Some("http"),
            count if count == listens.len() => Some("https"),
            _ => None,
        };
        let port = |listen: &Listen<'_>| {
            let (_, port) = listen.address.rsplit_once(':').filter(|(host, _)| *host != "unix")?;
            Some(port.to_owned())
        };
        let ports: Vec<_> = listens.iter().map(port).collect();
        let name = server.children().iter().find(|directive| directive.name() == "server_name");
        let plain =
            |name: &&str| !name.is_empty() && !name.contains(['*', '~', '$']) && !name.starts_with('.');
        Self {
            scheme,
            port: ports.first().filter(|first| ports.iter().all(|port| port == *first)).cloned().flatten(),
            name: name.and_then(|name| name.arg(0)).filter(plain).map(str::to_owned),
        }
    }

    /// A text with the variables filled in that have one value here.
    pub(crate) fn filled(&self, text: &str) -> String {
        let known = [
            ("scheme", self.scheme),
            ("server_port", self.port.as_deref()),
            ("server_name", self.name.as_deref()),
        ];
        known.into_iter().fold(text.to_owned(), |text, (name, value)| match value {
            Some(value) => with_variable(&text, name, value),
            None => text,
        })
    }
}

/// `$name` and `${name}` replaced.
pub(crate) fn with_variable(text: &str, name: &str, value: &str) -> String {
    let (bare, braced) = (format!("${name}"), format!("${{{name}}}"));
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let from = rest.get(before.len()..).unwrap_or_default();
        filled.push_str(before);
        let is_whole = |after: &&str| !after.starts_with(is_of_name);
        let behind = from.strip_prefix(&braced).or_else(|| from.strip_prefix(&bare).filter(is_whole));
        rest = match behind {
            Some(behind) => {
                push_apart(&mut filled, value);
                behind
            }
            None => {
                filled.push('$');
                after
            }
        };
    }
    filled + rest
}

/// Appends a text that must not lengthen the name of a variable before it.
fn push_apart(filled: &mut String, value: &str) {
    let of_name = filled.rsplit_once('$').map(|(before, name)| (before.len(), name));
    if let Some((at, name)) = of_name
        && !name.is_empty()
        && name.chars().all(is_of_name)
        && value.starts_with(is_of_name)
    {
        filled.insert(at + 1, '{');
        filled.push('}');
    }
    filled.push_str(value);
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// The listeners that the server answers on, and those where it answers hosts that no server names.
fn bind(listens: &[Listen<'_>], site: &mut Table, ledger: &mut Ledger<'_>) {
    let addresses: Vec<&str> = listens.iter().map(|listen| listen.address.as_str()).collect();
    match listens.first().and_then(|listen| listen.directive) {
        Some(directive) => site.from("listen", addresses, &ledger.origin(directive)),
        None => site.set("listen", addresses, "nginx's default"),
    }
    let of_default = listens.iter().filter(|listen| listen.is_default);
    let of_default: Vec<&str> = of_default.map(|listen| listen.address.as_str()).collect();
    if !of_default.is_empty() {
        site.set("default_server", of_default, "");
    }
}

/// What a regex of `server_name` captures: a rule before all others, which matches the host again.
fn captures(server: &Directive, site: &mut Table) {
    let names = server.children().iter().filter(|directive| directive.name() == "server_name");
    let patterns = names.flat_map(Directive::texts).filter_map(|name| name.strip_prefix('~'));
    let mut rules = Vec::new();
    for pattern in patterns.filter(|pattern| pattern.contains('(')) {
        let pattern = regex::translated(pattern);
        let groups = regex::group_names(&pattern);
        let mut set = Table::default();
        for name in &groups {
            set.set(name, format!("${name}"), "");
        }
        if groups.is_empty() {
            set.set("server_name_matched", "1", "");
        }
        let sign = if pattern.contains(|letter: char| letter.is_ascii_uppercase()) { "~*" } else { "~" };
        let mut when = Table::default();
        when.set("host", format!("{sign} {pattern}"), "");
        let mut rule = Table::new(Some("what server_name captures".to_owned()));
        rule.set("when", Value::Inline(when), "");
        rule.set("set", Value::Inline(set), "");
        rules.push(rule);
    }
    if let Some(Value::Sections(own)) = site.get("rule") {
        rules.extend(own.iter().cloned());
    }
    if !rules.is_empty() {
        site.set("rule", Value::Sections(rules), "");
    }
}

/// `server_name`: all that are named; a name that no host can have stays, and answers none.
fn names(translator: &mut Translator<'_>, server: &Directive, site: &mut Table) {
    let mut names: Vec<String> = Vec::new();
    let mut origin = None;
    for directive in server.children().iter().filter(|directive| directive.name() == "server_name") {
        origin.get_or_insert_with(|| translator.ledger.origin(directive));
        for name in directive.texts() {
            let name = name.replace("$hostname", &translator.options.hostname);
            // An empty one is that of requests without a Host.
            if name == "_" || names.contains(&name) {
                continue;
            }
            match name.strip_prefix('.').filter(|rest| !rest.is_empty()) {
                // Both in one; the server's own name is that without the dot.
                Some(rest) => names.extend([rest.to_owned(), format!("*.{rest}")]),
                None if name.starts_with('~') => names.push(regex::translated(&name)),
                None => names.push(name),
            }
        }
    }
    if let Some(origin) = origin.filter(|_| !names.is_empty()) {
        site.from("server_name", names, &origin);
    }
}
