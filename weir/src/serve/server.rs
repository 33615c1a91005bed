//! Which application server is started, and its command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::changes::Sources;
use super::python::SiteProbe;
use crate::cli::{ServerArgs, ServerKind};

/// Sets the signal that it gets when weir is killed, then becomes the server: nothing is left behind.
const BECOME: &str = "\
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
except (ImportError, OSError, AttributeError):
    pass
os.execv(sys.argv[1], sys.argv[1:])
";
/// The module by which granian sees the scheme and the client that Weir names.
const GRANIAN_MODULE: &str = "weir_granian";
/// The most bytes of variables that a uwsgi packet can have.
const LARGEST_PACKET: u64 = 65_535;
/// How many requests an ASGI server may have at a time.
const ASGI_AT_ONCE: u32 = 1000;

/// The server of one application.
pub(super) struct Server {
    pub(super) kind: ServerKind,
    found: SiteProbe,
    python: PathBuf,
    workers: u16,
    threads: u16,
}

impl Server {
    pub(super) fn choose(args: &ServerArgs, python: PathBuf, found: SiteProbe) -> anyhow::Result<Self> {
        let kind = match args.server {
            Some(kind) => {
                if let Err(why) = fits(kind, &found) {
                    bail!("--server {}: {why}", name(kind));
                }
                kind
            }
            None => usual(&found)?,
        };
        let workers = args.workers.unwrap_or_else(|| found.cores.max(2));
        Ok(Self { kind, found, python, workers, threads: args.threads })
    }

    /// How many requests it works on at a time. Further ones wait in Weir's queue, so that none is left in
    /// the backlog of a server that is replaced.
    pub(super) fn at_once(&self) -> u32 {
        match self.found.asgi {
            true => ASGI_AT_ONCE,
            false => u32::from(self.workers) * u32::from(self.threads),
        }
    }

    pub(super) fn buffer_size(&self) -> u64 {
        LARGEST_PACKET
    }

    /// The address of a socket, as settings have it.
    pub(super) fn address(&self, socket: &Path) -> String {
        let scheme = if self.speaks_uwsgi() { "uwsgi" } else { "http" };
        format!("{scheme}+unix://{}", socket.display())
    }

    pub(super) fn speaks_uwsgi(&self) -> bool {
        self.kind == ServerKind::Uwsgi
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.found.sources
    }

    pub(super) fn host(&self) -> &str {
        self.found.host.as_deref().unwrap_or("localhost")
    }

    /// One line for people.
    pub(super) fn told(&self) -> String {
        let SiteProbe { module, callable, asgi, servers, python, .. } = &self.found;
        let kind = if *asgi { "ASGI" } else { "WSGI" };
        let version = servers.get(name(self.kind)).map(|version| format!(" {version}")).unwrap_or_default();
        let threads = if *asgi { String::new() } else { format!(", {} threads each", self.threads) };
        format!(
            "{module}:{callable} ({kind}) runs on {}{version}, {} processes{threads}, {python}",
            name(self.kind),
            self.workers
        )
    }

    /// The command that serves on `socket`. `directory` is ours.
    pub(super) fn command(&self, socket: &Path, directory: &Path) -> io::Result<Command> {
        let mut command = Command::new(&self.python);
        command.args(["-c", BECOME]);
        match self.kind {
            ServerKind::Uwsgi => self.uwsgi(&mut command, socket),
            ServerKind::Gunicorn => self.gunicorn(&mut command, socket),
            ServerKind::Granian => self.granian(&mut command, socket, directory)?,
            ServerKind::Uvicorn => self.uvicorn(&mut command, socket),
        }
        Ok(command)
    }

