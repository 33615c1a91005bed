//! A real redis-server, in memory only.

use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, free_port, program};

pub struct Redis {
    pub port: u16,
    pub process: Process,
    _directory: TempDir,
}

impl Redis {
    pub fn start() -> Self {
        let (port, directory) = (free_port(), TempDir::new().unwrap());
        let mut command = Command::new(program::find("WEIR_REDIS_SERVER", "redis-server"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]).current_dir(directory.path());
        let process = Process::start("redis", &mut command, directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, process, _directory: directory }
    }
}
