//! Debian's nginx before the same application, to compare with.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{Client, Process, free_port, program, repository};

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
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = server.replace("$PORT", &port.to_string());
        Self::start_http(
            &format!("access_log off;\n{http}\nserver {{\nlisten {address};\n{server}\n}}"),
            address,
        )
    }

    /// All that stands in `http`, one of whose servers listens there.
    pub fn start_http(http: &str, address: SocketAddr) -> Self {
        Self::start_program(&program::find("WEIR_NGINX", "nginx"), http, address)
    }

    /// Does that in the newer nginx that deploy/setup/nginx.sh installs from PyPI.
    pub fn start_newer_http(http: &str, address: SocketAddr) -> Self {
        let named = std::env::var_os("WEIR_NGINX_NEWER").map(PathBuf::from);
        let installed = repository().join("target/nginx-newer/nginx");
        Self::start_program(&named.unwrap_or(installed), http, address)
    }

    fn start_program(program: &Path, http: &str, address: SocketAddr) -> Self {
        let directory = TempDir::new().unwrap();
        let dir = directory.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
            .concat();
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let text = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {dir}/pid;\nerror_log stderr;\n{user}\
             events {{ worker_connections 1024; }}\nhttp {{\n{temporary}{http}\n}}\n"
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
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

/// nginx's command line, run to its end.
pub struct NginxCommand;

impl NginxCommand {
    pub fn program() -> Command {
        Command::new(program::find("WEIR_NGINX", "nginx"))
    }

    pub fn run(prefix: &Path, arguments: &[&str]) -> Output {
        let mut command = Self::program();
        command.arg("-p").arg(prefix).args(arguments).output().unwrap()
    }
}
