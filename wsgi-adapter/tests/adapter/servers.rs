//! The servers that applications run on, each with the oracle: real ones, stopped when dropped. One that is
//! not installed fails its tests.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use wsgi_adapter::{Flavour, PoolConfig};

use crate::edge::pool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Uwsgi,
    GunicornUwsgi,
    GunicornHttp,
    /// ASGI.
    Uvicorn,
    Waitress,
    GranianWsgi,
    GranianAsgi,
    /// FastCGI.
    Php,
}

pub(crate) struct Server {
    pub(crate) kind: Kind,
    address: String,
    process: Child,
    directory: TempDir,
}

/// Long enough for a server to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn apps() -> PathBuf {
    root().join("tests/apps")
}

/// What `variable` names, else that of the project's virtual environment, else the system's.
fn program(variable: &str, names: &[&str]) -> PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(root().join(".venv/bin"))
        .chain(std::env::split_paths(&paths))
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.flat_map(|place| names.iter().map(move |name| place.join(name)));
    let found = found.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no {}: run `make setup`, or name one by {variable}", names[0]))
}

impl Kind {
    fn scheme(self) -> &'static str {
        match self {
            Self::Uwsgi | Self::GunicornUwsgi => "uwsgi",
            Self::Php => "fastcgi",
            _ => "http",
        }
    }

    /// What stands before the oracle's paths.
    pub(crate) fn prefix(self) -> &'static str {
        if self == Self::Php { "/oracle.php" } else { "" }
    }

    fn flavour(self) -> Flavour {
        match self {
            Self::GunicornUwsgi => Flavour::Gunicorn,
            Self::Php => Flavour::Php,
            _ => Flavour::Uwsgi,
        }
    }

    /// `place`: host and port, or the path of a unix socket.
    fn command(self, place: &str, directory: &Path) -> Command {
        let apps = apps();
        let unix = place.starts_with('/');
        let mut command = Command::new(match self {
            Self::Uwsgi => program("WEIR_UWSGI", &["uwsgi"]),
            Self::GunicornUwsgi | Self::GunicornHttp => program("WEIR_GUNICORN", &["gunicorn"]),
            Self::Uvicorn => program("WEIR_UVICORN", &["uvicorn"]),
            Self::Waitress => program("WEIR_WAITRESS", &["waitress-serve"]),
            Self::GranianWsgi | Self::GranianAsgi => program("WEIR_GRANIAN", &["granian"]),
            Self::Php => program("WEIR_PHP_FPM", &["php-fpm", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4"]),
        });
        match self {
            Self::Uwsgi => {
                command.args(["--socket", place, "--need-app", "--threads", "8", "--buffer-size", "32768"]);
                command.arg("--wsgi-file").arg(apps.join("oracle.py"));
            }
            Self::GunicornUwsgi | Self::GunicornHttp => {
                let bind = if unix { format!("unix:{place}") } else { place.to_owned() };
                command.args(["--bind", &bind, "--threads", "8", "--keep-alive", "5", "--no-control-socket"]);
                command.arg("--chdir").arg(&apps);
                if self == Self::GunicornUwsgi {
                    command.args(["--protocol", "uwsgi"]);
                }
                command.args(["--forwarded-allow-ips", "*", "oracle:application"]);
            }
            Self::Uvicorn => {
                if unix {
                    command.args(["--uds", place]);
                } else {
                    let (host, port) = place.rsplit_once(':').unwrap();
                    command.args(["--host", host, "--port", port]);
                }
                command.arg("--app-dir").arg(&apps).args(["--forwarded-allow-ips", "*"]);
                command.args(["--timeout-graceful-shutdown", "1", "asgi_app:application"]);
            }
            Self::Waitress => {
                let listen =
                    if unix { format!("--unix-socket={place}") } else { format!("--listen={place}") };
                let fields = "x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port";
                command.args([listen, "--threads=8".to_owned(), "--trusted-proxy=*".to_owned()]);
                command.arg(format!("--trusted-proxy-headers={fields}")).arg("oracle:application");
                command.env("PYTHONPATH", &apps);
            }
            Self::GranianWsgi | Self::GranianAsgi => {
                if unix {
                    command.args(["--uds", place]);
                } else {
                    let (host, port) = place.rsplit_once(':').unwrap();
                    command.args(["--host", host, "--port", port]);
                }
                let (interface, application) = match self {
                    Self::GranianWsgi => ("wsgi", "granian_app:wsgi"),
                    _ => ("asgi", "granian_app:asgi"),
                };
                command.args(["--interface", interface, "--workers-kill-timeout", "1s"]);
                if self == Self::GranianWsgi {
                    command.args(["--blocking-threads", "8"]);
                }
                command.arg(application).env("PYTHONPATH", &apps);
            }
            Self::Php => {
                let settings = directory.join("fpm.conf");
                fs::write(&settings, fpm(place)).unwrap();
                command.args(["--nodaemonize", "--allow-to-run-as-root", "--no-php-ini", "--fpm-config"]);
                command.arg(settings);
            }
        }
        command
    }

    /// The signal that ends it at once, its workers included.
    fn ending(self) -> Signal {
        match self {
            Self::Uwsgi | Self::Waitress => Signal::KILL,
            Self::GunicornUwsgi | Self::GunicornHttp | Self::Uvicorn => Signal::INT,
            Self::Php | Self::GranianWsgi | Self::GranianAsgi => Signal::TERM,
        }
    }
}

fn fpm(place: &str) -> String {
    // Without effect, but a notice, for whoever is not root.
    format!(
        "[global]\nerror_log = /dev/stderr\n[www]\nuser = root\ngroup = root\nlisten = {place}\npm = static\n\
         pm.max_children = 8\ncatch_workers_output = yes\n"
    )
}

impl Server {
    pub(crate) fn on_tcp(kind: Kind) -> Self {
        // Another test may take the free port before the server does.
        let start = || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Self::start(
                kind,
                &free.to_string(),
                format!("{}://{free}", kind.scheme()),
                TempDir::new().unwrap(),
            )
        };
        let answers = |place: &str| TcpStream::connect(place).is_ok();
        (0..5).find_map(|_| start().serves(answers)).unwrap_or_else(|| panic!("{kind:?} does not serve"))
    }

    pub(crate) fn on_unix(kind: Kind) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("app.sock").display().to_string();
        let server = Self::start(kind, &path, format!("{}+unix://{path}", kind.scheme()), directory);
        let answers = |path: &str| UnixStream::connect(path).is_ok();
        server.serves(answers).unwrap_or_else(|| panic!("{kind:?} does not serve"))
    }

    fn start(kind: Kind, place: &str, address: String, directory: TempDir) -> Self {
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = kind.command(place, directory.path());
        command.env("ORACLE_DIR", directory.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?} does not start: {error}"));
        Self { kind, address, process, directory }
    }

    /// Once it answers. `None`, with its log on stderr: it has ended.
    fn serves(mut self, answers: impl Fn(&str) -> bool) -> Option<Self> {
        let start = Instant::now();
        let place = self.address.split_once("://").unwrap().1.to_owned();
        while !answers(&place) {
            if self.process.try_wait().unwrap().is_some() {
                eprintln!("{:?} has ended:\n{}", self.kind, self.log());
                return None;
            }
            assert!(start.elapsed() < PATIENCE, "{:?} does not serve:\n{}", self.kind, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(self)
    }

    /// A pool of this server alone.
    pub(crate) fn pool(&self) -> PoolConfig {
        PoolConfig { flavour: self.kind.flavour(), ..pool(&[&self.address]) }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Ends it, and waits until it has. Workers that outlive it would go on listening.
    pub(crate) fn stop(&mut self) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            let patient = start.elapsed() < Duration::from_secs(10);
            let signal = if patient { self.kind.ending() } else { Signal::KILL };
            let _ = kill_process(Pid::from_child(&self.process), signal);
            std::thread::sleep(Duration::from_millis(if patient { 200 } else { 20 }));
        }
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?} says:\n{}", self.kind, self.log());
        }
        self.stop();
    }
}
