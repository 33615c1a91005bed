//! A real redis-server of a test's own: on a free port of 127.0.0.1, without persistence, stopped on drop.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        // Somebody else may take the port between this look and the server's bind.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            if let Some(process) = spawn(port, folder.path()).await {
                return Self { process, port, folder };
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Empty, on the same port, after `kill`.
    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(self.port, self.folder.path()).await.expect("the port is still free");
    }

    /// Stops answering, connections stay open.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn spawn(port: u16, folder: &Path) -> Option<Child> {
    let mut process = Command::new(binary())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    for _ in 0..500 {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await
            && redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
        {
            return Some(process);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn binary() -> PathBuf {
    const NAME: &str = "redis-server";
    let named = std::env::var_os("WEIR_REDIS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(NAME));
    let in_venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin").join(NAME);
    let mut places = named.into_iter().chain(installed).chain([in_venv]);
    places
        .find(|place| place.is_file())
        .expect("no redis-server found: run `make setup`, or set WEIR_REDIS_SERVER")
}

fn free_port() -> u16 {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().local_addr().unwrap().port()
}
