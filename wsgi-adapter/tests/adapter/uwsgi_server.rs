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
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::start(&free.to_string(), format!("uwsgi://{free}"), TempDir::new().unwrap(), arguments, || {
            TcpStream::connect(free).is_ok()
        })
    }

    pub(crate) fn on_unix(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("app.sock");
        let name = path.display().to_string();
        Self::start(&name, format!("uwsgi+unix://{name}"), directory, arguments, || {
            UnixStream::connect(&path).is_ok()
        })
    }

    fn start(
        socket: &str,
        address: String,
        directory: TempDir,
        arguments: &[&str],
        answers: impl Fn() -> bool,
    ) -> Self {
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
        let mut server = Self { address, process, directory };
        let start = Instant::now();
        while !answers() {
            let ended = server.process.try_wait().unwrap().is_some();
            assert!(
                !ended && start.elapsed() < Duration::from_secs(20),
                "uWSGI does not serve:\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// For an application that ends its process.
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
