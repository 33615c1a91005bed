//! `location`: its match, what answers there, and the locations within it.

use nginx_conf::Directive;

use crate::branches;
use crate::forwarded;
use crate::place;
use crate::referers;
use crate::regex;
use crate::rules;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::traps;
use crate::unnamed;

/// A location's table, or `None` for one that no request reaches. `outer` is all that holds around it.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    (around, outer): (&Scope<'a>, &Table),
    location: &'a Directive,
) -> Option<Table> {
    let pattern = pattern(location);
    if !is_reachable(&pattern) {
        translator.ledger.different(location, "no path begins so: nothing reaches it, as in nginx");
        return None;
    }
    let scope = around.inside(location.children());
    traps::of_if(translator, &scope);
    let origin = translator.ledger.origin(location);
    let mut full = Table::new(Some(format!("{origin}: location {pattern}")));
    full.set("match", pattern.as_str(), "");
    forwarded::of_place(translator, &scope, &mut full);
    place::answer(translator, &scope, Some(&pattern), &mut full);
    let unnamed = unnamed::translate(translator, &scope, &pattern, location);
    let branches = rules::translate(location.children(), &unnamed, &mut full, &mut translator.ledger);
    branches::apply(translator, &branches, &mut full);
    referers::translate(translator, &scope, &mut full);
    let mut said = place::within(&mut full, outer);
    let nested = location.children().iter().filter(|directive| directive.name() == "location");
    let nested: Vec<Table> =
        nested.filter_map(|nested| translate(translator, (&scope, &full), nested)).collect();
    if !nested.is_empty() {
        said.set("location", Value::Sections(nested), "");
    } else if !ANSWERS.iter().any(|key| full.has(key)) {
        said.set("return", "404", "nginx's default root is not there");
    }
    Some(said)
}

/// What a location can answer with.
const ANSWERS: [&str; 8] = ["root", "alias", "pool", "return", "rule", "rewrite", "try_files", "stub_status"];

/// Paths begin with a slash.
fn is_reachable(pattern: &str) -> bool {
    pattern.starts_with(['~', '@']) || pattern.trim_start_matches(['=', '^', '~', ' ']).starts_with('/')
}

/// `location = /x`, `location ~ re`: as Weir writes a `match`.
fn pattern(location: &Directive) -> String {
    match (location.arg(0), location.arg(1)) {
        (Some(sign), Some(path)) if sign.starts_with('~') => format!("{sign} {}", regex::translated(path)),
        (Some(sign), Some(path)) => format!("{sign} {path}"),
        (Some(path), None) => {
            // The sign may stand right before the path.
            let sign =
                ["^~", "~*", "~", "="].into_iter().find_map(|sign| Some((sign, path.strip_prefix(sign)?)));
            match sign {
                Some((sign, path)) if sign.starts_with('~') => format!("{sign} {}", regex::translated(path)),
                Some((sign, path)) => format!("{sign} {path}"),
                None => path.to_owned(),
            }
        }
        _ => String::new(),
    }
}
