//! What becomes of the bodies of replies: `sub_filter`, the charsets of `charset_map`, `add_trailer`.

use nginx_conf::Directive;

use crate::media_types;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, place: &mut Table) {
    replace(translator, scope, place);
    recode(translator, scope, place);
    trailers(translator, scope, place);
}

fn replace(translator: &Translator<'_>, scope: &Scope<'_>, place: &mut Table) {
    let found = scope.all("sub_filter");
    let Some(first) = found.first() else { return };
    let pair = |directive: &&Directive| {
        let texts = [directive.arg(0).unwrap_or_default(), directive.arg(1).unwrap_or_default()];
        Value::List(texts.map(Value::from).into())
    };
    let mut table = Table::default();
    table.set("texts", Value::List(found.iter().map(pair).collect()), "");
    let types = scope.all("sub_filter_types");
    let types = types.iter().flat_map(|directive| directive.texts()).filter(|kind| *kind != "text/html");
    table.set("types", ["text/html"].into_iter().chain(types).map(str::to_owned).collect::<Vec<_>>(), "");
    table.set("once", !scope.is_off("sub_filter_once"), "");
    table.set("keep_last_modified", scope.is_on("sub_filter_last_modified"), "");
    place.from("replace", Value::Inline(table), &translator.ledger.origin(first));
}

/// `charset` of applications' replies, and of files where they are written in another one.
fn recode(translator: &Translator<'_>, scope: &Scope<'_>, place: &mut Table) {
    let Some(directive) = scope.one("charset") else { return };
    let name = directive.arg(0).filter(|name| *name != "off" && !name.contains('$'));
    let Some(name) = name else { return };
    let source = scope.arg("source_charset").filter(|source| *source != "off").unwrap_or_default();
    if !place.has("pool") && source.is_empty() {
        // The types of files say it.
        return;
    }
    let mut table = Table::default();
    table.set("charset", name, "");
    table.set("types", media_types::of_charset(scope), "");
    if scope.is_on("override_charset") {
        table.set("replace", true, "");
    }
    if !source.is_empty() {
        table.set("source", source, "");
        let pairs = pairs(scope.outermost(), source, name);
        if !pairs.is_empty() {
            table.set("table", Value::List(pairs), "");
        }
    }
    place.from("recode", Value::Inline(table), &translator.ledger.origin(directive));
}

/// The lines of the `charset_map` between two charsets, in this direction.
fn pairs(http: &[Directive], source: &str, charset: &str) -> Vec<Value> {
    let is_between = |map: &&Directive, from: &str, to: &str| {
        let is = |at: usize, name: &str| map.arg(at).is_some_and(|arg| arg.eq_ignore_ascii_case(name));
        is(0, from) && is(1, to)
    };
    let maps = || http.iter().filter(|directive| directive.name() == "charset_map");
    let pair = |from: &str, to: &str| Value::List(vec![from.into(), to.into()]);
    let lines = |map: &'_ Directive, is_forward: bool| -> Vec<Value> {
        let line = |line: &Directive| {
            let (from, to) = (line.name().to_owned(), line.arg(0).unwrap_or_default().to_owned());
            if is_forward { pair(&from, &to) } else { pair(&to, &from) }
        };
        map.children().iter().map(line).collect()
    };
    match (
        maps().find(|map| is_between(map, source, charset)),
        maps().find(|map| is_between(map, charset, source)),
    ) {
        (Some(map), _) => lines(map, true),
        (None, Some(map)) => lines(map, false),
        (None, None) => Vec::new(),
    }
}

fn trailers(translator: &Translator<'_>, scope: &Scope<'_>, place: &mut Table) {
    let found = scope.all("add_trailer");
    let Some(first) = found.first().filter(|_| !scope.is_off("chunked_transfer_encoding")) else { return };
    let trailer = |directive: &&Directive| {
        let mut trailer = Table::default();
        trailer.set("add", directive.arg(0).unwrap_or_default(), "");
        trailer.set("value", directive.arg(1).unwrap_or_default().trim_end(), "");
        if directive.arg(2) == Some("always") {
            trailer.set("always", true, "");
        }
        Value::Inline(trailer)
    };
    let trailers = Value::List(found.iter().map(trailer).collect());
    place.from("trailers", trailers, &translator.ledger.origin(first));
}
