//! `server`: a site, with its names, its certificate and its locations.

use nginx_conf::Directive;

use crate::ledger::Ledger;
use crate::listen::{self, Listen};
use crate::location;
use crate::rules;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    http: &Scope<'a>,
    server: &'a Directive,
) -> Table {
    let scope = http.inside(server.children());
    let origin = translator.ledger.origin(server);
    let mut site = Table::new(Some(format!("{origin}: server")));
    names(translator, server, &mut site);
    let listens = listen::of_server(server, translator.options, &mut translator.ledger);
    let is_tls = listens.iter().any(|listen| listen.ssl);
    if is_tls
        && let Some(certificate) = listen::certificate(translator, &scope)
        && let Some(directive) = scope.one("ssl_certificate")
    {
        site.from("tls", Value::Inline(certificate), &translator.ledger.origin(directive));
    }
    if translator.can().routes {
        rules::translate(server.children(), &mut site, &mut translator.ledger);
        bind(&listens, &mut site, &mut translator.ledger);
    }
    let mut locations = Vec::new();
    for directive in server.children().iter().filter(|directive| directive.name() == "location") {
        locations.extend(location::translate(translator, &scope, directive));
    }
    // What no location matches is answered by the server's own directives.
    let has_root = server.children().iter().any(|directive| {
        directive.name() == "location" && directive.args.len() == 1 && directive.arg(0) == Some("/")
    });
    if !has_root {
        locations.push(location::of_server(translator, &scope));
    }
    site.set("location", Value::Sections(locations), "");
    site
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

/// `server_name`: all that are named; a name that no host can have stays, and answers none.
fn names(translator: &mut Translator<'_>, server: &Directive, site: &mut Table) {
    let mut names: Vec<String> = Vec::new();
    let mut origin = None;
    for directive in server.children().iter().filter(|directive| directive.name() == "server_name") {
        origin.get_or_insert_with(|| translator.ledger.origin(directive));
        for name in directive.texts() {
            let name = name.replace("$hostname", &translator.options.hostname);
            // `_` is no name, and an empty one is the request without a Host: the default server's.
            if name.is_empty() || name == "_" || names.contains(&name) {
                continue;
            }
            names.push(name);
        }
    }
    if let Some(origin) = origin.filter(|_| !names.is_empty()) {
        site.from("server_name", names, &origin);
    }
}
