//! What a server and a location say alike, and what a place takes from the one around it.

use nginx_conf::values;

use crate::ledger::Ledger;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::{
    access, auth_request, bodies, cache, compress, fields, files, logs, media_types, pass, pool_request,
    reply_rewrite, route, scripts,
};

/// Keys that a place takes from the one around it, whatever answers there.
const INHERITED: [&str; 58] = [
    "absolute_redirect",
    "access",
    "access_log",
    "auth_basic",
    "auth_delay",
    "auth_request",
    "autoindex",
    "body_buffer",
    "body_file",
    "buffering",
    "cache",
    "compress",
    "default_type",
    "early_hints",
    "error_log",
    "error_page",
    "expires",
    "fastcgi_index",
    "fastcgi_split_path_info",
    "gunzip",
    "ignore_client_abort",
    "index",
    "intercept_errors",
    "limit_conn",
    "limit_except",
    "limit_rate",
    "limit_rate_after",
    "limit_rate_after_by",
    "limit_rate_by",
    "limit_req",
    "log_not_found",
    "logs",
    "max_body",
    "max_ranges",
    "nosniff",
    "port_in_redirect",
    "precompressed",
    "pool_request",
    "priority",
    "real_ip_header",
    "recode",
    "replace",
    "real_ip_recursive",
    "recursive_error_pages",
    "reply_fields",
    "reply_rewrite",
    "request_buffering",
    "request_fields",
    "root",
    "satisfy",
    "secure_link",
    "server_name_in_redirect",
    "symlinks",
    "trailers",
    "trusted_proxies",
    "types",
    "variables",
    "charset",
];

/// Sets the keys of a place. `pattern` is that of a location.
pub(crate) fn answer<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    pattern: Option<&str>,
    table: &mut Table,
) {
    if let Some(internal) = scope.here("internal") {
        table.from("internal", true, &translator.ledger.origin(internal));
    }
    if let Some(status) = scope.here("stub_status") {
        table.from("stub_status", true, &translator.ledger.origin(status));
    }
    let pool = pattern.and_then(|pattern| pass::translate(translator, scope, pattern));
    if let Some(pool) = &pool {
        table.from("pool", pool.name.as_str(), &pool.origin);
        if let Some(choice) = &pool.choice {
            table.set("pool_choice", Value::Inline(choice.clone()), "");
        }
        if let Some(set) = &pool.variables {
            table.set("variables", set.as_str(), "");
        }
        let is_named = matches!(table.get("match"), Some(Value::Text(pattern)) if pattern.starts_with('@'));
        if let Some(path) = pool.pool_path.as_ref().filter(|_| !is_named) {
            table.from("pool_path", path.as_str(), &pool.origin);
        }
        if let Some(rewrite) = &pool.rewrite {
            table.noted("rewrite", vec![rewrite.as_str()], &pool.origin, "the path of proxy_pass");
        }
        application(translator, scope, table);
        body_buffer(translator, scope, table);
        pool_request::translate(translator, scope, pool.family, table);
        if let Some(hash) = &pool.hash {
            pool_request::tell("hash", hash.as_str(), table);
        }
        pool_request::values(scope, pool.family, table, translator);
        match pool.family {
            "fastcgi" => scripts::translate(translator, scope, table),
            "proxy" => early_hints(scope, table, &mut translator.ledger),
            _ => {}
        }
    }
    files::translate(translator, scope, pattern, pool.is_some(), table);
    media_types::translate(scope, translator.is_fragment, table, &mut translator.ledger);
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
    route::translate(scope, table, &mut translator.ledger);
    fields::of_reply(translator, scope, table);
    bodies::translate(translator, scope, table);
    access::translate(translator, scope, table);
    compress::translate(translator, scope, table);
    logs::of_place(translator, scope, table);
    logs::errors_of_place(translator, scope, table);
    missing_files(translator, scope, table);
    auth_request::translate(translator, scope, table);
    if let Some(pool) = &pool {
        cache::translate(translator, scope, pool.family, table);
        cache::check_ignored(translator, scope, pool.family);
        fields::to_application(translator, scope, pool.family, table);
        if pool.family == "proxy" {
            reply_rewrite::translate(translator, scope, pattern.unwrap_or_default(), table);
        }
    }
}

