//! Where a request goes within a place: `try_files`, `error_page`, `autoindex`, `types`, `limit_except` and
//! the form of redirects.

use nginx_conf::Directive;

use crate::ledger::Ledger;
use crate::scope::Scope;
use crate::settings::{Table, Value};

/// More types than this are nginx's own list, which Weir has too.
const OWN_LIST: usize = 40;

pub(crate) fn translate(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    if let Some(directive) = scope.here("try_files") {
        let files: Vec<String> = directive.texts().map(str::to_owned).collect();
        table.from("try_files", files, &ledger.origin(directive));
    }
    error_pages(scope, table, ledger);
    if let Some(directive) = scope.one("autoindex")
        && scope.is_on("autoindex")
    {
        let origin = ledger.origin(directive);
        match scope.arg("autoindex_format") {
            None | Some("html") => table.from("autoindex", true, &origin),
            Some("json") => table.from("autoindex", "json", &origin),
            Some(other) => {
                ledger.not_done(directive, format!("a list in {other} is not there"), "use html or json")
            }
        }
    }
    types(scope, table, ledger);
    if let Some(directive) = scope.here("limit_except") {
        let is_refusal =
            directive.children().iter().all(|line| line.name() == "deny" && line.arg(0) == Some("all"));
        if is_refusal && !directive.children().is_empty() {
            let methods: Vec<String> = directive.texts().map(str::to_owned).collect();
            table.from("limit_except", methods, &ledger.origin(directive));
            directive.children().iter().for_each(|line| ledger.done(line));
        } else {
            ledger.not_done(directive, "other methods can only be refused", "write { deny all; }");
        }
    }
    for name in ["absolute_redirect", "server_name_in_redirect", "port_in_redirect"] {
        if let Some(directive) = scope.one(name) {
            table.from(name, scope.is_on(name), &ledger.origin(directive));
        }
    }
}

/// All `error_page` of the nearest block; the first that names a status counts.
fn error_pages(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    let mut pages = Table::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut origin = None;
    for directive in scope.all("error_page") {
        let mut words: Vec<&str> = directive.texts().collect();
        let Some(page) = words.pop() else { continue };
        let change =
            words.pop_if(|word| word.starts_with('=')).map(|change| format!("{change} ")).unwrap_or_default();
        words.retain(|status| !seen.contains(status) && status.parse::<u16>().is_ok());
        seen.extend(&words);
        if !words.is_empty() {
            origin.get_or_insert_with(|| ledger.origin(directive));
            pages.set(&words.join(" "), format!("{change}{page}"), "");
        }
    }
    if let Some(origin) = origin {
        table.from("error_page", Value::Inline(pages), &origin);
    }
    let families = ["proxy_intercept_errors", "uwsgi_intercept_errors", "fastcgi_intercept_errors"];
    if let Some(directive) =
        families.into_iter().find(|name| scope.is_on(name)).and_then(|name| scope.one(name))
    {
        table.from("intercept_errors", true, &ledger.origin(directive));
    }
}

/// `types` of the nearest block, and `default_type`.
fn types(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    if let Some(directive) = scope.one("default_type")
        && let Some(kind) = directive.arg(0)
        && kind != "application/octet-stream"
    {
        table.from("default_type", kind, &ledger.origin(directive));
    }
    let lines: Vec<&Directive> = scope.all("types").into_iter().flat_map(Directive::children).collect();
    if lines.is_empty() || lines.len() > OWN_LIST {
        return;
    }
    let mut types = Table::default();
    for line in &lines {
        for extension in line.texts() {
            types.set(&extension.to_ascii_lowercase(), line.name(), "");
        }
    }
    if let Some(directive) = scope.one("types") {
        table.from("types", Value::Inline(types), &ledger.origin(directive));
    }
}
