//! Application servers other than uWSGI, with the test applications, where the product's own `$PORT` says.

use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, program, repository};

pub struct AppServer {
    process: Process,
    _directory: TempDir,
}

impl AppServer {
    /// tests/apps/asgi_app.py: the oracle, a WebSocket, a stream of events.
    pub fn uvicorn(port: u16) -> Self {
        Self::uvicorn_of(port, "asgi_app:application")
    }

    /// uvicorn with these arguments.
    pub fn uvicorn_with(port: u16, arguments: &[&str]) -> Self {
        let port_text = port.to_string();
        let mut all = vec!["--host", "127.0.0.1", "--port", &port_text];
        all.extend(arguments);
        all.push("asgi_app:application");
        Self::start("uvicorn", "WEIR_UVICORN", &all, port)
    }

    /// Another ASGI application of tests/apps.
    pub fn uvicorn_of(port: u16, application: &str) -> Self {
        let port_text = port.to_string();
        Self::start(
            "uvicorn",
            "WEIR_UVICORN",
            &["--host", "127.0.0.1", "--port", &port_text, application],
            port,
        )
    }

    /// An application of tests/apps on gunicorn, with these arguments, such as `--protocol uwsgi`.
    pub fn gunicorn(port: u16, arguments: &[&str], application: &str) -> Self {
        let bind = format!("127.0.0.1:{port}");
        let mut all =
            vec!["--bind", &bind, "--threads", "8", "--no-control-socket", "--graceful-timeout", "1"];
        all.extend(arguments);
        all.push(application);
        Self::start("gunicorn", "WEIR_GUNICORN", &all, port)
    }

    /// The oracle on waitress.
    pub fn waitress(port: u16, arguments: &[&str]) -> Self {
        let listen = format!("--listen=127.0.0.1:{port}");
        let mut all = vec![listen.as_str()];
        all.extend(arguments);
        all.push("oracle:application");
        Self::start("waitress-serve", "WEIR_WAITRESS", &all, port)
    }

    /// The oracle as a WSGI application on granian.
    pub fn granian(port: u16, arguments: &[&str]) -> Self {
        let port_text = port.to_string();
        let mut all = vec!["--host", "127.0.0.1", "--port", &port_text, "--interface", "wsgi"];
        all.extend(["--workers-kill-timeout", "1s"]);
        all.extend(arguments);
        all.push("granian_app:wsgi");
        Self::start("granian", "WEIR_GRANIAN", &all, port)
    }

    /// A uWSGI of its own, with these arguments.
    pub fn uwsgi(port: u16, arguments: &[&str]) -> Self {
        let socket = format!("127.0.0.1:{port}");
        let mut all = vec!["--socket", &socket, "--need-app", "--single-interpreter", "--threads", "8"];
        all.extend(arguments);
        Self::start("uwsgi", "WEIR_UWSGI", &all, port)
    }

    /// PHP-FPM, which runs the files that requests name.
    pub fn php_fpm(port: u16) -> Self {
        let directory = TempDir::new().unwrap();
        let settings = directory.path().join("fpm.conf");
        // Without effect, but a notice, for whoever is not root.
        let text = format!(
            "[global]\nerror_log = /dev/stderr\n[www]\nuser = root\ngroup = root\nlisten = 127.0.0.1:{port}\n\
             pm = static\npm.max_children = 2\ncatch_workers_output = yes\n"
        );
        std::fs::write(&settings, text).unwrap();
        let names = ["php-fpm", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4"];
        let usual = |name: &&&str| {
            ["/usr/sbin", "/usr/bin"].iter().any(|at| std::path::Path::new(at).join(name).exists())
        };
        let name = names.iter().find(usual).unwrap_or(&"php-fpm");
        let mut command = Command::new(program::find("WEIR_PHP_FPM", name));
        command
            .args(["--nodaemonize", "--allow-to-run-as-root", "--no-php-ini", "--fpm-config"])
            .arg(settings);
        let process = Process::start("php-fpm", &mut command, directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, _directory: directory }
    }

    fn start(name: &str, variable: &str, arguments: &[&str], port: u16) -> Self {
        let (directory, apps) = (TempDir::new().unwrap(), repository().join("tests/apps"));
        let mut command = Command::new(program::find(variable, name));
        command
            .args(arguments)
            .current_dir(&apps)
            .env("PYTHONPATH", &apps)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("ORACLE_DIR", directory.path());
        let process = Process::start(name, &mut command, directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, _directory: directory }
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for AppServer {
    fn drop(&mut self) {
        // The workers end with their master, which a killed one cannot see to.
        if matches!(self.process.name(), "gunicorn" | "granian" | "php-fpm") && self.process.is_running() {
            self.process.terminate();
        }
    }
}
