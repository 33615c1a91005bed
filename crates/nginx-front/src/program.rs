//! What nginx.conf says of the process itself: `pid`, `daemon`, `user`, `error_log`.

use nginx_conf::Directive;

use crate::ledger::Ledger;
use crate::settings::Table;
use crate::translate::Options;

/// What concerns the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The file that holds the number of the process.
    pub pid: Option<String>,
    /// Whether the process leaves the terminal; nginx's default.
    pub daemon: bool,
    /// The user, and the group where it is named.
    pub user: Option<(String, Option<String>)>,
    /// The first `error_log`, with its level.
    pub error_log: Option<(String, String)>,
}

/// The `error_log` of the process: the first outside of `http`, otherwise the first within.
pub(crate) fn process_log(main: &[Directive]) -> Option<&Directive> {
    let mut all = Vec::new();
    collect(0, main, &mut all);
    // Those of the outermost lines first.
    all.into_iter().min_by_key(|(depth, _)| *depth).map(|(_, first)| first)
}

/// Finds the log of the process, and says which others do not count. Servers and locations have their own.
fn error_log<'a>(main: &'a [Directive], ledger: &mut Ledger<'_>) -> Option<&'a Directive> {
    let first = process_log(main)?;
    let mut all = Vec::new();
    collect(0, main, &mut all);
    for (_, other) in all.iter().filter(|(depth, _)| *depth < IN_SERVER) {
        if !other.texts().eq(first.texts()) {
            ledger
                .left_out(other, format!("the process has one error log, that of {}", ledger.origin(first)));
        }
    }
    Some(first)
}

/// How deep the lines of a server stand.
const IN_SERVER: usize = 2;

fn collect<'a>(depth: usize, directives: &'a [Directive], all: &mut Vec<(usize, &'a Directive)>) {
    for directive in directives {
        match directive.name() {
            "error_log" => all.push((depth, directive)),
            "http" => collect(1, directive.children(), all),
            "server" | "location" => collect(depth.max(1) + 1, directive.children(), all),
            _ => {}
        }
    }
}

/// `error_log_level`. What nginx calls an error, such as an application that does not answer, is a warning of
/// Weir's.
pub(crate) fn level(main: &[Directive], ledger: &mut Ledger<'_>, edge: &mut Table) {
    let Some(directive) = error_log(main, ledger) else { return };
    edge.from("error_log_level", level_of(directive), &ledger.origin(directive));
}

/// Weir's word for the level of an `error_log`.
pub(crate) fn level_of(directive: &Directive) -> &str {
    match directive.arg(1).unwrap_or("error") {
        "error" => "warn",
        level if level.starts_with("debug") => "debug",
        level => level,
    }
}

/// Reads the outermost directives.
pub(crate) fn read(main: &[Directive], options: &Options, ledger: &mut Ledger<'_>) -> Program {
    let one = |name: &str| main.iter().find(|directive| directive.name() == name);
    let full = |path: &str| match path {
        "stderr" | "" => path.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("{}{path}", options.prefix),
    };
    let user = one("user").and_then(|user| Some((user.arg(0)?.to_owned(), user.arg(1).map(str::to_owned))));
    let error_log = error_log(main, ledger).and_then(|log| {
        let path = log.arg(0)?;
        if path.starts_with("syslog:") || path.starts_with("memory:") {
            ledger.left_out(log, "the error log goes to a file or to stderr");
            return None;
        }
        Some((full(path), log.arg(1).unwrap_or("error").to_owned()))
    });
    Program {
        pid: one("pid").and_then(|pid| pid.arg(0)).map(full),
        daemon: one("daemon")
            .and_then(|daemon| daemon.arg(0))
            .is_none_or(|value| !value.eq_ignore_ascii_case("off")),
        user,
        error_log,
    }
}
