//! `proxy_pass`, `uwsgi_pass`, `fastcgi_pass`: the pool that answers.

use nginx_conf::{Directive, values};

use crate::constants;
use crate::ledger::Origin;
use crate::limits::time;
use crate::parameters;
use crate::pass_choice;
use crate::pool_tls;
use crate::regex::escaped;
use crate::resolver;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;
use crate::traps;
use crate::upstream::{self, Scheme};

/// The pool of a location.
pub(crate) struct Pass {
    pub(crate) name: String,
    /// Which pool or server it is, where the request says so.
    pub(crate) choice: Option<Table>,
    pub(crate) variables: Option<String>,
    /// What the pool's `hash` looks at.
    pub(crate) hash: Option<String>,
    /// What becomes of the location's prefix: `proxy_pass http://app/other/;`.
    pub(crate) rewrite: Option<String>,
    /// The location's prefix again: nginx then sends the path in its normal form.
    pub(crate) pool_path: Option<String>,
    /// What the names of its directives begin with.
    pub(crate) family: &'static str,
    pub(crate) origin: Origin,
}

/// The pool, where the location passes its requests to an application.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    pattern: &str,
) -> Option<Pass> {
    let families = [
        ("proxy", "proxy_pass", Scheme::Http),
        ("uwsgi", "uwsgi_pass", Scheme::Uwsgi),
        ("fastcgi", "fastcgi_pass", Scheme::Fastcgi),
    ];
    let found =
        families.into_iter().find_map(|(family, name, scheme)| Some((family, scheme, scope.pass(name)?)));
    let (family, scheme, directive) = found?;
    if scheme == Scheme::Uwsgi {
        traps::of_uwsgi_buffer(translator, directive);
    }
    let text = constants::filled(translator, scope, directive)?;
    let is_tls = scheme == Scheme::Http && text.starts_with("https://");
    let scheme = if is_tls { Scheme::Https } else { scheme };
    let passing = PassDirective { scope, directive, family, scheme };
    let varies = match text.split_once("://") {
        Some((_, rest)) => rest.split('/').next().is_some_and(|host| host.contains('$')),
        None => text.contains('$'),
    };
    if varies {
        return pass_choice::translate(translator, &passing, &text);
    }
    let (target, rewrite, pool_path) = match scheme {
        Scheme::Http | Scheme::Https => match http_target(translator, directive, &text, pattern)? {
            HttpTarget::Prefix(target, rewrite) => (target, rewrite, None),
            HttpTarget::Same(target, path) => (target, None, Some(path)),
            HttpTarget::Whole(target, path) => {
                return Some(pass_choice::of_one(translator, &passing, (&target, &path), &text));
            }
        },
        _ => (text.strip_prefix("uwsgi://").unwrap_or(&text).to_owned(), None, None),
    };
    let (name, variables) = passing.pool(translator, Target::Named(&target), &text);
    let hash = hash_of(translator, [target.as_str()]);
    let origin = translator.ledger.origin(directive);
    Some(Pass { name, choice: None, variables, hash, rewrite, pool_path, family, origin })
}

/// What the `hash` of the first of these `upstream` blocks looks at that has one.
pub(crate) fn hash_of<'t>(
    translator: &Translator<'_>,
    targets: impl IntoIterator<Item = &'t str>,
) -> Option<String> {
    let mut blocks = targets.into_iter().filter_map(|target| translator.upstreams.get(target));
    blocks.find_map(|block| upstream::hash_key(block)).map(str::to_owned)
}

/// A directive that passes requests on, and what holds around it.
pub(crate) struct PassDirective<'a, 's> {
    pub(crate) scope: &'s Scope<'a>,
    pub(crate) directive: &'a Directive,
    pub(crate) family: &'static str,
    pub(crate) scheme: Scheme,
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) enum Target<'t> {
    /// An `upstream`, or a server.
    Named(&'t str),
    /// Whom the request names.
    Any,
}

