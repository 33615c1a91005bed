//! A real uWSGI that runs tests/apps/oracle.py. Killed when dropped.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) struct Uwsgi {
    /// As in the adapter's settings.
    pub(crate) address: String,
    process: Child,
    directory: TempDir,
}

/// `$WEIR_UWSGI`, else that of the project's virtual environment, else the system's.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("WEIR_UWSGI") {
        return named.into();
    }
    let ours = root().join(".venv/bin/uwsgi");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(ours)
        .chain(std::env::split_paths(&paths).map(|path| path.join("uwsgi")))
        .find(|path| path.exists());
    found.expect("there is no uWSGI: run `make setup`, or name one by WEIR_UWSGI")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

impl Uwsgi {
    pub(crate) fn on_tcp(arguments: &[&str]) -> Self {
        // Another test may take the free port before uWSGI does.
        let start = || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Self::start(&free.to_string(), format!("uwsgi://{free}"), TempDir::new().unwrap(), arguments)
        };
        (0..5)
            .find_map(|_| start().serves(|address| TcpStream::connect(address).is_ok()))
            .expect("uWSGI serves")
    }

    pub(crate) fn on_unix(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("app.sock").display().to_string();
        let server = Self::start(&path, format!("uwsgi+unix://{path}"), directory, arguments);
        server.serves(|path| UnixStream::connect(path).is_ok()).expect("uWSGI serves")
    }

    fn start(socket: &str, address: String, directory: TempDir, arguments: &[&str]) -> Self {
        let log = File::create(directory.path().join("log")).unwrap();
        let program = program();
        let process = Command::new(&program)
            .args(["--socket", socket, "--need-app", "--threads", "8", "--wsgi-file"])
            .arg(root().join("tests/apps/oracle.py"))
            .args(arguments)
            .envs([("ORACLE_VALIDATE", "1"), ("PYTHONDONTWRITEBYTECODE", "1")])
            .env("ORACLE_DIR", directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        Self { address, process, directory }
    }

    /// Once it answers. `None`, with its log on stderr: it has ended.
    fn serves(mut self, answers: impl Fn(&str) -> bool) -> Option<Self> {
        let start = Instant::now();
        let place = self.address.split_once("://").unwrap().1.to_owned();
        while !answers(&place) {
            if self.process.try_wait().unwrap().is_some() {
                eprintln!("uWSGI has ended:\n{}", self.log());
                return None;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "uWSGI does not serve:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(self)
    }

    /// Waits for an application that ends its process.
    pub(crate) fn wait_for_end(&mut self) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "uWSGI does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Uwsgi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
