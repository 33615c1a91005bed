//! What a test runs against: settings, and an application behind them.

use crate::{Demo, Uwsgi};

/// Which application is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    Oracle,
    /// The oracle under wsgiref's validator.
    ValidatedOracle,
    OracleOnUnixSocket,
    Flask,
    /// deploy/demo, under wsgiref's validator.
    Demo,
}

/// Settings and application. A text alone is settings with the oracle.
///
/// The text begins with keys of `[edge]`; sites and pools follow. The topology adds addresses and peers, and a pool named "app"
/// unless the text has pools of its own. In it stand `$APP` for the application's address, `$HTTP` for ours
/// (where it stands, the text has a `listen` of its own), `$DIR` for a directory of the test's
/// own, `$PORT` for a port that nobody serves yet, `$STATIC` for the demo's static files.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) settings: String,
    pub(crate) app: App,
    pub(crate) redis: Option<String>,
    pub(crate) secure: bool,
    pub(crate) patient: bool,
}

impl Setup {
    pub fn new(settings: impl Into<String>, app: App) -> Self {
        Self { settings: settings.into(), app, redis: None, secure: false, patient: true }
    }

    /// With this table for `[cache_node] redis`, where the services are three: `{ url = "…" }`. Without it a server is started.
    pub fn with_redis(self, table: impl Into<String>) -> Self {
        Self { redis: Some(table.into()), ..self }
    }

    /// With mutual TLS between the services, where there are several.
    pub fn secure(self) -> Self {
        Self { secure: true, ..self }
    }

    /// With the deadlines that users have, for tests in which parts are lost. Otherwise nobody is given up for being slow: what is
    /// exact is so on a machine that builds and tests at once, too.
    pub fn impatient(self) -> Self {
        Self { patient: false, ..self }
    }

    /// Keys of `[edge]`, of `[cache_node]` and of its Redis for that.
    pub(crate) fn patience(&self) -> (String, &str, &str) {
        if !self.patient {
            return (self.settings.clone(), "", "");
        }
        let settings = match self.settings.split_once("timeouts = { ") {
            Some((before, after)) => format!("{before}timeouts = {{ cache = \"10s\", {after}"),
            None => format!("timeouts = {{ cache = \"10s\" }}\n{}", self.settings),
        };
        let grace = "watch_grace = \"20s\"\n";
        (grace.to_owned() + &settings, grace, ", timeout = \"5s\", connect_timeout = \"5s\"")
    }
}

impl From<&str> for Setup {
    fn from(settings: &str) -> Self {
        Self::new(settings, App::Oracle)
    }
}

impl From<String> for Setup {
    fn from(settings: String) -> Self {
        Self::new(settings, App::Oracle)
    }
}

impl App {
    pub(crate) fn start(self) -> Uwsgi {
        match self {
            Self::Oracle => Uwsgi::oracle(),
            Self::ValidatedOracle => Uwsgi::validated_oracle(),
            Self::OracleOnUnixSocket => Uwsgi::oracle_on_unix_socket(),
            Self::Flask => Uwsgi::flask(),
            Self::Demo => Demo::serve(),
        }
    }
}
