//! `proxy_cache`, `uwsgi_cache` and `weir_microcache`: Weir's cache before an application.
//!
//! Weir's own rules of what is private hold in both. nginx's cache gets nginx's lifetimes.

use nginx_conf::{Directive, values};

use crate::fields;
use crate::limits::time;
use crate::pool_request;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::site::with_variable;
use crate::translate::Translator;

pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    family: &str,
    location: &mut Table,
) {
    if pool_request::asks_otherwise(location) {
        return;
    }
    let name = |rest: &str| format!("{family}_cache{rest}");
    let zone = scope.one(&name("")).filter(|zone| zone.arg(0) != Some("off"));
    if let Some(zone) = zone {
        let mut cache = Table::new(None);
        lifetimes(scope, &name("_valid"), &mut cache);
        stale(translator, scope, family, &mut cache);
        if let Some(uses) = scope.arg(&name("_min_uses")).and_then(values::number) {
            cache.set("min_uses", uses.max(1), "");
        }
        ignored(scope, family, &mut cache);
        key(translator, scope, scope.one(&name("_key")), &mut cache);
        for (key, conditions) in
            [("bypass_by", name("_bypass")), ("no_store_by", format!("{family}_no_cache"))]
        {
            let all = scope.all(&conditions);
            let texts: Vec<&str> = all.iter().flat_map(|directive| directive.texts()).collect();
            if let Some(first) = all.first() {
                cache.from(key, texts, &translator.ledger.origin(first));
            }
        }
        cache.remark = Some(format!("{}: {}", translator.ledger.origin(zone), zone.name()));
        translator.ledger.different(zone, "Weir's cache is private unless sure: it stores less than nginx's");
        location.set("cache", Value::Section(cache), "");
        return;
    }
    let line = scope.one("weir_microcache");
    let ttl = line.and_then(|line| line.arg(0)).or(translator.options.microcache.as_deref());
    let Some(ttl) = ttl.filter(|ttl| *ttl != "off") else { return };
    let Some(milliseconds) = values::milliseconds(ttl) else {
        if let Some(line) = line {
            translator.ledger.not_done(line, format!("`{ttl}` is not a time"), "write weir_microcache 1s;");
        }
        return;
    };
    let mut cache =
        Table::new(line.map(|line| format!("{}: weir_microcache {ttl}", translator.ledger.origin(line))));
    cache.set("ttl", time(milliseconds), "");
    location.set("cache", Value::Section(cache), "");
}

/// Tells the cache of a location what it is to make of fields that the application gets with values of the
/// visitor: each value has pages of its own, unless no page can depend on it.
pub(crate) fn knows(fields: &[(String, String)], location: &mut Table) {
    const ALWAYS_OTHERS: [&str; 8] = [
        "$request_id",
        "$msec",
        "$time_",
        "$remote_addr",
        "$remote_port",
        "$proxy_add_x_forwarded_for",
        "$connection",
        "$pid",
    ];
    const OF_KEY: [&str; 6] = ["$scheme", "$host", "$uri", "$server_name", "$hostname", "$document_root"];
    let Some(Value::Section(mut cache)) = location.get("cache").cloned() else { return };
    let (mut split, mut ignore) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        let rest = OF_KEY.iter().fold(value.clone(), |rest, known| rest.replace(known, ""));
        if !rest.contains('$') {
            continue;
        }
        let others = ALWAYS_OTHERS.iter().fold(rest, |rest, known| rest.replace(known, ""));
        if others.contains('$') { split.push(name.as_str()) } else { ignore.push(name.as_str()) }
    }
    let mut lists = Table::default();
    for (key, names) in [("split", split), ("ignore", ignore)] {
        if !names.is_empty() {
            lists.set(key, names, "");
        }
    }
    if !lists.is_empty() {
        cache.set("fields", Value::Inline(lists), "fields that the application gets by proxy_set_header");
        location.set("cache", Value::Section(cache), "");
    }
}

