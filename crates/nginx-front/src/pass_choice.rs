//! `proxy_pass http://$backend$request_uri` and the like: a target that depends on the request.

use nginx_conf::Directive;

use crate::pass::{Pass, PassDirective, Target, hash_of};
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::upstream::Scheme;

/// The pool is an `upstream` that has the name, or takes the server that the request names.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    passing: &PassDirective<'a, '_>,
    text: &str,
) -> Option<Pass> {
    let PassDirective { scope, directive, family, scheme } = *passing;
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
    let target = target(path);
    let mut upstreams: Vec<&str> = translator.upstreams.keys().copied().collect();
    // As in nginx, a server that is named without variables somewhere is known by this name.
    upstreams.extend(
        translator.named_servers.iter().filter(|(pass, _)| *pass == directive.name()).map(|(_, name)| *name),
    );
    upstreams.sort_unstable();
    upstreams.dedup();
    let hash = hash_of(translator, upstreams.iter().copied());
    let mut pools = Table::default();
    for upstream in upstreams {
        let (name, _) = passing.pool(translator, Target::Named(upstream), text);
        pools.set(upstream, name, "");
    }
    let (any, variables) = passing.pool(translator, Target::Any, text);
    let mut choice = Table::default();
    choice.set("by", host, "");
    if let Some(target) = target {
        choice.set("target", target, "");
    }
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
    Some(Pass {
        name: any,
        choice: Some(choice),
        variables,
        hash,
        rewrite: None,
        pool_path: None,
        family,
        origin,
    })
}

/// The path that `proxy_pass` names: with variables, it is all that is asked for. `None`: the path stays.
fn target(path: &str) -> Option<&str> {
    const KEPT: [&str; 4] = ["", "$request_uri", "$uri$is_args$args", "$document_uri$is_args$args"];
    (!KEPT.contains(&path)).then_some(path)
}

/// One application, and a path that depends on the request.
pub(crate) fn of_one<'a>(
    translator: &mut Translator<'a>,
    passing: &PassDirective<'a, '_>,
    (server, path): (&str, &str),
    text: &str,
) -> Pass {
    let (name, variables) = passing.pool(translator, Target::Named(server), text);
    let origin = translator.ledger.origin(passing.directive);
    let choice = target(path).map(|target| {
        let mut pools = Table::default();
        pools.set(server, name.as_str(), "");
        let mut choice = Table::default();
        choice.set("by", server, "");
        choice.set("target", target, "");
        choice.set("pools", Value::Inline(pools), "");
        choice
    });
    let hash = hash_of(translator, [server]);
    Pass { name, choice, variables, hash, rewrite: None, pool_path: None, family: passing.family, origin }
}

/// The servers that are named without variables, each with the directive that names it.
pub(crate) fn named_servers(directives: &[Directive]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for directive in directives {
        found.extend(named_servers(directive.children()));
        let is_pass = matches!(directive.name(), "proxy_pass" | "uwsgi_pass" | "fastcgi_pass");
        let Some(text) = directive.arg(0).filter(|text| is_pass && !text.contains('$')) else { continue };
        let host = match text.split_once("://") {
            Some(("http", rest)) => rest.split('/').next(),
            Some(_) => None,
            None => Some(text),
        };
        found.extend(host.filter(|host| !host.starts_with("unix:")).map(|host| (directive.name(), host)));
    }
    found
}