/// Takes away what the place around has and this one has not, and leaves out what both say alike. Returns
/// what is to be written; `full` becomes all that holds here.
pub(crate) fn within(full: &mut Table, outer: &Table) -> Table {
    for (key, off) in takes_away() {
        let is_of_files = matches!(key, "precompressed" | "autoindex");
        if outer.has(key) && !full.has(key) && !(is_of_files && full.has("pool")) {
            full.set(key, off, "");
        }
    }
    if outer.has("cache") && full.has("pool") && !full.has("cache") {
        let mut off = Table::default();
        off.set("enabled", false, "");
        full.set("cache", Value::Inline(off), "");
    }
    let keeps_root = ["alias", "pool", "try_files"].into_iter().any(|key| outer.has(key));
    let is_inherited = |key: &str| INHERITED.contains(&key) && !(key == "root" && keeps_root);
    let mut said = full.clone().without(outer, is_inherited);
    let replaces = |key: &str| said.has(key) && outer.has(key);
    if replaces("reply_fields") || replaces("request_fields") {
        said.set("inherit_fields", "replace", "as in nginx");
    }
    let has_root = full.has("root");
    full.inherit(outer, |key| INHERITED.contains(&key) || key == "alias" && !has_root);
    said
}

/// What says that something of the place around does not hold here.
fn takes_away() -> [(&'static str, Value); 24] {
    let mut no_charset = Table::default();
    no_charset.set("charset", "", "");
    let mut no_texts = Table::default();
    no_texts.set("texts", Value::List(Vec::new()), "");
    [
        ("access_log", true.into()),
        ("auth_basic", false.into()),
        ("auth_request", false.into()),
        ("autoindex", false.into()),
        ("buffering", true.into()),
        ("compress", false.into()),
        ("early_hints", "".into()),
        ("expires", "off".into()),
        ("gunzip", false.into()),
        ("ignore_client_abort", false.into()),
        ("intercept_errors", false.into()),
        ("limit_except", Value::List(Vec::new())),
        ("limit_rate", 0.into()),
        ("limit_rate_after", 0.into()),
        ("log_not_found", true.into()),
        ("pool_request", Value::Inline(Table::default())),
        ("precompressed", false.into()),
        ("recode", Value::Inline(no_charset)),
        ("recursive_error_pages", false.into()),
        ("replace", Value::Inline(no_texts)),
        ("reply_rewrite", Value::Inline(Table::default())),
        ("request_buffering", true.into()),
        ("trailers", Value::List(Vec::new())),
        ("variables", "".into()),
    ]
}

/// What stands for "no limit": a tebibyte.
const UNBOUNDED: u64 = 1 << 40;

/// Bytes in the largest unit that says them exactly.
fn size(bytes: u64) -> Value {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit).into();
        }
    }
    bytes.into()
}

fn application(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    for (key, name, unless) in [
        ("request_buffering", "request_buffering", true),
        ("buffering", "buffering", true),
        ("ignore_client_abort", "ignore_client_abort", false),
    ] {
        for family in ["proxy", "uwsgi", "fastcgi"] {
            let Some(directive) = scope.one(&format!("{family}_{name}")) else { continue };
            let on = directive.arg(0).is_some_and(|value| value.eq_ignore_ascii_case("on"));
            if on != unless {
                table.from(key, on, &translator.ledger.origin(directive));
            }
        }
    }
}

/// How much of a body `$request_body` may hold, where the file uses it.
fn body_buffer(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    if !translator.uses_bodies {
        return;
    }
    match scope.one("client_body_buffer_size").and_then(|one| Some((one, values::size(one.arg(0)?)?))) {
        Some((directive, bytes)) => table.from("body_buffer", bytes, &translator.ledger.origin(directive)),
        None => table.set("body_buffer", size(16 << 10), "nginx's default"),
    }
    let files = match scope.arg("client_body_in_file_only") {
        Some("on") => "keep",
        Some("clean") => "all",
        _ if translator.names_bodies => "long",
        _ => return,
    };
    table.set("body_file", files, "client_body_in_file_only");
}

fn early_hints(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    let Some(directive) = scope.one("early_hints") else { return };
    let conditions: Vec<&str> = directive.texts().collect();
    match conditions.as_slice() {
        [condition] => table.from("early_hints", *condition, &ledger.origin(directive)),
        _ => ledger.not_done(directive, "there is one condition", "make one of them with a map"),
    }
}

/// Whether files that are not there are logged.
fn missing_files(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    if scope.is_off("log_not_found")
        && !table.has("pool")
        && let Some(directive) = scope.one("log_not_found")
    {
        table.from("log_not_found", false, &translator.ledger.origin(directive));
    }
}
