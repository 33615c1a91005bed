//! `location`: its match, its files or its pool, and what holds for its requests.

use nginx_conf::{Directive, values};

use crate::access;
use crate::cache;
use crate::compress;
use crate::fields;
use crate::pass;
use crate::route;
use crate::rules;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// A location's table, or `None` for one that cannot be said.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    server: &Scope<'a>,
    location: &'a Directive,
) -> Option<Table> {
    let pattern = pattern(location);
    let routes = translator.can().routes;
    if pattern.starts_with('@') && !routes {
        translator.ledger.not_done(location, "named locations are not there yet", "");
        return None;
    }
    let scope = server.inside(location.children());
    let nested = location.children().iter().filter(|directive| directive.name() == "location");
    for nested in nested.filter(|_| !routes) {
        translator.ledger.not_done(
            nested,
            "locations within locations are not there yet",
            "write it beside the outer one",
        );
    }
    let origin = translator.ledger.origin(location);
    let mut table = Table::new(Some(format!("{origin}: location {pattern}")));
    table.set("match", pattern.as_str(), "");
    answer(translator, &scope, &pattern, &mut table);
    if routes {
        let nested = location.children().iter().filter(|directive| directive.name() == "location");
        let nested: Vec<Table> = nested.filter_map(|nested| translate(translator, &scope, nested)).collect();
        if !nested.is_empty() {
            table.set("location", Value::Sections(nested), "");
        }
        rules::translate(location.children(), &mut table, &mut translator.ledger);
    }
    Some(table)
}

/// What answers paths that no location of the server matches.
pub(crate) fn of_server<'a>(translator: &mut Translator<'a>, server: &Scope<'a>) -> Table {
    let mut table = Table::new(Some("paths that no location of this server matches".to_owned()));
    table.set("match", "/", "");
    answer(translator, server, "/", &mut table);
    table
}

/// `location = /x`, `location ~ re`: as Weir writes a `match`.
fn pattern(location: &Directive) -> String {
    match (location.arg(0), location.arg(1)) {
        (Some(sign), Some(path)) => format!("{sign} {path}"),
        (Some(path), None) => {
            // The sign may stand right before the path.
            let sign =
                ["^~", "~*", "~", "="].into_iter().find_map(|sign| Some((sign, path.strip_prefix(sign)?)));
            sign.map_or_else(|| path.to_owned(), |(sign, path)| format!("{sign} {path}"))
        }
        _ => String::new(),
    }
}

fn answer<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, pattern: &str, table: &mut Table) {
    if let Some(internal) = scope.here("internal") {
        table.from("internal", true, &translator.ledger.origin(internal));
    }
    if let Some(pool) = pass::translate(translator, scope, pattern) {
        table.from("pool", pool.name, &pool.origin);
        if let Some(set) = pool.variables {
            table.set("variables", set, "");
        }
        application(translator, scope, table);
        fields::to_application(translator, scope, pool.family, table);
        cache::translate(translator, scope, pool.family, table);
    } else {
        files(translator, scope, pattern, table);
    }
    if let Some(directive) = scope.one("client_max_body_size") {
        let bytes = directive.arg(0).and_then(values::offset).unwrap_or(1 << 20);
        let origin = translator.ledger.origin(directive);
        match bytes {
            0 => table.noted("max_body", UNBOUNDED, &origin, "no limit"),
            bytes => table.from("max_body", size(bytes), &origin),
        }
    }
    if let Some(directive) = scope.one("expires") {
        fields::expires(translator, directive, table);
    }
    if translator.can().routes {
        route::translate(scope, table, &mut translator.ledger);
    }
    fields::of_reply(translator, scope, table);
    access::translate(translator, scope, table);
    compress::translate(translator, scope, table);
    logs(translator, scope, table);
}

/// What stands for "no limit": a tebibyte.
const UNBOUNDED: u64 = 1 << 40;

