//! `proxy_method`, `proxy_set_body`, `*_pass_request_headers`, `*_pass_request_body`: what the application is
//! asked in place of what the client asks.

use crate::parameters;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    family: &str,
    place: &mut Table,
) {
    let mut wanted = Table::default();
    let mut first = None;
    let name = |rest: &str| format!("{family}_{rest}");
    for (key, directive) in [("method", scope.one("proxy_method")), ("body", scope.one("proxy_set_body"))] {
        let Some(directive) = directive.filter(|_| family == "proxy") else { continue };
        wanted.set(key, directive.arg(0).unwrap_or_default(), "");
        first = first.or(Some(directive));
    }
    if scope.is_off(&name("pass_request_headers")) {
        wanted.set("fields", false, "");
        first = first.or_else(|| scope.one(&name("pass_request_headers")));
    }
    let without_body = scope.one(&name("pass_request_body")).filter(|one| one.arg(0) == Some("off"));
    if let Some(directive) = without_body.filter(|_| wanted.get("body").is_none()) {
        wanted.set("body", "", "");
        if first.is_none() {
            place.from("pool_request", Value::Inline(wanted), &translator.ledger.origin(directive));
            return;
        }
    }
    let Some(first) = first else { return };
    if caches(translator, scope, family) {
        let trap = "pages here are not cached: each is asked for in another way than its client does";
        translator.ledger.trap(first, trap);
    }
    place.from("pool_request", Value::Inline(wanted), &translator.ledger.origin(first));
}

/// Whether the file wants pages of its application kept.
pub(crate) fn caches(translator: &Translator<'_>, scope: &Scope<'_>, family: &str) -> bool {
    let of_file = scope.one(&format!("{family}_cache"));
    let time = scope.arg("weir_microcache").or(translator.options.microcache.as_deref());
    of_file.is_some_and(|cache| cache.arg(0) != Some("off")) || time.is_some_and(|time| time != "off")
}

/// Whether its pages cannot be cached, because the application is asked something else.
pub(crate) fn asks_otherwise(place: &Table) -> bool {
    match place.get("pool_request") {
        Some(Value::Inline(wanted)) => ["method", "body", "fields"].iter().any(|key| wanted.has(key)),
        _ => false,
    }
}

/// Whether the application is told another host than its clients ask for.
pub(crate) fn tells_host(place: &Table) -> bool {
    matches!(place.get("pool_request"), Some(Value::Inline(wanted)) if wanted.has("host"))
}

/// What the application is told of the URL in place of what the client has asked for.
pub(crate) fn tell(key: &str, value: impl Into<Value>, place: &mut Table) {
    let mut wanted = match place.get("pool_request") {
        Some(Value::Inline(wanted)) => wanted.clone(),
        _ => Table::default(),
    };
    wanted.set(key, value, "");
    place.set("pool_request", Value::Inline(wanted), "");
}

/// A field that the application is told with another value than Weir's own. An empty one is not told.
pub(crate) fn tell_field(name: &str, value: &str, place: &mut Table) {
    let mut told = match place.get("pool_request") {
        Some(Value::Inline(wanted)) => match wanted.get("told") {
            Some(Value::Inline(told)) => told.clone(),
            _ => Table::default(),
        },
        _ => Table::default(),
    };
    told.set(name, value, "");
    tell("told", Value::Inline(told), place);
}

/// The values of `uwsgi_param` and `fastcgi_param` that depend on the request, in their order.
pub(crate) fn values<'a>(scope: &Scope<'a>, family: &str, place: &mut Table, translator: &Translator<'a>) {
    let told = parameters::told(scope, family, translator);
    if !told.is_empty() {
        let values: Vec<String> = told.into_iter().map(|(_, value)| value).collect();
        tell("values", values, place);
    }
}
