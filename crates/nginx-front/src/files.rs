//! Where the files of a place are: `root`, `alias`, `index`, `gzip_static`.

use nginx_conf::{Directive, values};

use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

/// Sets `root` or `alias`, and how files are looked up there. A place with a pool has a `root` for its
/// variables and its `try_files` only.
pub(crate) fn translate(
    translator: &mut Translator<'_>,
    scope: &Scope<'_>,
    pattern: Option<&str>,
    has_pool: bool,
    table: &mut Table,
) {
    let found = scope.nearest(&["alias", "root"]);
    let tries = scope.here("try_files").is_some();
    // Its application is told of the files.
    let is_told = table.has("pool_request");
    match found.first() {
        Some(directive) if directive.name() == "root" => {
            let path = translator.path(directive.arg(0).unwrap_or_default());
            table.from("root", path, &translator.ledger.origin(directive));
        }
        Some(directive) if scope.here("alias").is_some() && (!has_pool || tries || is_told) => {
            alias(translator, pattern.unwrap_or_default(), directive, table);
        }
        // The alias of a location around this one holds here as it does there.
        Some(_) => {}
        None if translator.options.has_default_root => {
            table.set("root", translator.path("html"), "nginx's default");
        }
        None => {}
    }
    if has_pool && !tries {
        return;
    }
    if let Some(directive) = scope.one("index") {
        let all = scope.all("index");
        let names: Vec<String> = all.iter().flat_map(|index| index.texts()).map(str::to_owned).collect();
        table.from("index", names, &translator.ledger.origin(directive));
    }
    if scope.arg("disable_symlinks").is_none_or(|value| value == "off") {
        table.set("symlinks", "follow", "nginx's default");
    }
    if let Some((directive, most)) =
        scope.one("max_ranges").and_then(|one| Some((one, values::number(one.arg(0)?)?)))
    {
        table.from("max_ranges", most, &translator.ledger.origin(directive));
    }
    if let Some(directive) = scope.one("gzip_static")
        && directive.arg(0) != Some("off")
    {
        table.from("precompressed", true, &translator.ledger.origin(directive));
    }
}

fn alias(translator: &mut Translator<'_>, pattern: &str, directive: &Directive, table: &mut Table) {
    trap_of_slash(translator, pattern, directive);
    let path = translator.path(directive.arg(0).unwrap_or_default());
    table.from("alias", path, &translator.ledger.origin(directive));
}

/// `location /static { alias /srv/static/; }`: `/static../settings.py` is a file of the parent directory.
fn trap_of_slash(translator: &mut Translator<'_>, pattern: &str, alias: &Directive) {
    if pattern.starts_with('~') {
        return;
    }
    let path = pattern.trim_start_matches("^~").trim_start();
    let text = alias.arg(0).unwrap_or_default();
    if !path.starts_with('=') && !path.ends_with('/') && text.ends_with('/') {
        let trap = format!(
            "`{path}..` would lead to files of the parent directory, which Weir refuses; write `location {path}/`"
        );
        translator.ledger.trap(alias, trap);
    }
}
