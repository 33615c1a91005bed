//! `proxy_redirect`, `proxy_cookie_domain`, `proxy_cookie_path`: what the application says of itself, in the
//! words of the site.

use nginx_conf::Directive;

use crate::pool_request;
use crate::regex;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate(
    translator: &mut Translator<'_>,
    scope: &Scope<'_>,
    pattern: &str,
    place: &mut Table,
) {
    let usual = usual(scope, pattern);
    // An application that knows the host of its clients does not name its own.
    let tells_host = pool_request::tells_host(place);
    let mut rewrite = Table::default();
    let mut origin = None;
    for (key, name) in [
        ("location", "proxy_redirect"),
        ("cookie_domain", "proxy_cookie_domain"),
        ("cookie_path", "proxy_cookie_path"),
    ] {
        let all = scope.all(name);
        let mut found: Vec<Value> =
            all.iter().filter_map(|directive| pair(translator, directive, usual.as_ref())).collect();
        let is_implied = name == "proxy_redirect" && all.is_empty();
        let implied = usual.as_ref().filter(|usual| is_implied && (usual.has_path || tells_host));
        if let (Some(usual), Some(pass)) = (implied, scope.pass("proxy_pass")) {
            origin.get_or_insert_with(|| translator.ledger.origin(pass));
            found.push(usual.pair());
        }
        if !found.is_empty() && all.is_empty() {
            rewrite.set(key, Value::List(found), "");
        } else if let Some(first) = all.first().filter(|_| !found.is_empty()) {
            origin.get_or_insert_with(|| translator.ledger.origin(first));
            rewrite.set(key, Value::List(found), "");
        }
    }
    let flags = scope.all("proxy_cookie_flags");
    let pair = |directive: &&Directive| {
        let name = directive.arg(0).filter(|name| *name != "off")?;
        let name = if name.starts_with('~') { regex::translated(name) } else { name.to_owned() };
        let flags: Vec<&str> = directive.texts().skip(1).collect();
        Some(Value::List(vec![name.into(), flags.into()]))
    };
    let pairs: Vec<Value> = flags.iter().filter_map(pair).collect();
    if let Some(first) = flags.first().filter(|_| !pairs.is_empty()) {
        origin.get_or_insert_with(|| translator.ledger.origin(first));
        rewrite.set("cookie_flags", Value::List(pairs), "");
    }
    if let Some(origin) = origin {
        place.from("reply_rewrite", Value::Inline(rewrite), &origin);
    }
}

/// `proxy_redirect default`: the application's own address becomes that of the location.
struct Usual {
    from: String,
    to: String,
    /// proxy_pass names a path, so that the application's paths are not those of clients.
    has_path: bool,
}

impl Usual {
    fn pair(&self) -> Value {
        Value::List(vec![self.from.as_str().into(), self.to.as_str().into()])
    }
}

fn usual(scope: &Scope<'_>, pattern: &str) -> Option<Usual> {
    let url = scope.pass("proxy_pass")?.arg(0).filter(|url| !url.contains('$'))?;
    let rest = url.split_once("://")?.1;
    let has_path = match rest.strip_prefix("unix:") {
        Some(socket) => socket.contains(':'),
        None => rest.contains('/'),
    };
    if !has_path {
        return Some(Usual { from: format!("{url}/"), to: "/".to_owned(), has_path });
    }
    let prefix = pattern.trim_start_matches(['=', '^', '~', ' ']);
    let is_prefix = prefix.starts_with('/') && (!pattern.starts_with('~'));
    is_prefix.then(|| Usual { from: url.to_owned(), to: prefix.to_owned(), has_path })
}

/// What is replaced, and by what.
fn pair(translator: &mut Translator<'_>, directive: &Directive, usual: Option<&Usual>) -> Option<Value> {
    match (directive.arg(0)?, directive.arg(1)) {
        (from, Some(to)) => {
            let from = if from.starts_with('~') { regex::translated(from) } else { from.to_owned() };
            Some(Value::List(vec![from.into(), to.into()]))
        }
        ("off", None) => None,
        ("default", None) => usual.map(Usual::pair),
        (other, None) => {
            let why = format!("what `{other}` becomes is missing");
            translator.ledger.not_done(directive, why, "name both, or write off");
            None
        }
    }
}
