//! Debian's nginx before the same application, to compare with.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::{Client, Process, free_port, program};

pub struct Nginx {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// One server with these directives, in which `$PORT` is its own.
    pub fn start(server: &str) -> Self {
        Self::start_with("", server)
    }

    /// Also with these directives around the server: `map`, `log_format`.
    pub fn start_with(http: &str, server: &str) -> Self {
        let (directory, port) = (TempDir::new().unwrap(), free_port());
        let (dir, address) = (directory.path().display(), SocketAddr::from(([127, 0, 0, 1], port)));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
            .concat();
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let text = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {dir}/pid;\nerror_log stderr;\n{user}\
             events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{temporary}\
             {http}\nserver {{\nlisten {address};\n{}\n}}\n}}\n",
            server.replace("$PORT", &port.to_string())
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program::find("WEIR_NGINX", "nginx"));
        command.arg("-p").arg(directory.path()).arg("-e").arg("stderr").arg("-c").arg(&file);
        let process = Process::start("nginx", &mut command, directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(address).is_ok());
        Self { process, address, _directory: directory }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}