    fn uwsgi(&self, command: &mut Command, socket: &Path) {
        let program = self.found.uwsgi.as_deref().unwrap_or_else(|| Path::new("uwsgi"));
        command.arg(program);
        command.args([
            "--master",
            "--need-app",
            "--single-interpreter",
            "--enable-threads",
            "--auto-procname",
        ]);
        command.args(["--py-call-osafterfork", "--disable-logging", "--log-5xx", "--chmod-socket=600"]);
        // SIGTERM finishes requests in progress instead of reloading.
        command.args(["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]);
        command.args(["--worker-reload-mercy", "30", "--socket-timeout", "30", "--listen", "128"]);
        command.arg("--buffer-size").arg(LARGEST_PACKET.to_string());
        command.arg("--processes").arg(self.workers.to_string());
        command.arg("--threads").arg(self.threads.to_string());
        command.arg("--socket").arg(socket);
        command.args(["--pythonpath", ".", "--module"]).arg(self.target());
    }

    fn gunicorn(&self, command: &mut Command, socket: &Path) {
        command.arg(&self.python).args(["-m", "gunicorn", "--no-control-socket", "--graceful-timeout", "30"]);
        match self.found.asgi {
            true => command.args(["--worker-class", "asgi"]),
            false => command.args(["--worker-class", "gthread", "--threads", &self.threads.to_string()]),
        };
        command.arg("--workers").arg(self.workers.to_string());
        command.args(["--forwarded-allow-ips", "*", "--bind"]).arg(format!("unix:{}", socket.display()));
        command.arg(self.target());
    }

    fn granian(&self, command: &mut Command, socket: &Path, directory: &Path) -> io::Result<()> {
        let interface = if self.found.asgi { "asgi" } else { "wsgi" };
        let SiteProbe { module, callable, .. } = &self.found;
        let text = format!(
            "import importlib\nfrom granian.utils.proxies import wrap_{interface}_with_proxy_headers as wrap\n\
             module = importlib.import_module({module:?})\n\
             application = wrap(module.{callable}, trusted_hosts=\"*\")\n"
        );
        fs::write(directory.join(format!("{GRANIAN_MODULE}.py")), text)?;
        let path = std::env::var("PYTHONPATH").map(|path| format!(":{path}")).unwrap_or_default();
        command.env("PYTHONPATH", format!("{}:.{path}", directory.display()));
        command.arg(&self.python).args(["-m", "granian", "--no-access-log", "--interface", interface]);
        // Otherwise the death of one process ends them all.
        command.arg("--respawn-failed-workers");
        command.arg("--workers").arg(self.workers.to_string());
        if !self.found.asgi {
            command.arg("--blocking-threads").arg(self.threads.to_string());
        }
        command.arg("--uds").arg(socket).arg(format!("{GRANIAN_MODULE}:application"));
        Ok(())
    }

    fn uvicorn(&self, command: &mut Command, socket: &Path) {
        command.arg(&self.python).args(["-m", "uvicorn", "--no-access-log", "--forwarded-allow-ips", "*"]);
        command.args(["--timeout-graceful-shutdown", "30"]);
        // Its processes may take longer than the usual 5 s to start on a busy machine, and would be killed.
        if self.found.servers.get(name(ServerKind::Uvicorn)).is_some_and(|version| is_since(version, 0, 37)) {
            command.args(["--timeout-worker-healthcheck", "30"]);
        }
        command.arg("--workers").arg(self.workers.to_string());
        command.arg("--uds").arg(socket);
        if self.found.callable.ends_with("()") {
            command.arg("--factory");
        }
        let target = self.target();
        command.arg(target.trim_end_matches("()"));
    }

    fn target(&self) -> String {
        format!("{}:{}", self.found.module, self.found.callable)
    }
}

fn usual(found: &SiteProbe) -> anyhow::Result<ServerKind> {
    // gunicorn's ASGI worker is its newest.
    let order = match found.asgi {
        true => [ServerKind::Uvicorn, ServerKind::Granian, ServerKind::Gunicorn],
        false => [ServerKind::Uwsgi, ServerKind::Gunicorn, ServerKind::Granian],
    };
    let advice = match found.asgi {
        true => "pip install uvicorn (or granian)",
        false => "pip install pyuwsgi (or gunicorn, granian)",
    };
    order
        .into_iter()
        .find(|kind| fits(*kind, found).is_ok())
        .with_context(|| format!("no application server for {} in {}: {advice}", found.module, found.python))
}

/// Whether it is installed and can serve this application.
fn fits(kind: ServerKind, found: &SiteProbe) -> Result<(), String> {
    match kind {
        ServerKind::Uwsgi if found.asgi => Err(format!("{} is an ASGI application", found.module)),
        ServerKind::Uvicorn if !found.asgi => Err(format!("{} is a WSGI application", found.module)),
        ServerKind::Uwsgi if found.uwsgi.is_some() => Ok(()),
        _ if found.servers.contains_key(name(kind)) => Ok(()),
        _ => Err(format!("it is not installed in {}", found.python)),
    }
}

/// Whether a version is `major.minor` or a later one.
fn is_since(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((parts.next(), parts.next()), (Some(own), Some(lesser)) if (own, lesser) >= (major, minor))
}

fn name(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Uwsgi => "uwsgi",
        ServerKind::Gunicorn => "gunicorn",
        ServerKind::Granian => "granian",
        ServerKind::Uvicorn => "uvicorn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, is_new) in [
            ("0.54.0", true),
            ("0.37.0", true),
            ("1.0", true),
            ("0.36.1", false),
            ("0.4", false),
            ("0", false),
            ("", false),
        ] {
            assert_eq!(is_since(version, 0, 37), is_new, "{version}");
        }
    }
}
