//! `proxy_pass http://$backend$request_uri` and the like: a target that depends on the request.

use nginx_conf::Directive;

use crate::pass::{Pass, Passing, Target};
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::upstream::Scheme;

/// The pool is an `upstream` that has the name, or takes the server that the request names.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    passing: &Passing<'a, '_>,
    text: &str,
    pattern: &str,
) -> Option<Pass> {
    let Passing { scope, directive, family, scheme } = *passing;
    let (host, path) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('$') => match rest.find('/') {
            Some(at) => (rest.get(..at)?, rest.get(at..)?),
            None => (rest, ""),
        },
        Some(_) => {
            let why = "whether the application speaks TLS may not depend on a variable";
            translator.ledger.not_done(directive, why, "write http:// or https://");
            return None;
        }
        // `proxy_pass $url`: scheme and path are parts of the value.
        None => (text, ""),
    };
    let rewrite = if path.is_empty() { None } else { self::path(translator, directive, path, pattern)? };
    let mut upstreams: Vec<&str> = translator.upstreams.keys().copied().collect();
    upstreams.sort_unstable();
    let mut pools = Table::default();
    for upstream in upstreams {
        let (name, _) = passing.pool(translator, Target::Named(upstream), text);
        pools.set(upstream, name, "");
    }
    let (any, variables) = passing.pool(translator, Target::Any, text);
    let mut choice = Table::default();
    choice.set("by", host, "");
    if !pools.is_empty() {
        choice.set("pools", Value::Inline(pools), "");
    }
    choice.set("any", any.as_str(), "");
    // As in nginx, names are looked up only where it is said whom to ask.
    choice.set("names", scope.one("resolver").is_some(), "");
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Uwsgi => "uwsgi",
        Scheme::Fastcgi => "fastcgi",
    };
    choice.set("scheme", scheme, "");
    let origin = translator.ledger.origin(directive);
    Some(Pass { name: any, choice: Some(choice), variables, rewrite, family, origin })
}

/// The `rewrite` that makes the path that `proxy_pass` names: with variables, it is all that is asked for.
/// `None`: it cannot be done, `Some(None)`: the path stays.
pub(crate) fn path(
    translator: &mut Translator<'_>,
    directive: &Directive,
    path: &str,
    pattern: &str,
) -> Option<Option<String>> {
    let kept = ["$request_uri", "$uri$is_args$args", "$document_uri$is_args$args"];
    if kept.contains(&path) {
        return Some(None);
    }
    let (bare, query) = match path.strip_suffix("$is_args$args").or_else(|| path.strip_suffix("?$args")) {
        // The query goes along by itself.
        Some(bare) => (bare, ""),
        None => (path, "?"),
    };
    if bare.contains("$request_uri") || bare.contains(' ') || !bare.starts_with(['/', '$']) {
        let why = format!("`{path}` is not a path that can be made");
        translator.ledger.not_done(directive, why, "write the path with $uri and $is_args$args");
        return None;
    }
    // Groups of the location's regex have to match again.
    let regex = match pattern.split_once(' ') {
        Some(("~", regex)) => regex.replace(' ', "\\x20"),
        Some(("~*", regex)) => format!("(?i){}", regex.replace(' ', "\\x20")),
        _ => "(?s)^".to_owned(),
    };
    Some(Some(format!("{regex} {bare}{query} break")))
}
