//! Fields of replies and of requests to the application: `add_header`, `*_hide_header`, `proxy_set_header`,
//! `expires`.

use nginx_conf::Directive;

use crate::cache;
use crate::constants;
use crate::more_headers;
use crate::pool_request;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::site;
use crate::translate::Translator;

/// Fields that Weir sends by itself, with the values that mean the same.
const STANDARD: &[(&str, &[&str])] = &[
    ("host", &["$http_host", "$host", "$host:$server_port", "$host:$http_x_forwarded_port"]),
    ("x-real-ip", &["$remote_addr", "$http_x_real_ip"]),
    ("x-forwarded-for", &["$proxy_add_x_forwarded_for", "$remote_addr", "$http_x_forwarded_for"]),
    ("x-forwarded-proto", &["$scheme", "$http_x_forwarded_proto"]),
    ("x-forwarded-host", &["$host", "$http_host", "$host:$server_port", "$http_x_forwarded_host"]),
    ("x-forwarded-port", &["$server_port", "$http_x_forwarded_port"]),
    ("range", &["$http_range"]),
    ("if-range", &["$http_if_range"]),
    ("user-agent", &["$http_user_agent"]),
    ("referer", &["$http_referer"]),
    ("cookie", &["$http_cookie"]),
    ("authorization", &["$http_authorization"]),
    ("accept", &["$http_accept"]),
    ("accept-encoding", &["$http_accept_encoding"]),
    ("accept-language", &["$http_accept_language"]),
    ("origin", &["$http_origin"]),
    ("x-request-id", &["$http_x_request_id"]),
];

/// What of a connection Weir says itself.
const OF_CONNECTION: [&str; 8] = [
    "connection",
    "upgrade",
    "te",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "expect",
    "content-length",
];
/// What Weir tells the application itself, from what it has settled about the client.
const TOLD: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Whether Weir tells the application this field itself.
pub(crate) fn is_told(name: &str) -> bool {
    TOLD.iter().any(|told| told.eq_ignore_ascii_case(name))
}

/// What the application gets besides: each `proxy_set_header`, and each `uwsgi_param HTTP_NAME` with
/// variables.
pub(crate) fn to_application(
    translator: &mut Translator<'_>,
    scope: &Scope<'_>,
    family: &str,
    location: &mut Table,
) {
    let mut fields: Vec<(String, String)> = Vec::new();
    if family == "proxy" {
        usual_host(translator, scope, location);
    }
    for directive in scope.all("proxy_set_header").into_iter().filter(|_| family == "proxy") {
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        let value = with_target(translator, scope, value);
        match told_as(translator, name, &value) {
            Some(key) => pool_request::tell(key, value.as_str(), location),
            None if is_settled(translator, directive, name, &value) => {}
            None if is_told(name) => pool_request::tell_field(name, &value, location),
            None => fields.push((name.to_owned(), value)),
        }
    }
    fields.extend(parameters(translator, scope, family));
    fields.extend(more_headers::of_request(translator, scope));
    cache::knows(&fields, location);
    let field = |(name, value): &(String, String)| {
        let mut field = Table::default();
        if value.is_empty() {
            field.set("remove", name.as_str(), "");
        } else {
            field.set("set", name.as_str(), "");
            field.set("value", value.as_str(), "");
        }
        Value::Inline(field)
    };
    if !fields.is_empty() {
        location.set("request_fields", Value::List(fields.iter().map(field).collect()), "");
    }
}

/// Without a line for it, nginx names the server of `proxy_pass` as the Host.
fn usual_host(translator: &mut Translator<'_>, scope: &Scope<'_>, location: &mut Table) {
    let is_host =
        |directive: &&Directive| directive.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("host"));
    let host = with_target(translator, scope, "$proxy_host");
    let Some(pass) = scope.pass("proxy_pass") else { return };
    // A page that is kept is not asked for with what a visitor's variables say.
    if host.contains('$') && pool_request::caches(translator, scope, "proxy") {
        return;
    }
    if scope.all("proxy_set_header").iter().any(is_host) {
        return;
    }
    let trap = format!(
        "the application gets the Host `{host}`, not the one that visitors ask for; write \
         `proxy_set_header Host $http_host;`"
    );
    translator.ledger.trap(pass, trap);
    pool_request::tell("host", host.as_str(), location);
}

