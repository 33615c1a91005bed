//! `auth_request` and `secure_link`: a page or a hash decides who may ask.

use nginx_conf::Directive;

use crate::ledger::Ledger;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate(translator: &mut Translator<'_>, scope: &Scope<'_>, place: &mut Table) {
    if let Some(directive) = scope.one("auth_request")
        && let Some(uri) = directive.arg(0).filter(|uri| *uri != "off")
    {
        let mut auth = Table::default();
        auth.set("uri", uri, "");
        let mut sets = Vec::new();
        for set in scope.all("auth_request_set") {
            match variable(set) {
                // nginx has these two that can be written.
                Some(("args" | "limit_rate", _)) => {
                    translator.ledger.not_done(set, "it is a variable of Weir's own", "set another one");
                }
                Some((name, value)) => sets.push(Value::List(vec![name.into(), value.into()])),
                None => {}
            }
        }
        if !sets.is_empty() {
            auth.set("set", Value::List(sets), "");
        }
        auth.set("cookies", false, "");
        place.from("auth_request", Value::Inline(auth), &translator.ledger.origin(directive));
    }
    secure_link(scope, place, &mut translator.ledger);
}

fn variable(set: &Directive) -> Option<(&str, &str)> {
    Some((set.arg(0)?.trim_start_matches('$'), set.arg(1)?))
}

/// Rules decide by `$secure_link`, as in nginx.
fn secure_link(scope: &Scope<'_>, place: &mut Table, ledger: &mut Ledger<'_>) {
    let (Some(link), Some(md5)) = (scope.one("secure_link"), scope.one("secure_link_md5")) else { return };
    let (Some(text), Some(hashed)) = (link.arg(0), md5.arg(0)) else { return };
    let mut table = Table::default();
    table.set("link", text, "");
    table.set("md5", hashed, "");
    table.set("refuse", false, "");
    place.from("secure_link", Value::Inline(table), &ledger.origin(link));
}
