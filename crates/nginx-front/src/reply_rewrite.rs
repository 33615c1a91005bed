//! `proxy_redirect`, `proxy_cookie_domain`, `proxy_cookie_path`: what the application says of itself, in the
//! words of the site.

use nginx_conf::Directive;

use crate::regex;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate(translator: &mut Translator<'_>, scope: &Scope<'_>, place: &mut Table) {
    let mut rewrite = Table::default();
    let mut origin = None;
    for (key, name) in [
        ("location", "proxy_redirect"),
        ("cookie_domain", "proxy_cookie_domain"),
        ("cookie_path", "proxy_cookie_path"),
    ] {
        let all = scope.all(name);
        let found: Vec<Value> = all.iter().filter_map(|directive| pair(translator, directive)).collect();
        if let Some(first) = all.first().filter(|_| !found.is_empty()) {
            origin.get_or_insert_with(|| translator.ledger.origin(first));
            rewrite.set(key, Value::List(found), "");
        }
    }
    if let Some(origin) = origin {
        place.from("reply_rewrite", Value::Inline(rewrite), &origin);
    }
}

/// What is replaced, and by what.
fn pair(translator: &mut Translator<'_>, directive: &Directive) -> Option<Value> {
    match (directive.arg(0)?, directive.arg(1)) {
        (from, Some(to)) => {
            if to.starts_with('/') && directive.name() == "proxy_redirect" {
                translator.ledger.different(directive, "Location stays without scheme and host");
            }
            let from = if from.starts_with('~') { regex::translated(from) } else { from.to_owned() };
            Some(Value::List(vec![from.into(), to.into()]))
        }
        ("off", None) => None,
        ("default", None) => {
            let how = "the application knows its own address (Host, X-Forwarded-Proto), and redirects to it";
            translator.ledger.different(directive, how);
            None
        }
        (other, None) => {
            let why = format!("what `{other}` becomes is missing");
            translator.ledger.not_done(directive, why, "name both, or write off");
            None
        }
    }
}
