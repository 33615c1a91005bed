//! `access_log` of all blocks: Weir's one access log, and logs with formats of their own beside it. Also
//! `error_log` of servers and locations.

use nginx_conf::Directive;

use crate::log_format;
use crate::program;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// Which `access_log` becomes what.
#[derive(Debug, Default)]
pub(crate) struct LogPlan {
    /// The `access_log` of `http` that is Weir's own: in the usual format, of all requests.
    own: Option<u32>,
    /// Whether there are others, so that places have to say which are theirs.
    has_others: bool,
    /// The formats that they use.
    formats: Vec<String>,
    /// The `error_log` that is the process's.
    error_log: Option<u32>,
}

impl LogPlan {
    /// `process`: the `error_log` of the process.
    pub(crate) fn new(http: &Scope<'_>, process: Option<&Directive>) -> Self {
        let outer: Vec<_> = http.own().iter().filter(|directive| directive.name() == "access_log").collect();
        let own = if outer.iter().any(|directive| is_off(directive)) {
            None
        } else {
            outer.iter().find(|directive| is_usual(directive)).map(|directive| directive.order)
        };
        let is_other = |directive: &Directive| !is_off(directive) && own != Some(directive.order);
        let has_others = has_log(http.own(), &is_other);
        let error_log = process.map(|directive| directive.order);
        Self { own, has_others, error_log, formats: Vec::new() }
    }

    pub(crate) fn uses_format(&self, name: &str) -> bool {
        self.formats.iter().any(|used| used == name)
    }
}

fn has_log(directives: &[Directive], is_wanted: &dyn Fn(&Directive) -> bool) -> bool {
    directives.iter().any(|directive| {
        directive.name() == "access_log" && is_wanted(directive)
            || matches!(directive.name(), "server" | "location") && has_log(directive.children(), is_wanted)
    })
}

fn is_off(directive: &Directive) -> bool {
    directive.arg(0) == Some("off")
}

/// Whether all requests go to a file in nginx's own format.
fn is_usual(directive: &Directive) -> bool {
    let path = directive.arg(0).unwrap_or_default();
    let is_file = !path.starts_with("syslog:") && !path.contains('$');
    let has_condition = directive.texts().skip(2).any(|parameter| parameter.starts_with("if="));
    is_file && matches!(directive.arg(1), None | Some("combined")) && !has_condition
}

/// The logs of `http`, and all formats that are used.
pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let all = http.all("access_log");
    if let Some(off) = all.iter().find(|directive| is_off(directive)) {
        edge.from("access_log", "off", &translator.ledger.origin(off));
    } else if let Some(first) = all.first() {
        let own = all.iter().find(|directive| translator.logs.own == Some(directive.order));
        match own.and_then(|own| Some((own, destination(translator, own)?))) {
            Some((own, to)) => edge.from("access_log_to", to, &translator.ledger.origin(own)),
            None => {
                let means = "requests whose head cannot be read are in no log with a format of its own";
                edge.noted("access_log", "off", &translator.ledger.origin(first), means);
            }
        }
        let others = others(translator, &all);
        if !others.is_empty() {
            edge.from("logs", Value::List(others), &translator.ledger.origin(first));
        }
    }
    log_format::translate(translator, http, edge);
}

/// The logs of a place, where it or one around it within `http` has any.
pub(crate) fn of_place<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, table: &mut Table) {
    let all = scope.all("access_log");
    let Some(first) = all.first() else { return };
    let origin = translator.ledger.origin(first);
    if all.iter().any(|directive| is_off(directive)) {
        table.from("access_log", false, &origin);
        if translator.logs.has_others {
            table.set("logs", Value::List(Vec::new()), "");
        }
    } else if translator.logs.has_others {
        let has_own = all.iter().any(|directive| translator.logs.own == Some(directive.order));
        let others = others(translator, &all);
        if !has_own {
            table.from("access_log", false, &origin);
        }
        table.from("logs", Value::List(others), &origin);
    }
}

/// The error logs of a place, where they are not that of the process.
pub(crate) fn errors_of_place<'a>(translator: &mut Translator<'a>, scope: &Scope<'a>, table: &mut Table) {
    let all = scope.all("error_log");
    let Some(first) = all.first() else { return };
    if all.iter().any(|directive| translator.logs.error_log == Some(directive.order)) {
        return;
    }
    let mut logs = Vec::new();
    for directive in &all {
        if directive.arg(0).is_some_and(|path| path.starts_with("memory:")) {
            translator.ledger.left_out(directive, "the error log goes to a file, to stderr or to syslog");
            continue;
        }
        let Some(to) = destination(translator, directive) else { continue };
        let mut log = Table::default();
        log.set("to", to, "");
        log.set("level", program::level_of(directive), "");
        logs.push(Value::Inline(log));
    }
    if !logs.is_empty() {
        table.from("error_log", Value::List(logs), &translator.ledger.origin(first));
    }
}

/// All but Weir's own log.
fn others<'a>(translator: &mut Translator<'a>, all: &[&'a Directive]) -> Vec<Value> {
    let others = all.iter().filter(|directive| translator.logs.own != Some(directive.order));
    let others: Vec<_> = others.copied().collect();
    others.into_iter().filter_map(|directive| log(translator, directive)).map(Value::Inline).collect()
}

fn log(translator: &mut Translator<'_>, directive: &Directive) -> Option<Table> {
    let mut table = Table::default();
    table.set("to", destination(translator, directive)?, "");
    if let Some(name) = directive.arg(1).filter(|name| *name != "combined") {
        let is_known = translator.log_formats.contains(&name);
        if !is_known && !translator.is_fragment {
            let why = format!("there is no log_format `{name}`");
            translator.ledger.not_done(directive, why, "name one, or combined");
            return None;
        }
        if is_known {
            if !translator.logs.uses_format(name) {
                translator.logs.formats.push(name.to_owned());
            }
            table.set("format", log_format::key(name), "");
        } else {
            let why = format!("`log_format {name}` is in the nginx.conf around this file: combined is used");
            translator.ledger.left_out(directive, why);
        }
    }
    for parameter in directive.texts().skip(2) {
        match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("if", condition) => table.set("if", condition, ""),
            // How lines are collected before they are written.
            ("buffer" | "flush", _) => {}
            ("gzip", _) => translator.ledger.left_out(directive, "the log is not compressed"),
            _ => translator.ledger.left_out(directive, format!("the parameter `{parameter}` is not known")),
        }
    }
    Some(table)
}

/// Where a log goes, as Weir writes it.
fn destination(translator: &mut Translator<'_>, directive: &Directive) -> Option<String> {
    let path = directive.arg(0).unwrap_or_default();
    match path {
        "/dev/stdout" | "/proc/self/fd/1" => Some("stdout".to_owned()),
        "/dev/stderr" | "/proc/self/fd/2" | "stderr" => Some("stderr".to_owned()),
        _ if path.starts_with("syslog:") => Some(path.to_owned()),
        _ => Some(translator.path(path)),
    }
}
