//! Who may ask, and how much: `allow`, `deny`, `auth_basic`, `satisfy`, `limit_req`, `limit_conn` and
//! `limit_rate`.

use nginx_conf::{Directive, values};

use crate::limits::time;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    rules(translator, scope, table);
    password(translator, scope, table);
    if let Some(directive) = scope.one("satisfy") {
        table.from("satisfy", directive.arg(0).unwrap_or("all"), &translator.ledger.origin(directive));
    }
    if let Some((directive, delay)) =
        scope.one("auth_delay").and_then(|one| Some((one, values::milliseconds(one.arg(0)?)?)))
        && delay > 0
    {
        table.from("auth_delay", time(delay), &translator.ledger.origin(directive));
    }
    requests(translator, scope, table);
    connections(translator, scope, table);
    for name in ["limit_rate", "limit_rate_after"] {
        let Some(directive) = scope.one(name) else { continue };
        match directive.arg(0).and_then(values::size) {
            Some(bytes) => table.from(name, bytes, &translator.ledger.origin(directive)),
            None => {
                let text = directive.arg(0).unwrap_or_default();
                table.from(&format!("{name}_by"), text, &translator.ledger.origin(directive));
            }
        }
    }
    if let Some(set) = sets_limit_rate(scope.own()) {
        table.from("limit_rate_by", "$limit_rate", &translator.ledger.origin(set));
    }
    // What the application is read at is what a client gets, if that is not bounded by itself.
    let reads = ["proxy_limit_rate", "uwsgi_limit_rate", "fastcgi_limit_rate"];
    let reads = reads.into_iter().find_map(|name| scope.one(name));
    if let Some(directive) = reads.filter(|_| scope.one("limit_rate").is_none() && table.has("pool")) {
        let text = directive.arg(0).unwrap_or_default();
        match values::size(text) {
            Some(bytes) => table.from("limit_rate", bytes, &translator.ledger.origin(directive)),
            None => table.from("limit_rate_by", text, &translator.ledger.origin(directive)),
        }
    }
}

/// `set $limit_rate 10k;`, perhaps in an `if`: the variable is nginx's own, and its value counts.
fn sets_limit_rate(block: &[Directive]) -> Option<&Directive> {
    block.iter().find_map(|directive| match directive.name() {
        "set" if directive.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("$limit_rate")) => {
            Some(directive)
        }
        "if" => sets_limit_rate(directive.children()),
        _ => None,
    })
}

/// The rules of the nearest block that has any, in its order.
fn rules(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    let found = scope.nearest(&["allow", "deny"]);
    let Some(first) = found.first() else { return };
    let mut rules = Vec::new();
    for directive in &found {
        let network = directive.arg(0).unwrap_or_default();
        rules.push(format!("{} {network}", directive.name()));
        // What follows decides nothing.
        if network == "all" {
            break;
        }
    }
    table.from("access", rules, &translator.ledger.origin(first));
}

fn password(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    let Some(directive) = scope.one("auth_basic").filter(|directive| directive.arg(0) != Some("off")) else {
        return;
    };
    let Some(file) = scope.arg("auth_basic_user_file") else {
        return translator.ledger.not_done(directive, "there is no auth_basic_user_file", "");
    };
    let realm = directive.arg(0).unwrap_or_default();
    let mut auth = Table::default();
    auth.set("realm", realm, "");
    auth.set("file", translator.conf_path(file), "");
    if file.starts_with('$') {
        auth.set("directory", translator.conf_path(""), "");
    }
    auth.set("pass", true, "");
    auth.set("checked", false, "");
    table.from("auth_basic", Value::Inline(auth), &translator.ledger.origin(directive));
}

fn requests(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    let found = scope.all("limit_req");
    let Some(first) = found.first() else { return };
    let mut limits = Vec::new();
    for directive in &found {
        let mut limit = Table::default();
        for parameter in directive.texts() {
            match parameter.split_once('=') {
                Some(("zone", zone)) => limit.set("zone", zone, ""),
                Some((name @ ("burst" | "delay"), text)) => {
                    limit.set(name, values::number(text).unwrap_or(0), "")
                }
                None if parameter == "nodelay" => limit.set("nodelay", true, ""),
                _ => translator.ledger.not_done(directive, format!("`{parameter}` is not known"), ""),
            }
        }
        status(scope, "limit_req", &mut limit);
        limits.push(Value::Inline(limit));
    }
    table.from("limit_req", Value::List(limits), &translator.ledger.origin(first));
}

fn connections(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    let found = scope.all("limit_conn");
    let Some(first) = found.first() else { return };
    let limit = |directive: &&Directive| {
        let mut limit = Table::default();
        limit.set("zone", directive.arg(0).unwrap_or_default(), "");
        limit.set("connections", directive.arg(1).and_then(values::number).unwrap_or(0), "");
        status(scope, "limit_conn", &mut limit);
        Value::Inline(limit)
    };
    let limits = Value::List(found.iter().map(limit).collect());
    table.from("limit_conn", limits, &translator.ledger.origin(first));
}

fn status(scope: &Scope<'_>, name: &str, limit: &mut Table) {
    if let Some(status) = scope.arg(&format!("{name}_status")).and_then(values::number) {
        limit.set("status", status, "");
    }
    if scope.is_on(&format!("{name}_dry_run")) {
        limit.set("dry_run", true, "");
    }
    if let Some(level) = scope.arg(&format!("{name}_log_level")) {
        limit.set("log_level", level, "");
    }
}

/// `limit_req_zone`, `limit_conn_zone` of `http`.
pub(crate) fn zones<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let mut zones = Table::new(None);
    for directive in http.own() {
        if !matches!(directive.name(), "limit_req_zone" | "limit_conn_zone") {
            continue;
        }
        let mut zone = Table::default();
        let mut name = String::new();
        zone.set("key", directive.arg(0).unwrap_or_default(), "");
        for parameter in directive.texts().skip(1) {
            match parameter.split_once('=') {
                Some(("zone", text)) => name = text.split(':').next().unwrap_or_default().to_owned(),
                Some(("rate", rate)) => zone.set("rate", rate, ""),
                None if parameter == "sync" => zone.set("shared", true, ""),
                _ => {}
            }
        }
        zones.from(&name, Value::Inline(zone), &translator.ledger.origin(directive));
    }
    if !zones.is_empty() {
        edge.set("limit_zones", Value::Section(zones), "");
    }
}
