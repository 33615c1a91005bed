//! What a test runs against: settings, and an application behind them.

use toml::Value;

use crate::{Demo, Settings, Uwsgi};

/// Which application is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    Oracle,
    /// The oracle under wsgiref's validator.
    ValidatedOracle,
    OracleOnUnixSocket,
    Flask,
    /// tests/apps/strangers_wsgi.py, strangers_django.py or strangers_flask.py.
    Strangers(&'static str),
    /// deploy/demo, under wsgiref's validator.
    Demo,
}

/// Settings and application. A text alone is settings with the oracle.
///
/// The text begins with keys of `[edge]`; sites and pools follow. The topology adds addresses and peers, and
/// a pool named "app" unless there are pools already. In it stand `$APP` for the application's address,
/// `$HTTP` for ours (the `listen` of settings that have none), `$DIR` for a directory of the test's own,
/// `$PORT` for a port that nobody serves yet, `$STATIC` for the demo's static files.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) settings: Settings,
    pub(crate) app: App,
    pub(crate) redis: Option<Value>,
    pub(crate) secure: bool,
    pub(crate) patient: bool,
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Setup {
    #[track_caller]
    pub fn new(settings: impl AsRef<str>, app: App) -> Self {
        Self::from(Settings::of_edge(settings.as_ref())).before(app)
    }

    /// Starts another application than the oracle.
    pub fn before(self, app: App) -> Self {
        Self { app, ..self }
    }

    /// Takes this table for `[cache_node] redis`, where the services are three: `{ url = "…" }`. Without it a
    /// server is started.
    #[track_caller]
    pub fn with_redis(self, table: impl AsRef<str>) -> Self {
        let settings = Settings::parse(&format!("redis = {}", table.as_ref()));
        Self { redis: settings.into_table().remove("redis"), ..self }
    }

    /// Starts our processes with this in their environment.
    pub fn with_env(mut self, name: &'static str, value: String) -> Self {
        self.env.push((name, value));
        self
    }

    /// Uses mutual TLS between the services, where there are several.
    pub fn secure(self) -> Self {
        Self { secure: true, ..self }
    }

    /// Keeps the deadlines that users have, for tests in which parts are lost. Otherwise no deadline passes
    /// because the machine is slow: what is exact is so while it builds and tests at once, too.
    pub fn impatient(self) -> Self {
        Self { patient: false, ..self }
    }

    /// The settings with the deadlines for that.
    pub(crate) fn settings(&self) -> Settings {
        let settings = self.settings.clone();
        if !self.patient {
            return settings;
        }
        settings
            .or("edge.timeouts.cache", "10s")
            .or("edge.watch_grace", "20s")
            .or("cache_node.watch_grace", "20s")
    }

    /// `[cache_node.redis]` for a server that was started.
    pub(crate) fn redis_at(&self, url: &str) -> Value {
        let table = Settings::default().with("url", url);
        let table = match self.patient {
            true => table.with("timeout", "5s").with("connect_timeout", "5s"),
            false => table,
        };
        Value::Table(table.into_table())
    }
}

impl From<Settings> for Setup {
    fn from(settings: Settings) -> Self {
        Self { settings, app: App::Oracle, redis: None, secure: false, patient: true, env: Vec::new() }
    }
}

impl From<&str> for Setup {
    #[track_caller]
    fn from(settings: &str) -> Self {
        Self::new(settings, App::Oracle)
    }
}

impl From<String> for Setup {
    #[track_caller]
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
            Self::Strangers(file) => Uwsgi::of_file(file),
            Self::Demo => Demo::serve(),
        }
    }
}
