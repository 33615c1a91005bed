//! `access_log` of `http`: Weir's one access log.

use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let all = http.all("access_log");
    let Some(directive) = all.first() else { return };
    let origin = translator.ledger.origin(directive);
    let path = directive.arg(0).unwrap_or_default();
    match path {
        "off" => edge.from("access_log", "off", &origin),
        "/dev/stdout" => edge.from("access_log_to", "stdout", &origin),
        "/dev/stderr" | "stderr" => edge.from("access_log_to", "stderr", &origin),
        _ if path.starts_with("syslog:") || path.contains('$') => {
            translator.ledger.left_out(directive, "the access log goes to a file, to stdout or to stderr");
        }
        _ => edge.from("access_log_to", translator.path(path), &origin),
    }
}