/// Bytes in the largest unit that says them exactly.
pub(crate) fn size(bytes: u64) -> Value {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit).into();
        }
    }
    bytes.into()
}

fn application(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    for (key, directives, unless) in [
        ("request_buffering", ["proxy_request_buffering", "uwsgi_request_buffering"], true),
        ("buffering", ["proxy_buffering", "uwsgi_buffering"], true),
        ("ignore_client_abort", ["proxy_ignore_client_abort", "uwsgi_ignore_client_abort"], false),
    ] {
        for directive in directives.into_iter().filter_map(|name| scope.one(name)) {
            let on = directive.arg(0).is_some_and(|value| value.eq_ignore_ascii_case("on"));
            if on != unless {
                table.from(key, on, &translator.ledger.origin(directive));
            }
        }
    }
}

fn files(translator: &mut Translator<'_>, scope: &Scope<'_>, pattern: &str, table: &mut Table) {
    let alias = scope.here("alias");
    let root = scope.one("root");
    match (alias, root) {
        (Some(directive), _) => {
            let text = directive.arg(0).unwrap_or_default();
            if text.contains('$') && !translator.can().routes {
                let why = "a path with variables cannot be looked up yet";
                return translator.ledger.not_done(
                    directive,
                    why,
                    "write a prefix location with a fixed alias",
                );
            }
            if pattern.starts_with('~') && !translator.can().routes {
                let why = "an alias in a location with a regex must hold its captures";
                return translator.ledger.not_done(
                    directive,
                    why,
                    "write a prefix location with a fixed alias",
                );
            }
            trap_of_slash(translator, pattern, directive);
            let origin = translator.ledger.origin(directive);
            table.from("alias", translator.path(text), &origin);
        }
        (None, Some(directive)) => {
            let text = directive.arg(0).unwrap_or_default();
            if text.contains('$') && !translator.can().routes {
                let why = "a path with variables cannot be looked up yet";
                return translator.ledger.not_done(directive, why, "write a fixed path");
            }
            let origin = translator.ledger.origin(directive);
            table.from("root", translator.path(text), &origin);
        }
        (None, None) => table.set("root", translator.path("html"), "nginx's default"),
    }
    if let Some(directive) = scope.one("index") {
        let names: Vec<String> =
            scope.all("index").iter().flat_map(|index| index.texts()).map(str::to_owned).collect();
        if names.iter().any(|name| name.contains('$') || name.starts_with('/')) {
            translator.ledger.not_done(directive, "an index must be a plain name", "name the file alone");
        } else {
            let origin = translator.ledger.origin(directive);
            table.from("index", names, &origin);
        }
    }
    if scope.arg("disable_symlinks").is_none_or(|value| value == "off") {
        table.set("symlinks", "follow", "nginx's default");
    }
    if let Some(directive) = scope.one("gzip_static")
        && directive.arg(0) != Some("off")
    {
        table.from("precompressed", true, &translator.ledger.origin(directive));
    }
}

/// `location /static { alias /srv/static/; }`: `/static../settings.py` is a file of the parent directory.
fn trap_of_slash(translator: &mut Translator<'_>, pattern: &str, alias: &Directive) {
    let path = pattern.trim_start_matches("^~").trim_start();
    let text = alias.arg(0).unwrap_or_default();
    if !path.starts_with('=') && !path.ends_with('/') && text.ends_with('/') {
        let trap = format!(
            "`{path}..` would lead to files of the parent directory, which Weir refuses; write `location {path}/`"
        );
        translator.ledger.trap(alias, trap);
    }
}

fn logs(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    if let Some(directive) = scope.one("access_log")
        && directive.arg(0) == Some("off")
    {
        table.from("access_log", false, &translator.ledger.origin(directive));
    }
    if scope.is_off("log_not_found")
        && !table.has("pool")
        && let Some(directive) = scope.one("log_not_found")
    {
        table.from("log_not_found", false, &translator.ledger.origin(directive));
    }
}
