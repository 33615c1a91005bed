//! Where a request goes within a place: `try_files`, `error_page`, `autoindex`, `limit_except` and the form
//! of redirects.

use crate::ledger::Ledger;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::unnamed::refuses_all;

/// A status that only nginx gives, to requests whose head is too long: its `error_page` may change it.
const OF_NGINX: [&str; 1] = ["494"];

pub(crate) fn translate(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    if let Some(directive) = scope.here("try_files") {
        let mut files: Vec<String> = directive.texts().map(str::to_owned).collect();
        let count = files.len();
        let mut number = 0;
        files.retain(|file| {
            number += 1;
            number == count || !file.starts_with('=')
        });
        if files.len() < count {
            ledger.trap(directive, "`=` stands for a file of that name, which nobody has; write =404");
        }
        if let Some(last) = files.last_mut().filter(|last| !last.starts_with(['/', '@', '=', '$'])) {
            let trap = format!("`{last}` leads to no location, and answers 404; write `/{last}`");
            ledger.trap(directive, trap);
            *last = "=404".to_owned();
        }
        table.from("try_files", files, &ledger.origin(directive));
    }
    error_pages(scope, table, ledger);
    if let Some(directive) = scope.one("autoindex")
        && scope.is_on("autoindex")
    {
        let origin = ledger.origin(directive);
        match scope.arg("autoindex_format") {
            None | Some("html") => table.from("autoindex", true, &origin),
            Some(format) => table.from("autoindex", format, &origin),
        }
    }
    limit_except(scope, table, ledger);
    for (name, usual) in
        [("absolute_redirect", true), ("server_name_in_redirect", false), ("port_in_redirect", true)]
    {
        match scope.one(name) {
            Some(directive) => {
                let on = if usual { !scope.is_off(name) } else { scope.is_on(name) };
                table.from(name, on, &ledger.origin(directive));
            }
            None if name == "absolute_redirect" => table.set(name, usual, "nginx's default"),
            None => {}
        }
    }
}

fn limit_except(scope: &Scope<'_>, table: &mut Table, ledger: &mut Ledger<'_>) {
    let Some(directive) = scope.here("limit_except") else { return };
    // Other blocks have a location of their own.
    if refuses_all(directive) {
        let methods: Vec<String> = directive.texts().map(str::to_owned).collect();
        table.from("limit_except", methods, &ledger.origin(directive));
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
        if let Some(status) = words.iter().find(|status| OF_NGINX.contains(status)) {
            let why = format!("requests that nginx answers with {status} get 400 here, without a page");
            ledger.not_done(directive, why, "leave the status out");
        }
        words.retain(|status| !seen.contains(status) && !OF_NGINX.contains(status));
        seen.extend(&words);
        if !words.is_empty() {
            origin.get_or_insert_with(|| ledger.origin(directive));
            let is_beside = !page.starts_with(['/', '@', '$']) && !page.contains("://");
            if is_beside {
                let text = format!("leads visitors to `{page}` by a redirect; the page is `/{page}`");
                ledger.trap(directive, text);
            }
            let to = if is_beside { "./" } else { "" };
            pages.set(&words.join(" "), format!("{change}{to}{page}"), "");
        }
    }
    let Some(origin) = origin else { return };
    table.from("error_page", Value::Inline(pages), &origin);
    let families = ["proxy_intercept_errors", "uwsgi_intercept_errors", "fastcgi_intercept_errors"];
    if let Some(directive) =
        families.into_iter().find(|name| scope.is_on(name)).and_then(|name| scope.one(name))
    {
        table.from("intercept_errors", true, &ledger.origin(directive));
    }
    if let Some(directive) =
        scope.one("recursive_error_pages").filter(|_| scope.is_on("recursive_error_pages"))
    {
        table.from("recursive_error_pages", true, &ledger.origin(directive));
    }
}
