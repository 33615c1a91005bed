//! Media types: `types`, `default_type`, and what `charset` adds to them.

mod standard;

use nginx_conf::Directive;

use crate::ledger::Ledger;
use crate::scope::Scope;
use crate::settings::{Table, Value};

pub use standard::block as types_block;

/// What nginx knows of itself if there is no `types`.
const BUILT_IN: [(&str, &str); 3] = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
const DEFAULT: &str = "text/plain";
/// The types that `charset` is for.
const OF_CHARSET: [&str; 6] = [
    "text/html",
    "text/xml",
    "text/plain",
    "text/vnd.wap.wml",
    "application/javascript",
    "application/rss+xml",
];

/// The directives of `http` that every package of nginx has around the files of `conf.d`.
pub fn usual_lines() -> String {
    format!("default_type {};\n{}", standard::UNKNOWN, standard::block())
}

/// `is_fragment`: the file is what stands in `conf.d`, so that the usual types hold around it.
pub(crate) fn translate(scope: &Scope<'_>, is_fragment: bool, table: &mut Table, ledger: &mut Ledger<'_>) {
    let charset = Charset::of(scope, ledger);
    let directive = scope.one("default_type");
    let usual = if is_fragment { standard::UNKNOWN } else { DEFAULT };
    let kind = directive.and_then(|directive| directive.arg(0)).unwrap_or(usual);
    let (default, is_type) = match (kind.is_empty(), directive) {
        (true, Some(directive)) => {
            ledger.not_done(directive, "each file has a type", "write application/octet-stream");
            (DEFAULT.to_owned(), false)
        }
        _ => (charset.with(kind), true),
    };
    let mut types = Table::default();
    let lines: Vec<&Directive> = scope.all("types").into_iter().flat_map(Directive::children).collect();
    for line in lines.iter().filter(|line| line.name() != "include") {
        for extension in line.texts() {
            types.set(&extension.to_ascii_lowercase(), charset.with(line.name()), "");
        }
    }
    let has_own = scope.one("types");
    if has_own.is_none() {
        let built_in = BUILT_IN.into_iter().filter(|_| !is_fragment);
        for (extension, kind) in built_in.chain(standard::endings().filter(|_| is_fragment)) {
            types.set(extension, charset.with(kind), "");
        }
    }
    types.set("*", default.as_str(), "");
    match has_own {
        Some(directive) => table.from("types", Value::Inline(types), &ledger.origin(directive)),
        None if is_fragment => table.set("types", Value::Inline(types), "nginx's mime.types"),
        None => table.set("types", Value::Inline(types), "nginx's default"),
    }
    match directive.filter(|_| is_type) {
        Some(directive) => table.from("default_type", default, &ledger.origin(directive)),
        None => table.set("default_type", default, "nginx's default"),
    }
    // The types say it themselves.
    table.set("charset", "off", "");
    table.set("nosniff", false, "nginx sends no X-Content-Type-Options");
}

/// The types that `charset` is for.
pub(crate) fn of_charset(scope: &Scope<'_>) -> Vec<String> {
    let mut types: Vec<String> = vec!["text/html".to_owned()];
    let named = scope.all("charset_types");
    match named.is_empty() {
        true => types.extend(OF_CHARSET.map(str::to_owned)),
        false => types.extend(named.iter().flat_map(|one| one.texts()).map(str::to_owned)),
    }
    types.dedup();
    types
}

/// What a type says of the encoding.
struct Charset {
    name: Option<String>,
    types: Vec<String>,
}

impl Charset {
    fn of(scope: &Scope<'_>, ledger: &mut Ledger<'_>) -> Self {
        let types = of_charset(scope);
        let name = match scope.one("charset").and_then(|one| Some((one, one.arg(0)?))) {
            Some((directive, name)) if name.contains('$') => {
                ledger.not_done(directive, "a charset may not depend on a variable", "name one");
                None
            }
            // What is written in another charset first says it itself.
            Some((_, name))
                if name != "off" && scope.arg("source_charset").is_none_or(|source| source == "off") =>
            {
                Some(name.to_owned())
            }
            _ => None,
        };
        Self { name, types }
    }

    fn with(&self, kind: &str) -> String {
        let is_named = self.types.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(kind));
        match self.name.as_ref().filter(|_| is_named) {
            Some(name) => format!("{kind}; charset={name}"),
            None => kind.to_owned(),
        }
    }
}
