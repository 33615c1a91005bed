//! `valid_referers`: `$invalid_referer` as a `map` of the Referer, one for each place that asks for it.

use nginx_conf::Directive;

use crate::regex::{escaped, translated};
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

const VARIABLE: &str = "$invalid_referer";

/// Gives a place that asks for `$invalid_referer` a variable of its own.
pub(crate) fn translate<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, place: &mut Table) {
    if !place.mentions(VARIABLE) {
        return;
    }
    let directives = scope.all("valid_referers");
    let words: Vec<&str> = directives.iter().flat_map(|directive| directive.texts()).collect();
    let mut map = Table::new(directives.first().map(|first| translator.ledger.origin(first).to_string()));
    let names = scope.all("server_name");
    cases(&words, &names, &mut map);
    let known = translator.referers.iter().position(|known| known.says(&map));
    let number = known.unwrap_or_else(|| {
        translator.referers.push(map);
        translator.referers.len() - 1
    });
    let own = format!("$invalid_referer_{}", number + 1);
    place.change_texts(&|text| replaced(text, &own));
}

/// The maps of all places.
pub(crate) fn maps(translator: &mut Translator<'_>) -> Vec<Table> {
    let maps = std::mem::take(&mut translator.referers).into_iter().enumerate();
    let named = |(at, map): (usize, Table)| {
        let mut named = Table::new(map.remark.clone());
        named.set("variable", format!("invalid_referer_{}", at + 1), "");
        named.set("from", "$http_referer", "");
        named.extend(map);
        named
    };
    maps.map(named).collect()
}

fn replaced(text: &str, own: &str) -> String {
    text.replace("${invalid_referer}", &format!("${{{}}}", own.trim_start_matches('$')))
        .replace(VARIABLE, own)
}

fn cases(words: &[&str], names: &[&Directive], map: &mut Table) {
    if words.is_empty() {
        map.set("default", "", "");
        return;
    }
    let case = |key: String, value: &str| Value::List(vec![key.into(), value.into()]);
    let valid = |expression: String| case(format!("~*^https?://{expression}"), "");
    let mut cases = vec![case(String::new(), if words.contains(&"none") { "" } else { "1" })];
    for word in words.iter().filter(|word| !matches!(**word, "none" | "blocked")) {
        if *word == "server_names" {
            let names = names.iter().flat_map(|directive| directive.texts());
            cases.extend(names.filter(|name| !name.is_empty()).map(|name| valid(of_server_name(name))));
        } else {
            cases.push(match word.strip_prefix('~') {
                Some(expression) => valid(anchored(expression, ".*")),
                None => valid(of_name(word)),
            });
        }
    }
    // As in nginx, what is shorter than the shortest URL counts as blocked.
    let blocked = if words.contains(&"blocked") { "" } else { "1" };
    cases.insert(1, case("~(?s)^.{1,10}$".to_owned(), blocked));
    cases.push(case("~*^https?://".to_owned(), "1"));
    map.set("default", if words.contains(&"blocked") { "" } else { "1" }, "");
    map.set("cases", Value::List(cases), "");
}

/// What follows the scheme, for an expression that may match anywhere.
fn anchored(expression: &str, before: &str) -> String {
    let expression = translated(expression);
    match expression.strip_prefix('^') {
        Some(expression) => format!("(?:{expression})"),
        None => format!("{before}(?:{expression})"),
    }
}

/// A name is compared with the host alone.
fn of_server_name(name: &str) -> String {
    match name.strip_prefix('~') {
        Some(expression) => match expression.strip_suffix('$') {
            Some(expression) => format!("{}(?:[:/]|$)", anchored(expression, "[^/:]*")),
            None => anchored(expression, "[^/:]*"),
        },
        None => of_name(name),
    }
}

/// `www.example.org`, `*.example.org`, `.example.org`, `example.*`, perhaps with the beginning of a path.
fn of_name(word: &str) -> String {
    let (host, path) = word.find('/').map_or((word, ""), |at| word.split_at(at));
    let host = if let Some(rest) = host.strip_prefix("*.") {
        format!("[^/:]+\\.{}", escaped(rest))
    } else if let Some(rest) = host.strip_prefix('.') {
        format!("(?:[^/:]+\\.)?{}", escaped(rest))
    } else if let Some(rest) = host.strip_suffix(".*") {
        format!("{}\\.[^/:]+", escaped(rest))
    } else {
        escaped(host)
    };
    match path {
        "" => format!("{host}(?:[:/]|$)"),
        path => format!("{host}(?::[^/]*)?(?-i:{})", escaped(path)),
    }
}