/// The key of `pool_request` for what Weir tells the application itself, if the file wants another value.
fn told_as(translator: &Translator<'_>, name: &str, value: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let facts = &translator.server;
    let (key, of_server) = match lower.as_str() {
        "host" => ("host", facts.name.as_deref()),
        "x-forwarded-proto" if matches!(value, "http" | "https") => ("scheme", facts.scheme),
        _ => return None,
    };
    let is_usual = is_standard(&lower, value) || of_server == Some(value) || value.is_empty();
    (!is_usual).then_some(key)
}

/// `$proxy_host` and `$proxy_port` are what stands in proxy_pass, also where that depends on the request.
pub(crate) fn with_target(translator: &mut Translator<'_>, scope: &Scope<'_>, value: &str) -> String {
    let url = scope.pass("proxy_pass").and_then(|pass| constants::filled(translator, scope, pass));
    let Some(url) = url else { return value.to_owned() };
    // The edge takes the host of a value that is a URL.
    let Some((scheme, rest)) = url.split_once("://") else {
        return if value == "$proxy_host" { url } else { value.to_owned() };
    };
    let host =
        if rest.starts_with("unix:") { "localhost" } else { rest.split('/').next().unwrap_or_default() };
    let usual = if scheme == "https" { "443" } else { "80" };
    let port = match host.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => port,
        _ => usual,
    };
    let host = host.strip_suffix(&format!(":{usual}")).unwrap_or(host);
    site::with_variable(&site::with_variable(value, "proxy_host", host), "proxy_port", port)
}

/// Whether the application gets the field without a setting; says so where it does not.
fn is_settled(translator: &mut Translator<'_>, directive: &Directive, name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let facts = &translator.server;
    let of_server = match lower.as_str() {
        "x-forwarded-proto" => facts.scheme == Some(value),
        "x-forwarded-port" => facts.port.as_deref() == Some(value),
        "host" | "x-forwarded-host" => facts.name.as_deref() == Some(value),
        _ => false,
    };
    if is_standard(&lower, value) || of_server {
        true
    } else if OF_CONNECTION.contains(&lower.as_str()) {
        translator
            .ledger
            .different(directive, "Weir sees to its connections, and passes WebSocket on, by itself");
        true
    } else if lower == "host" {
        // An empty one, which HTTP/1.1 does not have.
        translator.ledger.not_done(directive, "HTTP/1.1 needs a Host", "write $http_host");
        true
    } else {
        false
    }
}

/// `uwsgi_param HTTP_X_NAME $variable`: the field from which the application's server makes that variable.
fn parameters(translator: &mut Translator<'_>, scope: &Scope<'_>, family: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directive in scope.all(&format!("{family}_param")) {
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        let value = translator.server.filled(value);
        let Some(field) = field_of(name).filter(|field| value.contains('$') && !is_told(field)) else {
            continue;
        };
        if !is_settled(translator, directive, &field, &value) {
            found.push((field, value));
        }
    }
    found
}

/// The field that the application's server makes this variable from.
pub(crate) fn field_of(parameter: &str) -> Option<String> {
    let field =
        parameter.strip_prefix("HTTP_").filter(|_| parameter != "HTTP_HOST" && parameter != "HTTP_PROXY");
    field.map(title)
}

/// `X_FORWARDED_PROTO` as `X-Forwarded-Proto`.
fn title(variable: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect::<String>()
    };
    variable.split('_').map(word).collect::<Vec<_>>().join("-")
}

