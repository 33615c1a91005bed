//! A real redis-server, in memory only. Several make a Cluster (`cluster.rs`) or are watched by Sentinels
//! (`sentinels.rs`).

mod cluster;
mod resp;
mod sentinels;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub use self::cluster::RedisCluster;
pub use self::resp::Reply;
pub use self::sentinels::{RedisSentinels, Sentinel};
use crate::{Process, faketime, free_port, program};

pub struct Redis {
    pub port: u16,
    pub process: Process,
    arguments: Vec<String>,
    password: Option<String>,
    /// The file that sets the clock of a server whose clock can be set.
    clock: Option<PathBuf>,
    directory: TempDir,
}

/// PEM files for TLS: of servers, and of who vouches for them.
pub struct TlsFiles<'a> {
    pub certificate: &'a Path,
    pub key: &'a Path,
    pub authority: &'a Path,
}

impl TlsFiles<'_> {
    /// As arguments.
    fn settings(&self) -> Vec<String> {
        let files = [("cert", self.certificate), ("key", self.key), ("ca-cert", self.authority)];
        files
            .iter()
            .flat_map(|(name, path)| [format!("--tls-{name}-file"), path.display().to_string()])
            .collect()
    }
}

impl Redis {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it with more arguments: `--maxmemory 1mb`.
    pub fn with(arguments: &[&str]) -> Self {
        let port = free_port();
        Self::on(port, &["--port", &port.to_string()], arguments)
    }

    /// Goes by this clock file, if there is one.
    pub(crate) fn by_clock(clock: &Path) -> Self {
        let port = free_port();
        Self::start_on(port, &["--port", &port.to_string()], &[], Some(clock.to_owned()))
    }

    /// Asks everybody for a password.
    pub fn with_password(password: &str) -> Self {
        let server = Self::with(&["--requirepass", password]);
        Self { password: Some(password.to_owned()), ..server }
    }

    /// Speaks TLS only, and may want to see a certificate of its clients.
    pub fn with_tls(tls: &TlsFiles, ask_clients: bool) -> Self {
        let port = free_port();
        let mut arguments = tls.settings();
        arguments
            .extend(["--tls-auth-clients".to_owned(), if ask_clients { "yes" } else { "no" }.to_owned()]);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Self::on(port, &["--port", "0", "--tls-port", &port.to_string()], &arguments)
    }

    fn on(port: u16, listens: &[&str], more: &[&str]) -> Self {
        Self::start_on(port, listens, more, None)
    }

    fn start_on(port: u16, listens: &[&str], more: &[&str], clock: Option<PathBuf>) -> Self {
        let directory = TempDir::new().unwrap();
        let mut arguments: Vec<String> = listens.iter().map(ToString::to_string).collect();
        arguments.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(str::to_owned));
        arguments
            .extend(["--unixsocket".to_owned(), directory.path().join("redis.sock").display().to_string()]);
        arguments.extend(more.iter().map(ToString::to_string));
        let mut command = command(&arguments, directory.path(), clock.as_deref());
        let process = Process::start("redis", &mut command, directory.path());
        let server = Self { port, process, arguments, password: None, clock, directory };
        server.wait();
        server
    }

    /// After it was killed: on the same port, and empty.
    pub fn start_again(&self) {
        let mut command = command(&self.arguments, self.directory.path(), self.clock.as_deref());
        self.process.start_again(&mut command);
        self.wait();
    }

    pub fn url(&self) -> String {
        match &self.password {
            None => format!("redis://127.0.0.1:{}", self.port),
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// One command, and its reply. An error is a panic.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Reply {
        match self.try_ask(words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply,
        }
    }

    pub fn try_ask(&self, words: &[&str]) -> Reply {
        resp::ask(self.address(), self.password.as_deref(), words)
    }

    /// CONFIG SET.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) {
        self.ask(&["CONFIG", "SET", name, value]);
    }

    fn wait(&self) {
        self.process.wait_until("accepts connections", || TcpStream::connect(self.address()).is_ok());
    }
}

fn command(arguments: &[String], directory: &Path, clock: Option<&Path>) -> Command {
    let mut command = Command::new(program::find("WEIR_REDIS_SERVER", "redis-server"));
    command.args(arguments).current_dir(directory);
    if let Some(clock) = clock {
        faketime::obey(&mut command, clock);
    }
    command
}
