//! What nginx.conf says of the process itself: `pid`, `daemon`, `user`, `error_log`.

use nginx_conf::Directive;

use crate::ledger::Ledger;
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
    /// The first `error_log` outside of `http`, with its level.
    pub error_log: Option<(String, String)>,
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
    let error_log = one("error_log").and_then(|log| {
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
