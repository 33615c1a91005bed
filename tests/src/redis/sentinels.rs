//! A master and its replica, with Sentinels that watch them and change their roles.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::{Redis, Reply, TlsFiles, resp};
use crate::{Process, free_port, program, until};

pub struct RedisSentinels {
    /// Master and replica, in the beginning.
    pub servers: [Redis; 2],
    pub sentinels: Vec<Sentinel>,
}

pub struct Sentinel {
    pub port: u16,
    pub process: Process,
    password: Option<String>,
    _directory: TempDir,
}

impl RedisSentinels {
    /// What the Sentinels call the master.
    pub const NAME: &str = "mymaster";

    pub fn start(sentinels: usize) -> Self {
        Self::with_passwords(sentinels, None, None)
    }

    /// The first password is the servers', the second the Sentinels'.
    pub fn with_passwords(sentinels: usize, servers: Option<&str>, own: Option<&str>) -> Self {
        let server = |arguments: &[&str]| match servers {
            None => Redis::with(arguments),
            Some(password) => {
                let login = ["--requirepass", password, "--masterauth", password];
                let server = Redis::with(&[&login, arguments].concat());
                Redis { password: Some(password.to_owned()), ..server }
            }
        };
        let master = server(&["--repl-diskless-sync-delay", "0"]);
        let replica = server(&[
            "--repl-diskless-sync-delay",
            "0",
            "--replicaof",
            &format!("127.0.0.1 {}", master.port),
        ]);
        until("the replica follows", || {
            let info = replica.ask(&["INFO", "replication"]).text();
            info.contains("master_link_status:up").then_some(())
        });
        let sentinels = (0..sentinels).map(|_| sentinel(&master, sentinels / 2 + 1, own, "")).collect();
        let all = Self { servers: [master, replica], sentinels };
        until("the Sentinels know each other and the replica", || {
            let knows = |sentinel: &Sentinel| {
                let info = sentinel.ask(&["INFO", "sentinel"]).text();
                info.contains(&format!("slaves=1,sentinels={}", all.sentinels.len()))
            };
            all.sentinels.iter().all(knows).then_some(())
        });
        all
    }

    /// The Sentinels, with the password of the servers.
    pub fn urls(&self) -> Vec<String> {
        let login = self.servers[0].password.as_ref().map_or(String::new(), |word| format!(":{word}@"));
        self.sentinels.iter().map(|sentinel| format!("redis://{login}127.0.0.1:{}", sentinel.port)).collect()
    }

    /// Makes the replica the master, by order and not by failure; returns when it is.
    pub fn fail_over(&self) {
        let was = self.master();
        // No replica is good enough for a moment after its start.
        until("the order is taken", || {
            let order = self.sentinels[0].try_ask(&["SENTINEL", "FAILOVER", Self::NAME]);
            (!matches!(order, Reply::Error(_))).then_some(())
        });
        until("the roles have changed", || (self.master() != was).then_some(()));
    }

    /// Which of the servers is the master for all Sentinels, and calls itself so.
    pub fn master(&self) -> Option<usize> {
        let named = |sentinel: &Sentinel| {
            let reply = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME]).list();
            reply[1].text()
        };
        let port = named(self.sentinels.first()?);
        let server = self.servers.iter().position(|server| server.port.to_string() == port)?;
        let role = match self.servers[server].try_ask(&["ROLE"]) {
            Reply::List(role) => role[0].text(),
            _ => return None,
        };
        (role == "master" && self.sentinels.iter().all(|sentinel| named(sentinel) == port)).then_some(server)
    }
}

impl Sentinel {
    /// Watches a server that speaks TLS, and speaks TLS itself on the port that is told with it.
    pub fn by_tls(master: &Redis, tls: &TlsFiles) -> (Self, u16) {
        let tls_port = free_port();
        let mut settings = format!("tls-port {tls_port}\ntls-replication yes\ntls-auth-clients no\n");
        for pair in tls.settings().chunks(2) {
            settings.push_str(&format!("{}\n", pair.join(" ").trim_start_matches('-')));
        }
        (sentinel(master, 1, None, &settings), tls_port)
    }

    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Reply {
        match self.try_ask(words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply,
        }
    }

    pub fn try_ask(&self, words: &[&str]) -> Reply {
        resp::ask(SocketAddr::from(([127, 0, 0, 1], self.port)), self.password.as_deref(), words)
    }
}

fn sentinel(master: &Redis, quorum: usize, password: Option<&str>, more: &str) -> Sentinel {
    let (port, directory, name) = (free_port(), TempDir::new().unwrap(), RedisSentinels::NAME);
    let mut settings = format!(
        "{more}port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {} {quorum}\n\
         sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 4000\n",
        master.port
    );
    if let Some(word) = &master.password {
        settings.push_str(&format!("sentinel auth-pass {name} {word}\n"));
    }
    if let Some(word) = password {
        settings.push_str(&format!("requirepass {word}\nsentinel sentinel-pass {word}\n"));
    }
    // Sentinel writes what it finds out into its settings.
    let file = directory.path().join("sentinel.conf");
    fs::write(&file, settings).unwrap();
    let mut command = Command::new(program::find("WEIR_REDIS_SERVER", "redis-server"));
    command.arg(&file).arg("--sentinel").current_dir(directory.path());
    let process = Process::start("sentinel", &mut command, directory.path());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    process.wait_until("accepts connections", || std::net::TcpStream::connect(address).is_ok());
    Sentinel { port, process, password: password.map(str::to_owned), _directory: directory }
}
