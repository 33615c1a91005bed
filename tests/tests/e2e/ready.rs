//! An edge is ready when it follows a purge log, a cache-node when it follows Redis's; or when they have
//! tried for `watch_grace`.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;
use weir_tests::{Client, Process, Redis, binary, free_port, until};

/// Far longer than it takes to look.
const GRACE: &str = "watch_grace = \"15s\"\n";

struct Service {
    program: &'static str,
    admin: SocketAddr,
    process: Process,
    directory: TempDir,
}

impl Service {
    /// Starts it with these settings, `$ADMIN` in them.
    fn start(program: &'static str, settings: &str) -> Self {
        let (admin, directory) = (address(), TempDir::new().unwrap());
        let file = directory.path().join("weir.toml");
        fs::write(&file, settings.replace("$ADMIN", &admin.to_string())).unwrap();
        let mut command = Command::new(binary(program));
        let process = Process::start(program, command.arg("--config").arg(&file), directory.path());
        process.wait_until("shows its health", || TcpStream::connect(admin).is_ok());
        Self { program, admin, process, directory }
    }

    fn readyz(&self) -> (u16, String) {
        let answer = Client::connect(self.admin).get("/readyz");
        (answer.status, answer.text())
    }

    fn becomes_ready(&self) {
        until("it is ready", || (self.readyz().0 == 200).then_some(()));
        assert!(self.process.is_running());
    }

    fn healthcheck(&self) -> ExitStatus {
        let file = self.directory.path().join("weir.toml");
        let mut command = Command::new(binary(self.program));
        command.arg("healthcheck").arg("--config").arg(file).output().unwrap().status
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn edge(node: SocketAddr) -> Service {
    let settings = format!(
        "[edge]\nlisten = [\"{}\"]\nadmin = \"$ADMIN\"\n{GRACE}[edge.peers]\ncache_node = \"http://{node}\"\n\
         wsgi_adapter = \"http://{}\"\n[[edge.site]]\nserver_name = [\"localhost\"]\n",
        address(),
        address()
    );
    Service::start("edge", &settings)
}

fn node(listen: SocketAddr, redis: &str) -> Service {
    let settings = format!("[cache_node]\nlisten = \"{listen}\"\nadmin = \"$ADMIN\"\n{GRACE}{redis}");
    let node = Service::start("cache-node", &settings);
    node.process.wait_until("accepts connections", || TcpStream::connect(listen).is_ok());
    node
}

#[test]
fn an_edge_that_finds_no_node_is_ready_after_a_while() {
    let edge = edge(address());
    assert_eq!(edge.readyz(), (503, "starting\n".to_owned()));
    assert!(!edge.healthcheck().success());
    edge.becomes_ready();
    assert!(edge.healthcheck().success());
}

#[test]
fn an_edge_is_ready_when_it_follows_the_log_of_a_node() {
    let listen = address();
    let edge = edge(listen);
    assert_eq!(edge.readyz().0, 503);
    let node = node(listen, "");
    node.becomes_ready();
    edge.becomes_ready();
    let log = edge.process.log();
    assert!(log.contains("cache-node is back") || !log.contains("is not used"), "{log}");
}

#[test]
fn a_node_is_ready_when_it_follows_the_log_in_redis() {
    let redis = Redis::start();
    redis.process.stop();
    let settings = format!("redis = {{ url = \"{}\" }}\n", redis.url());
    let node = node(address(), &settings);
    assert_eq!(node.readyz(), (503, "starting\n".to_owned()));
    assert!(!node.healthcheck().success());
    redis.process.go_on();
    node.becomes_ready();
    until("it says so by gRPC", || node.healthcheck().success().then_some(()));
}

#[test]
fn a_node_that_finds_no_redis_is_ready_after_a_while() {
    let node = node(address(), &format!("redis = {{ url = \"redis://{}\" }}\n", address()));
    assert_eq!(node.readyz().0, 503);
    node.becomes_ready();
    until("it says so by gRPC", || node.healthcheck().success().then_some(()));
}
