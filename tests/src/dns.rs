//! A DNS server of its own, for names that change while a test runs.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, free_port, program, repository};

pub struct Dns {
    process: Process,
    port: u16,
    directory: TempDir,
}

impl Dns {
    /// Serves these records, in the form of a zone file.
    pub fn start(zone: &str) -> Self {
        let (directory, port) = (TempDir::new().unwrap(), free_port());
        let file = directory.path().join("zone");
        fs::write(&file, zone).unwrap();
        let mut command = Command::new(program::find("WEIR_PYTHON", "python"));
        command.arg(repository().join("tests/apps/dns_server.py")).arg(port.to_string()).arg(&file);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let process = Process::start("dns", &mut command, directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port, directory }
    }

    /// The address for `nameservers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Other records from now on.
    pub fn set(&self, zone: &str) {
        let next = self.directory.path().join("next");
        fs::write(&next, zone).unwrap();
        fs::rename(next, self.directory.path().join("zone")).unwrap();
    }

    pub fn stop(&self) {
        self.process.kill();
    }
}
