//! Fields of replies and of requests to the application: `add_header`, `*_hide_header`, `proxy_set_header`,
//! `expires`.

use nginx_conf::Directive;

use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// Fields that Weir sends by itself, with the values that mean the same.
const STANDARD: &[(&str, &[&str])] = &[
    ("host", &["$http_host", "$host", "$host:$server_port", "$host:$http_x_forwarded_port"]),
    ("x-real-ip", &["$remote_addr", "$http_x_real_ip"]),
    ("x-forwarded-for", &["$proxy_add_x_forwarded_for", "$remote_addr", "$http_x_forwarded_for"]),
    ("x-forwarded-proto", &["$scheme", "$http_x_forwarded_proto"]),
    ("x-forwarded-host", &["$host", "$http_host", "$host:$server_port", "$http_x_forwarded_host"]),
    ("x-forwarded-port", &["$server_port", "$http_x_forwarded_port"]),
    ("upgrade", &["$http_upgrade"]),
    (
        "connection",
        &["upgrade", "Upgrade", "$connection_upgrade", "", "close", "$http_connection", "keep-alive"],
    ),
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

/// What the application gets besides: each `proxy_set_header`, and each `uwsgi_param HTTP_NAME` with
/// variables.
pub(crate) fn to_application(
    translator: &mut Translator<'_>,
    scope: &Scope<'_>,
    family: &str,
    location: &mut Table,
) {
    let mut fields = Vec::new();
    for directive in scope.all("proxy_set_header").into_iter().filter(|_| family == "proxy") {
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        if is_standard(name, value) {
            translator.ledger.done(directive);
        } else if translator.can().fields {
            let mut field = Table::default();
            if value.is_empty() {
                field.set("remove", name, "");
            } else {
                field.set("set", name, "");
                field.set("value", value, "");
            }
            fields.push(Value::Inline(field));
        } else {
            let why = format!("the application gets {name} as the client sent it, not `{value}`");
            let instead = "leave it out if the application does not need it";
            translator.ledger.not_done(directive, why, instead);
        }
    }
    for (name, value) in parameters(translator, scope, family) {
        let mut field = Table::default();
        field.set("set", name, "");
        field.set("value", value, "");
        fields.push(Value::Inline(field));
    }
    if !fields.is_empty() {
        location.set("request_fields", Value::List(fields), "");
    }
    for directive in scope.all("proxy_redirect") {
        if directive.arg(0) != Some("off") {
            let why = "Location goes to the client as the application sent it";
            let instead = "let the application know its own address (Host, X-Forwarded-Proto)";
            translator.ledger.not_done(directive, why, instead);
        }
    }
}

/// `uwsgi_param HTTP_X_NAME $variable`: the field from which the application's server makes that variable.
fn parameters(translator: &mut Translator<'_>, scope: &Scope<'_>, family: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if !translator.can().fields {
        return found;
    }
    for directive in scope.all(&format!("{family}_param")) {
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        let field = name.strip_prefix("HTTP_").filter(|_| name != "HTTP_HOST" && name != "HTTP_PROXY");
        let Some(field) = field.filter(|_| value.contains('$')) else { continue };
        translator.ledger.done(directive);
        found.push((title(field), value.to_owned()));
    }
    found
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
    if !translator.can().fields {
        for directive in hidden.into_iter().chain(added) {
            translator.ledger.not_done(directive, "fields of replies cannot be changed yet", "");
        }
        return;
    }
    let mut fields = Vec::new();
    let first = hidden.first().or_else(|| added.first()).map(|directive| translator.ledger.origin(directive));
    for directive in hidden {
        translator.ledger.done(directive);
        let mut field = Table::default();
        field.set("remove", directive.arg(0).unwrap_or_default(), "");
        fields.push(Value::Inline(field));
    }
    for directive in added {
        translator.ledger.done(directive);
        let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
        if value.is_empty() {
            continue; // nginx sends no empty field
        }
        let mut field = Table::default();
        field.set("add", name, "");
        field.set("value", value, "");
        if directive.arg(2) == Some("always") {
            field.set("always", true, "");
        }
        fields.push(Value::Inline(field));
    }
    if let Some(origin) = first.filter(|_| !fields.is_empty()) {
        location.from("reply_fields", Value::List(fields), &origin);
    }
    lost(translator, scope);
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
    if text.contains('$') && !translator.can().fields {
        let why = "the time may not depend on a variable yet";
        return translator.ledger.not_done(directive, why, "write one location for each time");
    }
    table.from("expires", text, &translator.ledger.origin(directive));
}

fn is_standard(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    STANDARD.iter().any(|(known, values)| *known == name && values.contains(&value))
}

/// Whether a `map` is the usual one for WebSocket, which needs nothing here.
pub(crate) fn is_upgrade_map(map: &Directive) -> bool {
    map.arg(0) == Some("$http_upgrade") && map.arg(1) == Some("$connection_upgrade")
}