impl<'a> PassDirective<'a, '_> {
    /// The name of the pool, and of its set of variables.
    pub(crate) fn pool(
        &self,
        translator: &mut Translator<'a>,
        target: Target<'_>,
        text: &str,
    ) -> (String, Option<String>) {
        let Self { scope, directive, family, scheme } = *self;
        let origin = translator.ledger.origin(directive);
        let mut table = Table::new(Some(format!("{origin}: {} {text}", directive.name())));
        let upstream = match target {
            Target::Named(target) => translator.upstreams.get(target).copied(),
            Target::Any => None,
        };
        let name = match (target, upstream) {
            (Target::Named(target), Some(upstream)) => {
                upstream::translate(upstream, scheme, &mut table, &mut translator.ledger);
                let inner = scope.inside(upstream.children());
                if let Some(resolver) = inner.one("resolver").filter(|_| upstream::resolves(upstream)) {
                    resolver::translate(translator, resolver, &mut table);
                }
                target.to_owned()
            }
            (Target::Named(target), None) => {
                server(translator, (scope, directive), scheme.address(target), &mut table);
                named_after(target)
            }
            (Target::Any, _) => {
                table.set("any_server", true, "");
                if let Some(resolver) = scope.one("resolver") {
                    resolver::translate(translator, resolver, &mut table);
                }
                "any".to_owned()
            }
        };
        if scheme == Scheme::Https {
            pool_tls::translate(translator, scope, upstream.and_then(|upstream| upstream.arg(0)), &mut table);
        }
        time_limits(translator, scope, family, &mut table);
        retries(translator, scope, family, &mut table);
        if !scheme.is_http() {
            table.set("buffer_size", 65_535, "nginx asks for no less; uWSGI's buffer-size bounds it");
            table.set("max_vars", 1000, "");
        }
        table.set(
            "max_in_flight",
            10_000,
            "nginx has no bound; what the servers can do at once protects them",
        );
        if scheme == Scheme::Fastcgi
            && scope.all("fastcgi_param").iter().any(|param| param.arg(0) == Some("SCRIPT_FILENAME"))
        {
            table.set("flavour", "php", "");
        }
        let name = translator.pools.named(&name, table);
        let variables = parameters::variables(translator, scope, family);
        let variables = variables.and_then(|variables| translator.pools.variables(&name, variables));
        let body = scope.one("client_max_body_size").and_then(|size| values::offset(size.arg(0)?));
        translator.pools.takes_bodies(
            &name,
            match body {
                Some(0) => 1 << 40,
                Some(bytes) => bytes,
                None => 0,
            },
        );
        (name, variables)
    }
}

/// Host and port of a URL, or its socket.
enum HttpTarget {
    /// And what becomes of the location's prefix.
    Prefix(String, Option<String>),
    /// And the location's prefix, which stays.
    Same(String, String),
    /// And the path that is asked for, whatever the location is.
    Whole(String, String),
}

/// Host and port of a URL, or its socket; and what its path makes of the location's prefix.
fn http_target(
    translator: &mut Translator<'_>,
    directive: &Directive,
    url: &str,
    pattern: &str,
) -> Option<HttpTarget> {
    let secure = url.strip_prefix("https://");
    let Some(rest) = url.strip_prefix("http://").or(secure) else {
        translator.ledger.not_done(directive, "the URL begins with neither http:// nor https://", "");
        return None;
    };
    if secure.is_some_and(|rest| rest.starts_with("unix:")) {
        translator.ledger.not_done(directive, "no TLS over unix sockets", "write http://unix:");
        return None;
    }
    let (target, path) = match rest.strip_prefix("unix:") {
        Some(socket) => match socket.split_once(':') {
            Some((socket, path)) => (format!("unix:{socket}"), Some(path)),
            None => (rest.to_owned(), None),
        },
        None => match rest.find('/') {
            Some(at) => (rest.get(..at)?.to_owned(), rest.get(at..)),
            None => (rest.to_owned(), None),
        },
    };
    let prefix = pattern.trim_start_matches(['^', '~', '=']).trim_start();
    let uses_variables = directive.arg(0).is_some_and(|text| text.contains('$'));
    let Some(path) = path else { return Some(HttpTarget::Prefix(target, None)) };
    if path == prefix && !uses_variables {
        return Some(HttpTarget::Same(target, path.to_owned()));
    }
    if uses_variables {
        return Some(HttpTarget::Whole(target, path.to_owned()));
    }
    if path.contains(' ') || !path.starts_with('/') {
        let why = format!("the prefix `{prefix}` cannot become `{path}`");
        translator.ledger.not_done(directive, why, "name a path that begins with a slash");
        return None;
    }
    Some(HttpTarget::Prefix(target, Some(prefix_rewrite(pattern, prefix, path))))
}

