//! A real uWSGI with one of the test applications. Can be stopped and started again at the same address.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::{Process, free_port, program, repository};

/// Requests that it works on at once.
const THREADS: &str = "16";
/// As in the settings' `buffer_size`.
const BUFFER_SIZE: &str = "32768";

/// Arguments by which SIGTERM lets the workers finish what they do, as sites set it for their service
/// manager.
pub const GRACEFUL: [&str; 2] = ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"];

pub struct Uwsgi {
    address: Address,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    process: Mutex<Option<Process>>,
    directory: TempDir,
}

enum Address {
    Port(u16),
    /// A unix socket in the directory.
    Path,
}

impl Uwsgi {
    /// tests/apps/oracle.py on a TCP port; see `Oracle` for what it remembers.
    pub fn oracle() -> Self {
        Self::new(Address::Port(free_port()), &oracle_file(), &[])
    }

    /// The oracle, with wsgiref's validator around it.
    pub fn validated_oracle() -> Self {
        Self::new(Address::Port(free_port()), &oracle_file(), &[("ORACLE_VALIDATE", "1")])
    }

    pub fn oracle_on_unix_socket() -> Self {
        Self::new(Address::Path, &oracle_file(), &[])
    }

    /// The oracle under a master process, as sites run it, with these arguments besides. Killed, it takes its
    /// workers along.
    pub fn oracle_with_master(arguments: &[&str]) -> Self {
        let mut all = oracle_file().to_vec();
        all.extend(
            ["--master", "--no-orphans"].iter().chain(arguments).map(|argument| (*argument).to_owned()),
        );
        // From PyPI it is a script, and would take itself for the interpreter outside the virtual environment
        // when it reloads.
        if let Some(interpreter) = interpreter(&program::find("WEIR_UWSGI", "uwsgi")) {
            all.extend(["--binary-path".to_owned(), interpreter]);
        }
        Self::new(Address::Port(free_port()), &all, &[])
    }

    /// tests/apps/flask_app.py.
    pub fn flask() -> Self {
        Self::of_file("flask_app.py")
    }

    /// A file of tests/apps with an `application`.
    pub fn of_file(name: &str) -> Self {
        let file = repository().join("tests/apps").join(name).display().to_string();
        Self::new(Address::Port(free_port()), &["--wsgi-file", &file, "--callable", "application"], &[])
    }

    /// Starts with these arguments and variables; `variable` names a copy of `state` that it may write to.
    pub(crate) fn with_state(
        arguments: &[&str],
        environment: &[(&str, &str)],
        variable: &str,
        state: &Path,
    ) -> Self {
        let mut uwsgi = Self::unstarted(Address::Port(free_port()), arguments, environment);
        let own = uwsgi.state();
        let copied = Command::new("cp").arg("-r").args([state, &own]).status().unwrap();
        assert!(copied.success(), "{} cannot be copied", state.display());
        uwsgi.environment.push((variable.to_owned(), own.display().to_string()));
        uwsgi.start();
        uwsgi
    }

    fn new(address: Address, arguments: &[impl AsRef<str>], environment: &[(&str, &str)]) -> Self {
        let uwsgi = Self::unstarted(address, arguments, environment);
        uwsgi.start();
        uwsgi
    }

    fn unstarted(address: Address, arguments: &[impl AsRef<str>], environment: &[(&str, &str)]) -> Self {
        let uwsgi = Self {
            address,
            arguments: arguments.iter().map(|argument| argument.as_ref().to_owned()).collect(),
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            process: Mutex::new(None),
            directory: TempDir::new().unwrap(),
        };
        std::fs::create_dir(uwsgi.oracle_directory()).unwrap();
        uwsgi
    }

    /// As the settings name it.
    pub fn address(&self) -> String {
        match self.address {
            Address::Port(port) => format!("uwsgi://127.0.0.1:{port}"),
            Address::Path => format!("uwsgi+unix://{}", self.socket()),
        }
    }

    /// Starts it, if it was stopped at the same address as before.
    pub fn start(&self) {
        let mut command = Command::new(program::find("WEIR_UWSGI", "uwsgi"));
        command.args(["--socket", &self.socket(), "--need-app", "--single-interpreter", "--listen", "100"]);
        command.args(["--threads", THREADS, "--buffer-size", BUFFER_SIZE]).args(&self.arguments);
        command.env("ORACLE_DIR", self.oracle_directory()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = Process::start("uwsgi", &mut command, self.directory.path());
        process.wait_until("accepts connections", || match self.address {
            Address::Port(port) => TcpStream::connect(("127.0.0.1", port)).is_ok(),
            Address::Path => UnixStream::connect(self.socket()).is_ok(),
        });
        self.keep(Some(process));
    }

    /// Kills it: whoever connects is refused.
    pub fn stop(&self) {
        self.keep(None);
    }

    /// SIGTERM, and waits. With `GRACEFUL` requests under way finish first.
    pub fn stop_gracefully(&self) {
        self.running(|process| {
            process.terminate();
        });
        self.keep(None);
    }

    /// SIGSTOP: connections are accepted by the system, and nothing answers.
    pub fn pause(&self) {
        self.running(Process::stop);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.running(Process::go_on);
    }

    fn running(&self, act: impl FnOnce(&Process)) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        act(process.as_ref().expect("uWSGI was started"));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("uwsgi.err")).unwrap_or_default()
    }

    fn keep(&self, process: Option<Process>) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Its own copy of what the application writes to.
    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn oracle_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("oracle")
    }

    fn socket(&self) -> String {
        match self.address {
            Address::Port(port) => format!("127.0.0.1:{port}"),
            Address::Path => self.directory.path().join("app.sock").display().to_string(),
        }
    }
}

/// What the first line of a script names.
fn interpreter(program: &Path) -> Option<String> {
    let bytes = std::fs::read(program).ok()?;
    let line = bytes.split(|&byte| byte == b'\n').next()?.strip_prefix(b"#!")?;
    String::from_utf8(line.to_vec()).ok()
}

fn oracle_file() -> [String; 2] {
    ["--wsgi-file".into(), Path::new(repository()).join("tests/apps/oracle.py").display().to_string()]
}
