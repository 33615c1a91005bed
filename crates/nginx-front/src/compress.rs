//! `gzip` and `brotli`: compression on the fly. `gunzip`: its contrary.

use nginx_conf::values;

use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate(translator: &mut Translator<'_>, scope: &Scope<'_>, location: &mut Table) {
    if let Some(directive) = scope.one("gunzip").filter(|_| scope.is_on("gunzip")) {
        location.from("gunzip", true, &translator.ledger.origin(directive));
    }
    let codings: Vec<&str> = [("brotli", "br"), ("zstd", "zstd"), ("gzip", "gzip")]
        .into_iter()
        .filter(|(name, _)| scope.is_on(name))
        .map(|(_, coding)| coding)
        .collect();
    let directives = ["gzip", "brotli", "zstd"].into_iter().filter_map(|name| scope.one(name));
    let directives: Vec<_> = directives.filter(|directive| directive.arg(0) == Some("on")).collect();
    let Some(first) = directives.first() else { return };
    let mut types: Vec<String> = vec!["text/html".into()];
    for name in ["gzip_types", "brotli_types", "zstd_types"] {
        for kind in scope.all(name).into_iter().flat_map(|directive| directive.texts()) {
            if !types.iter().any(|known| known == kind) {
                types.push(kind.to_owned());
            }
        }
    }
    let mut table = Table::default();
    table.set("types", types, "");
    table.set("codings", codings, "");
    table.set("min_length", scope.arg("gzip_min_length").and_then(values::size).unwrap_or(20), "");
    table.set("level", scope.arg("gzip_comp_level").and_then(values::number).unwrap_or(1).clamp(1, 9), "");
    table.set("personal", true, "");
    location.from("compress", Value::Inline(table), &translator.ledger.origin(first));
}
