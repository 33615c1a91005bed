//! `uwsgi_param`, `fastcgi_param`: variables that say more than Weir does by itself.

use nginx_conf::Directive;

use crate::fields::{self, field_of};
use crate::scope::Scope;
use crate::scripts;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// The variables that Weir sends by itself, with the values that nginx's own files give them.
const STANDARD: &[(&str, &[&str])] = &[
    ("QUERY_STRING", &["$query_string", "$args"]),
    ("REQUEST_METHOD", &["$request_method"]),
    ("CONTENT_TYPE", &["$content_type"]),
    ("CONTENT_LENGTH", &["$content_length"]),
    ("REQUEST_URI", &["$request_uri"]),
    ("PATH_INFO", &["$document_uri", "$uri", "$fastcgi_path_info", "$fastcgi_script_name"]),
    ("DOCUMENT_ROOT", &["$document_root", "$realpath_root"]),
    ("DOCUMENT_URI", &["$document_uri", "$uri"]),
    ("SERVER_PROTOCOL", &["$server_protocol"]),
    ("REQUEST_SCHEME", &["$scheme"]),
    ("HTTPS", &["$https", "$https if_not_empty"]),
    ("REMOTE_ADDR", &["$remote_addr"]),
    ("REMOTE_PORT", &["$remote_port"]),
    ("SERVER_ADDR", &["$server_addr"]),
    ("SERVER_PORT", &["$server_port"]),
    ("SERVER_NAME", &["$server_name", "$host"]),
    ("HTTP_HOST", &["$http_host", "$host"]),
    ("GATEWAY_INTERFACE", &["CGI/1.1"]),
    ("SERVER_SOFTWARE", &["nginx/$nginx_version", "nginx"]),
    ("SCRIPT_NAME", &["$fastcgi_script_name"]),
    (
        "SCRIPT_FILENAME",
        &["$document_root$fastcgi_script_name", "$realpath_root$fastcgi_script_name", "$request_filename"],
    ),
    ("REDIRECT_STATUS", &["200"]),
    ("UWSGI_SCHEME", &["$scheme"]),
];

/// What becomes of one line.
enum Parameter<'a> {
    /// Weir says it by itself, or a field of the request does.
    Settled,
    /// No application reads it.
    Unread(&'static str),
    Constant(&'a str, String),
    /// The location tells the value with each request.
    Told(&'a str, String),
}

/// Sets of variables of a pool.
pub(crate) fn variables<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    family: &str,
) -> Option<Table> {
    let mut variables = Table::new(None);
    let mut numbers = 0_u64..;
    for param in scope.all(&format!("{family}_param")) {
        match parameter(translator, (scope, family), param) {
            Parameter::Settled => {}
            Parameter::Unread(how) => translator.ledger.different(param, how),
            Parameter::Constant(name, value) => {
                variables.from(name, value, &translator.ledger.origin(param));
            }
            Parameter::Told(name, _) => {
                let mut told = Table::default();
                told.set("told", numbers.next().unwrap_or_default(), "");
                variables.from(name, Value::Inline(told), &translator.ledger.origin(param));
            }
        }
    }
    (!variables.is_empty()).then_some(variables)
}

/// Those whose values locations tell, in the order of their numbers.
pub(crate) fn told<'a>(
    scope: &Scope<'a>,
    family: &str,
    translator: &Translator<'a>,
) -> Vec<(&'a str, String)> {
    let all = scope.all(&format!("{family}_param")).into_iter();
    let told = |param: &'a Directive| match parameter(translator, (scope, family), param) {
        Parameter::Told(name, value) => Some((name, value)),
        _ => None,
    };
    all.filter_map(told).collect()
}

fn parameter<'a>(
    translator: &Translator<'a>,
    (scope, family): (&Scope<'a>, &str),
    param: &'a Directive,
) -> Parameter<'a> {
    let Some(name) = param.arg(0) else { return Parameter::Settled };
    let words = param.args.get(1..).unwrap_or_default();
    let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    let value = words.join(" ");
    let value = value.trim_end_matches(" if_not_empty");
    let is_standard = STANDARD.iter().any(|(known, values)| *known == name && values.contains(&value));
    if is_standard && scripts::is_usual(scope, family, value) {
        return Parameter::Settled;
    }
    if name.bytes().any(|byte| byte == b'-' || byte.is_ascii_lowercase()) {
        return Parameter::Unread(
            "no application reads a variable of this name: it reads HTTP_X_REAL_IP and the like",
        );
    }
    if name == "REMOTE_USER" && value == "$remote_user" && scope.one("auth_basic").is_none() {
        return Parameter::Unread(
            "Weir asks for no password here, so there is no name: the application reads Authorization",
        );
    }
    let value = translator.server.filled(value);
    match (value.contains('$'), field_of(name)) {
        (false, _) => Parameter::Constant(name, value),
        (true, Some(field)) if !fields::is_told(&field) => Parameter::Settled,
        (true, Some(field)) if fields::is_standard(&field.to_ascii_lowercase(), &value) => Parameter::Settled,
        (true, _) => Parameter::Told(name, value),
    }
}
