//! `log_format`: a text with variables.

use nginx_conf::Directive;

use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// Variables of nginx's that Weir does not have, or the beginnings of their names.
const MISSING: &[&str] = &[
    "geoip2_",
    "geoip_",
    "proxy_port",
    "proxy_protocol_tlv_",
    "ssl_ciphers",
    "ssl_curves",
    "ssl_session_id",
    "tcpinfo_",
    "uid_",
    "upstream_bytes_",
    "upstream_last_server_name",
    "upstream_queue_time",
];

/// The names of all formats.
pub(crate) fn names<'a>(http: &Scope<'a>) -> Vec<&'a str> {
    let formats = http.own().iter().filter(|directive| directive.name() == "log_format");
    formats.filter_map(|directive| directive.arg(0)).collect()
}

/// The name of a format in the settings: `json` is one of Weir's own.
pub(crate) fn key(name: &str) -> String {
    if name == "json" { "nginx-json".to_owned() } else { name.to_owned() }
}

/// `log_formats`: those that some log uses.
pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let mut formats = Table::new(None);
    for directive in http.own().iter().filter(|directive| directive.name() == "log_format") {
        let Some(name) = directive.arg(0).filter(|name| translator.logs.uses_format(name)) else { continue };
        let (text, missing) = without_missing(directive);
        if !missing.is_empty() {
            let why = format!("these variables have no value here: {}", missing.join(", "));
            translator.ledger.left_out(directive, why);
        }
        let origin = translator.ledger.origin(directive);
        match escape(directive) {
            "default" => formats.from(&key(name), text, &origin),
            escape => {
                let mut format = Table::default();
                format.set("text", text, "");
                format.set("escape", escape, "");
                formats.from(&key(name), Value::Inline(format), &origin);
            }
        }
    }
    if !formats.is_empty() {
        edge.set("log_formats", Value::Section(formats), "");
    }
}

fn escape(directive: &Directive) -> &str {
    directive.arg(1).and_then(|text| text.strip_prefix("escape=")).unwrap_or("default")
}

/// The text, with what nginx writes for a variable without a value in the place of those that Weir does not
/// have; and their names.
fn without_missing(directive: &Directive) -> (String, Vec<String>) {
    let words = directive.texts().skip(1);
    let text: String = words.filter(|word| !word.starts_with("escape=")).collect();
    let nothing = if escape(directive) == "default" { "-" } else { "" };
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let (mut filled, mut missing) = (String::new(), Vec::new());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let plain = || after.split_at(after.find(|letter| !is_of_name(letter)).unwrap_or(after.len()));
        let (name, behind) = braced.unwrap_or_else(plain);
        let is_missing =
            MISSING.iter().any(|known| *known == name || known.ends_with('_') && name.starts_with(known));
        if is_missing {
            filled.push_str(nothing);
            missing.push(format!("${name}"));
        } else {
            filled.push_str(&match (name, braced) {
                ("", _) => "$$".to_owned(),
                (name, Some(_)) => format!("${{{name}}}"),
                (name, None) => format!("${name}"),
            });
        }
        rest = behind;
    }
    (filled + rest, missing)
}
