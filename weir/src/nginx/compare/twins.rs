//! nginx and Weir, running with the same file.

use std::fs;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use side_by_side::{Probe, Reply};

use super::client;
use super::copy::{self, FileCopy};
use crate::nginx::arguments::{Arguments, CompareArguments};
use crate::nginx::files::Configuration;
use crate::private_directory::PrivateDirectory;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CONNECT: Duration = Duration::from_secs(1);

/// The two programs.
pub(super) struct Twins {
    weir: RunningCopy,
    nginx: NginxPeer,
}

/// nginx from a copy of the file, or one that runs already.
enum NginxPeer {
    Started(RunningCopy),
    At { address: SocketAddr, port: u16 },
}

/// A program that was started, and its copy of the file.
struct RunningCopy {
    copy: FileCopy,
    process: Child,
    directory: PrivateDirectory,
}

impl Twins {
    /// Starts what does not run yet.
    pub(super) fn start(
        arguments: &Arguments,
        compare: &CompareArguments,
        file: &Configuration,
    ) -> Result<Self, String> {
        let weir = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(weir);
        command.args(["nginx", "--lenient"]);
        command.args(arguments.microcache.iter().flat_map(|time| ["--microcache", time.as_str()]));
        let weir = RunningCopy::start("Weir", command, file, false)?;
        let nginx = match &compare.against {
            Some(url) => at(url)?,
            None => {
                let program = compare.nginx.as_deref().unwrap_or("nginx");
                NginxPeer::Started(RunningCopy::start(program, Command::new(program), file, true)?)
            }
        };
        Ok(Self { weir, nginx })
    }

    /// Whether the nginx that is asked has the listener of a request.
    pub(super) fn reaches(&self, probe: &Probe) -> bool {
        let is_at_weir = self.weir.address(&probe.listen).is_some();
        let is_at_nginx = match &self.nginx {
            NginxPeer::Started(running) => running.address(&probe.listen).is_some(),
            NginxPeer::At { port, .. } => port_of(&probe.listen) == *port,
        };
        is_at_weir && is_at_nginx
    }

    pub(super) fn weir(&self, probe: &Probe) -> Result<Option<Reply>, String> {
        self.weir.ask(probe)
    }

    pub(super) fn nginx(&self, probe: &Probe) -> Result<Option<Reply>, String> {
        match &self.nginx {
            NginxPeer::Started(running) => running.ask(probe),
            NginxPeer::At { address, .. } => client::ask(*address, false, probe),
        }
    }
}

/// `http://host:port` of an nginx that runs.
fn at(url: &str) -> Result<NginxPeer, String> {
    let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(format!("--against {url}: write http://host:port or https://host:port")),
    };
    let host = rest.trim_end_matches('/');
    let port = if secure { 443 } else { 80 };
    let (host, port) = match host.rsplit_once(':') {
        Some((name, number)) => match number.parse() {
            Ok(number) => (name, number),
            Err(_) => (host, port),
        },
        None => (host, port),
    };
    let found = (host.trim_matches(['[', ']']), port).to_socket_addrs();
    let address = found.map_err(|error| format!("--against {url}: {error}"))?.next();
    Ok(NginxPeer::At { address: address.ok_or_else(|| format!("--against {url}: no address"))?, port })
}

/// The port of a `listen`.
fn port_of(listen: &str) -> u16 {
    let last = listen.rsplit(':').next().unwrap_or(listen);
    last.parse().unwrap_or(80)
}

impl RunningCopy {
    /// Writes a copy of the file, starts a program with it, and waits until it listens.
    fn start(
        name: &str,
        mut command: Command,
        file: &Configuration,
        for_nginx: bool,
    ) -> Result<Self, String> {
        let directory = PrivateDirectory::make("compare").map_err(|error| error.to_string())?;
        let copy = copy::write(file, directory.path(), for_nginx)?;
        let said = directory.path().join("said");
        let output = fs::File::create(&said).map_err(|error| error.to_string())?;
        command.arg("-p").arg(&file.options.prefix).arg("-c").arg(&copy.path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let process = command.spawn().map_err(|error| format!("{name} could not be started: {error}"))?;
        let mut running = Self { copy, process, directory };
        let deadline = Instant::now() + START;
        while !running.listens() {
            let has_ended = running.process.try_wait().map_err(|error| error.to_string())?.is_some();
            if has_ended || Instant::now() > deadline {
                return Err(running.failure(name, &said));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(running)
    }

    /// What the program said before it ended.
    fn failure(&self, name: &str, said: &Path) -> String {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let mut lines = text(said);
        if lines.trim().is_empty() {
            lines = text(&self.directory.path().join("error.log"));
        }
        let lines: Vec<&str> = lines.lines().filter(|line| !line.contains("[notice]")).collect();
        format!("{name} does not start with this file:\n{}", lines.join("\n"))
    }

    fn listens(&self) -> bool {
        let mut all = self.copy.listens.iter();
        all.all(|(_, address, _)| TcpStream::connect_timeout(address, CONNECT).is_ok())
    }

    fn address(&self, listen: &str) -> Option<(SocketAddr, bool)> {
        let mut all = self.copy.listens.iter();
        all.find_map(|(text, address, is_announced)| (text == listen).then_some((*address, *is_announced)))
    }

    /// The answer, with the ports of the file in the place of those of the copy.
    fn ask(&self, probe: &Probe) -> Result<Option<Reply>, String> {
        let Some((address, is_announced)) = self.address(&probe.listen) else { return Ok(None) };
        let reply = client::ask(address, is_announced, probe)?;
        Ok(reply.map(|reply| with_ports(reply, &self.copy.ports)))
    }
}

impl Drop for RunningCopy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn with_ports(reply: Reply, ports: &[(u16, u16)]) -> Reply {
    ports.iter().fold(reply, |reply, (from, to)| reply.with_port(*from, &to.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_addresses() {
        for (text, port) in
            [("80", 80), ("*:8080", 8080), ("[::]:443", 443), ("localhost", 80), ("[::1]", 80)]
        {
            assert_eq!(port_of(text), port, "{text}");
        }
        assert!(at("127.0.0.1:80").is_err());
        assert!(matches!(at("http://127.0.0.1"), Ok(NginxPeer::At { port: 80, .. })));
        assert!(matches!(at("https://127.0.0.1:8443/"), Ok(NginxPeer::At { port: 8443, .. })));
    }
}