/// A `rewrite` that puts a path in the place of a location's prefix.
fn prefix_rewrite(pattern: &str, prefix: &str, path: &str) -> String {
    let regex = escaped(prefix);
    if pattern.starts_with('=') {
        return format!("(?s)^{regex}$ {path} break");
    }
    format!("(?s)^{regex}(.*)$ {path}$1 break")
}

/// The server of a pool that no `upstream` names. As in nginx, one whose name stands in a variable is looked
/// up again and again.
fn server<'a>(
    translator: &mut Translator<'a>,
    (scope, directive): (&Scope<'a>, &Directive),
    address: String,
    table: &mut Table,
) {
    let is_looked_up = directive.arg(0).is_some_and(|text| text.contains('$')) && !address.contains("unix:");
    let resolver = scope.one("resolver").filter(|_| is_looked_up && is_name(&address));
    let Some(resolver) = resolver else { return table.set("servers", vec![address], "") };
    let mut server = Table::default();
    server.set("address", address, "");
    server.set("resolve", true, "");
    table.set("servers", Value::List(vec![Value::Inline(server)]), "");
    resolver::translate(translator, resolver, table);
}

/// Whether `http://host:port` names a host, and no address.
fn is_name(address: &str) -> bool {
    let host = address.rsplit_once("://").map_or(address, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err()
}

/// A name for the pool of a server that has none: `127.0.0.1:8000`, `app.sock`.
fn named_after(target: &str) -> String {
    target.strip_prefix("unix:").and_then(|path| path.rsplit('/').next()).unwrap_or(target).to_owned()
}

fn time_limits(translator: &mut Translator<'_>, scope: &Scope<'_>, family: &str, table: &mut Table) {
    for (key, default) in [("connect_timeout", 60_000), ("send_timeout", 60_000), ("read_timeout", 60_000)] {
        let name = format!("{family}_{key}");
        let directive = scope.one(&name);
        let value =
            directive.and_then(|directive| values::milliseconds(directive.arg(0)?)).unwrap_or(default);
        match directive {
            Some(directive) => table.from(key, time(value), &translator.ledger.origin(directive)),
            None if key == "connect_timeout" => table.set(key, time(value), "nginx's default"),
            None => {}
        }
        if key == "read_timeout" {
            translator.pools.read_timeout(value);
            if value != default {
                table.set("tunnel_timeout", time(value), "");
            }
        }
    }
}

fn retries(translator: &mut Translator<'_>, scope: &Scope<'_>, family: &str, table: &mut Table) {
    let mut retry = Table::default();
    let mut origin = None;
    if matches!(table.get("servers"), Some(Value::List(servers)) if servers.len() > 1) {
        retry.set("budget", 1, "nginx has no bound");
    }
    if let Some(directive) = scope.one(&format!("{family}_next_upstream")) {
        let conditions: Vec<_> = directive.texts().collect();
        if conditions == ["off"] {
            table.from("tries", 1, &translator.ledger.origin(directive));
        }
        let statuses: Vec<u64> =
            conditions.iter().filter_map(|text| text.strip_prefix("http_")?.parse().ok()).collect();
        if !statuses.is_empty() {
            retry.set("statuses", statuses, "");
        }
        if conditions.contains(&"non_idempotent") {
            retry.set("any_method", true, "");
        }
        origin = Some(translator.ledger.origin(directive));
    }
    let tries = scope.one(&format!("{family}_next_upstream_tries"));
    if let Some((directive, tries)) = tries.and_then(|one| Some((one, values::number(one.arg(0)?)?)))
        && tries > 0
    {
        table.from("tries", tries, &translator.ledger.origin(directive));
    }
    let limit = scope.one(&format!("{family}_next_upstream_timeout"));
    if let Some((directive, limit)) = limit.and_then(|one| Some((one, values::milliseconds(one.arg(0)?)?)))
        && limit > 0
    {
        retry.set("timeout", time(limit), "");
        origin = Some(translator.ledger.origin(directive));
    }
    match origin {
        _ if retry.is_empty() => {}
        Some(origin) => table.from("retry", Value::Inline(retry), &origin),
        None => table.set("retry", Value::Inline(retry), "nginx has no bound"),
    }
}