/// `proxy_cache_valid [code …] time`. Without one nginx stores only what names its own lifetime.
fn lifetimes(scope: &Scope<'_>, name: &str, cache: &mut Table) {
    let mut ttl = Table::default();
    for directive in scope.all(name) {
        let Some((lifetime, codes)) = directive.args.split_last() else { continue };
        let Some(milliseconds) = values::seconds(&lifetime.text).map(|seconds| seconds.saturating_mul(1000))
        else {
            continue;
        };
        let codes: Vec<&str> = codes.iter().map(|word| word.text.as_str()).collect();
        for code in if codes.is_empty() { vec!["200", "301", "302"] } else { codes } {
            // The first that names a status counts.
            if !ttl.has(code) {
                ttl.set(code, time(milliseconds), "");
            }
        }
    }
    if !ttl.has("any") {
        ttl.set("any", "0s", "");
    }
    cache.set("ttl", Value::Inline(ttl), "");
}

/// `proxy_ignore_headers`, as far as it is about the cache.
const OF_CACHE: [&str; 5] = ["Cache-Control", "Expires", "Set-Cookie", "Vary", "X-Accel-Expires"];

fn ignored(scope: &Scope<'_>, family: &str, cache: &mut Table) {
    let named = scope.all(&format!("{family}_ignore_headers"));
    let of_cache = |name: &&str| OF_CACHE.iter().any(|known| known.eq_ignore_ascii_case(name));
    let names: Vec<&str> = named.iter().flat_map(|one| one.texts()).filter(of_cache).collect();
    if !names.is_empty() {
        cache.set("ignore_fields", names, "");
    }
}

/// Says which of `proxy_ignore_headers` are not ignored.
pub(crate) fn check_ignored(translator: &mut Translator<'_>, scope: &Scope<'_>, family: &str) {
    for directive in scope.all(&format!("{family}_ignore_headers")) {
        let of_cache = |name: &str| OF_CACHE.iter().any(|known| known.eq_ignore_ascii_case(name));
        if let Some(name) = directive.texts().find(|name| !of_cache(name)) {
            let why = format!("{name} of the application is obeyed");
            translator.ledger.not_done(directive, why, "let the application leave it out");
        }
    }
}

fn stale<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, family: &str, cache: &mut Table) {
    let directive = scope.one(&format!("{family}_cache_use_stale"));
    let uses: Vec<&str> = directive.map(|directive| directive.texts().collect()).unwrap_or_default();
    // nginx keeps a stale page for as long as it is in the cache at all.
    let kept = time(24 * 60 * 60 * 1000);
    let background = scope.is_on(&format!("{family}_cache_background_update"));
    let updating = uses.contains(&"updating");
    let failing = ["error", "timeout", "http_500", "http_502", "http_503", "http_504", "invalid_header"];
    let on_error = uses.iter().any(|condition| failing.contains(condition));
    cache.set("stale_while_revalidate", if updating && background { kept.clone() } else { time(0) }, "");
    cache.set("stale_if_error", if on_error { kept } else { time(0) }, "");
    if let Some(directive) = directive.filter(|_| updating && !background) {
        let how = "without *_cache_background_update the visitor who finds a page stale waits for the new one, as in nginx; the others wait with it";
        translator.ledger.different(directive, how);
    }
}

/// Weir's key is scheme, host, path and query. A shorter one would give pages to the wrong visitors; what is
/// more than these is added to them.
fn key<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    directive: Option<&'a Directive>,
    cache: &mut Table,
) {
    const OF_URL: [&str; 13] = [
        "$scheme",
        "$host",
        "$http_host",
        "$proxy_host",
        "$server_name",
        "$request_uri",
        "$uri",
        "$document_uri",
        "$is_args",
        "$args",
        "$query_string",
        "$request_method",
        "$server_port",
    ];
    let Some(directive) = directive else { return };
    let key = directive.arg(0).unwrap_or_default();
    let text = fields::with_target(translator, scope, key);
    let rest = OF_URL
        .iter()
        .fold(key.to_owned(), |rest, known| with_variable(&rest, known.trim_start_matches('$'), ""));
    if rest.contains('$') {
        cache.from("key", text, &translator.ledger.origin(directive));
    }
    translator.ledger.different(directive, "the key holds scheme, host, path and query in any case");
}
