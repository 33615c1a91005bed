//! One more edge with a cache-node of its own, beside those of a stack: the same settings, application and
//! Redis.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::{Client, Process, Response, Stack, binary, free_port};

pub struct Twin {
    pub edge: Process,
    pub cache_node: Process,
    http: SocketAddr,
}

impl Twin {
    /// Starts beside a stack of three services.
    pub fn of(stack: &Stack) -> Self {
        let mut settings = fs::read_to_string(stack.directory().join("weir.toml")).unwrap();
        let [http, admin, node] = [(); 3].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        for (old, new) in [(stack.http(), http), (stack.admin_address(), admin), (stack.node_address(), node)]
        {
            settings = settings.replace(&old.to_string(), &new.to_string());
        }
        let directory = stack.directory().join("twin");
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("weir.toml");
        fs::write(&file, settings).unwrap();
        let start = |name: &str, at: SocketAddr| {
            let mut command = Command::new(binary(name));
            command.arg("--config").arg(&file).env("NO_COLOR", "1");
            let process = Process::start(name, &mut command, &directory);
            process.wait_until("accepts connections", || TcpStream::connect(at).is_ok());
            process
        };
        let cache_node = start("cache-node", node);
        Self { cache_node, edge: start("edge", http), http }
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        Client::connect(self.http).get(target)
    }
}