/// `add_header` of the nearest block that has any, and what is hidden of the application's fields.
pub(crate) fn of_reply(translator: &mut Translator<'_>, scope: &Scope<'_>, location: &mut Table) {
    let hidden = ["proxy_hide_header", "uwsgi_hide_header", "fastcgi_hide_header"];
    let hidden: Vec<&Directive> = hidden.into_iter().flat_map(|name| scope.all(name)).collect();
    let added = scope.all("add_header");
    let mut fields = Vec::new();
    let first = hidden.first().or_else(|| added.first()).map(|directive| translator.ledger.origin(directive));
    for directive in hidden {
        let mut field = Table::default();
        field.set("remove", directive.arg(0).unwrap_or_default(), "");
        fields.push(Value::Inline(field));
    }
    let passed = passed(scope);
    let first = first.or_else(|| passed.first().map(|directive| translator.ledger.origin(directive)));
    for directive in passed {
        let name = directive.arg(0).unwrap_or_default();
        let mut field = Table::default();
        field.set("set", name, "");
        field.set("value", format!("$upstream_http_{}", name.to_ascii_lowercase()), "");
        field.set("always", true, "");
        fields.push(Value::Inline(field));
    }
    for directive in added {
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        if is_framing(translator, directive, name) {
            continue;
        }
        let mut field = Table::default();
        field.set("add", name, "");
        // A line's end would end the field: nginx sends an empty line more, which changes nothing.
        field.set("value", value.trim_end(), "");
        if directive.arg(2) == Some("always") {
            field.set("always", true, "");
        }
        fields.push(Value::Inline(field));
    }
    let more = more_headers::of_reply(translator, scope);
    let first = first.or_else(|| more.first().map(|(origin, _)| origin.clone()));
    fields.extend(more.into_iter().map(|(_, field)| Value::Inline(field)));
    if let Some(origin) = first.filter(|_| !fields.is_empty()) {
        location.from("reply_fields", Value::List(fields), &origin);
    }
    lost(translator, scope);
}

/// `proxy_pass_header Server;`: these two are otherwise Weir's own, all others reach clients anyhow.
fn passed<'a>(scope: &Scope<'a>) -> Vec<&'a Directive> {
    let names = ["proxy_pass_header", "uwsgi_pass_header", "fastcgi_pass_header"];
    let all = names.into_iter().flat_map(|name| scope.all(name));
    all.filter(|directive| {
        directive
            .arg(0)
            .is_some_and(|name| ["server", "date"].iter().any(|own| own.eq_ignore_ascii_case(name)))
    })
    .collect()
}

/// Whether a field says how long a body is, which Weir does itself.
pub(crate) fn is_framing(translator: &mut Translator<'_>, directive: &Directive, name: &str) -> bool {
    const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "connection", "keep-alive"];
    let is_one = FRAMING.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is_one {
        translator
            .ledger
            .different(directive, "Weir says itself how long a body is, and what becomes of the connection");
    }
    is_one
}

/// One `add_header` in a location takes away all of the blocks around it.
fn lost(translator: &mut Translator<'_>, scope: &Scope<'_>) {
    let Some(own) = scope.here("add_header") else { return };
    let outer = scope.outside();
    let lost: Vec<&str> = outer.all("add_header").iter().filter_map(|directive| directive.arg(0)).collect();
    let own_names: Vec<&str> =
        scope.all("add_header").iter().filter_map(|directive| directive.arg(0)).collect();
    let lost: Vec<&str> = lost.into_iter().filter(|name| !own_names.contains(name)).collect();
    if !lost.is_empty() {
        let trap = format!(
            "the outer add_header of {} has no effect here; repeat it in this block",
            lost.join(", ")
        );
        translator.ledger.trap(own, trap);
    }
}

pub(crate) fn expires(translator: &mut Translator<'_>, directive: &Directive, table: &mut Table) {
    let text = directive.texts().collect::<Vec<_>>().join(" ");
    table.from("expires", text, &translator.ledger.origin(directive));
}

/// `name` is in lower case.
pub(crate) fn is_standard(name: &str, value: &str) -> bool {
    STANDARD.iter().any(|(known, values)| *known == name && values.contains(&value))
}

/// Whether a `map` is the usual one for WebSocket, which needs nothing here.
pub(crate) fn is_upgrade_map(map: &Directive) -> bool {
    map.arg(0) == Some("$http_upgrade") && map.arg(1) == Some("$connection_upgrade")
}
