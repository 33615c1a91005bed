//! A copy of the file that can be started beside what runs: other addresses, and other places for all that is
//! written.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use nginx_conf::Directive;
use nginx_front::is_fragment;

use super::target;
use super::words::{quoted, written};
use crate::nginx::files::Configuration;

/// Outermost directives that concern a process which runs already, or other protocols.
const OF_PROCESS: [&str; 12] = [
    "daemon",
    "lock_file",
    "mail",
    "master_process",
    "pid",
    "stream",
    "user",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_processes",
    "worker_rlimit_core",
    "worker_rlimit_nofile",
];
/// Files that nginx looks for beside its own file.
const BESIDE: [&str; 14] = [
    "auth_basic_user_file",
    "proxy_ssl_certificate",
    "proxy_ssl_certificate_key",
    "proxy_ssl_crl",
    "proxy_ssl_password_file",
    "proxy_ssl_trusted_certificate",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_crl",
    "ssl_dhparam",
    "ssl_password_file",
    "ssl_stapling_file",
    "ssl_trusted_certificate",
];

/// A copy, and where it listens.
pub(super) struct FileCopy {
    pub(super) path: PathBuf,
    /// Addresses of the file, each with that of the copy, and whether clients announce themselves there by
    /// the PROXY protocol.
    pub(super) listens: Vec<(String, SocketAddr, bool)>,
    /// Ports of the copy, each with that of the file.
    pub(super) ports: Vec<(u16, u16)>,
}

/// Writes a copy into a directory, for nginx or for Weir.
pub(super) fn write(file: &Configuration, directory: &Path, for_nginx: bool) -> Result<FileCopy, String> {
    let mut writer = Writer {
        file,
        directory: directory.display().to_string(),
        for_nginx,
        ports: HashMap::new(),
        hosts: Vec::new(),
        listens: Vec::new(),
        has_ipv6: TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok(),
        text: String::new(),
    };
    writer.whole()?;
    let path = directory.join("nginx.conf");
    fs::write(&path, &writer.text).map_err(|error| format!("{}: {error}", path.display()))?;
    let ports = writer.ports.iter().map(|(from, to)| (*to, *from)).collect();
    Ok(FileCopy { path, listens: writer.listens, ports })
}

struct Writer<'a> {
    file: &'a Configuration,
    directory: String,
    for_nginx: bool,
    /// Ports of the file, each with that of the copy.
    ports: HashMap<u16, u16>,
    /// Addresses of this machine that the file names.
    hosts: Vec<String>,
    listens: Vec<(String, SocketAddr, bool)>,
    has_ipv6: bool,
    text: String,
}

impl Writer<'_> {
    fn whole(&mut self) -> Result<(), String> {
        let directory = self.directory.clone();
        let log = format!("error_log {} info;\n", quoted(&format!("{directory}/error.log"), true));
        self.text
            .push_str(&format!("daemon off;\npid {};\n{log}", quoted(&format!("{directory}/pid"), true)));
        // Without a master process, nginx keeps the rights of whoever starts it; so does Weir here.
        if self.for_nginx {
            self.text.push_str("master_process off;\n");
        } else if self.file.options.is_root {
            self.text.push_str("user root;\n");
        }
        let file = self.file;
        let outer = &file.parsed.directives;
        if !is_fragment(&file.parsed) {
            outer.iter().try_for_each(|directive| self.directive(directive, 0, false))?;
            let has_events = outer.iter().any(|directive| directive.name() == "events");
            self.text.push_str(if has_events { "" } else { "events { }\n" });
            return Ok(());
        }
        self.text.push_str("events { }\nhttp {\n");
        self.of_http(outer);
        outer.iter().try_for_each(|directive| self.directive(directive, 1, false))?;
        self.text.push_str("}\n");
        Ok(())
    }

    /// Places for what nginx writes, where the file does not name them; and for a file without `http` what
    /// stands around such files everywhere.
    fn of_http(&mut self, own: &[Directive]) {
        if self.for_nginx {
            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
                let name = format!("{kind}_temp_path");
                if !own.iter().any(|directive| directive.name() == name) {
                    let path = quoted(&format!("{}/{kind}", self.directory), true);
                    self.text.push_str(&format!("{name} {path};\n"));
                }
            }
        }
        self.text.push_str("access_log off;\n");
        let has_own = |name: &str| own.iter().any(|directive| directive.name() == name);
        if is_fragment(&self.file.parsed) && !has_own("types") && !has_own("default_type") {
            self.text.push_str(&nginx_front::usual_lines());
        }
    }

    /// `is_data`: the lines of this block are no directives.
    fn directive(&mut self, directive: &Directive, depth: usize, is_data: bool) -> Result<(), String> {
        let name = directive.name();
        // What an include of a `map` names stands behind it too.
        if is_data && name == "include" && directive.args.len() == 1
            || !is_data && self.is_left_out(name, depth)
        {
            return Ok(());
        }
        if !is_data && name == "listen" {
            return self.listen(directive);
        }
        let mut line = written(&directive.name);
        for (at, word) in directive.args.iter().enumerate() {
            line.push(' ');
            line.push_str(&match self.moved(name, at, &word.text).filter(|_| !is_data) {
                Some(text) => quoted(&text, true),
                None => written(word),
            });
        }
        self.text.push_str(&line);
        let Some(block) = &directive.block else {
            self.text.push_str(";\n");
            return Ok(());
        };
        self.text.push_str(" {\n");
        if name == "http" && depth == 0 {
            self.of_http(block);
        }
        if name == "server" && depth <= 1 && !block.iter().any(|line| line.name() == "listen") {
            let usual = target::usual_listen(self.file);
            let address = self.address(usual)?;
            self.add(usual, address, false);
            self.text.push_str(&format!("listen {address};\n"));
        }
        let is_data = matches!(name, "types" | "map" | "geo" | "split_clients" | "charset_map" | "match");
        block.iter().try_for_each(|line| self.directive(line, depth + 1, is_data))?;
        self.text.push_str("}\n");
        Ok(())
    }

    /// What an include names stands behind it; a test writes no logs.
    fn is_left_out(&self, name: &str, depth: usize) -> bool {
        let is_of_process = depth == 0 && OF_PROCESS.contains(&name);
        let is_weir_s = self.for_nginx && name.starts_with("weir_");
        is_of_process || is_weir_s || matches!(name, "include" | "access_log" | "error_log" | "weir_admin")
    }

    /// The argument that the copy has in the place of this one.
    fn moved(&self, name: &str, at: usize, text: &str) -> Option<String> {
        if at != 0 {
            return None;
        }
        if name.ends_with("_temp_path") || name.ends_with("_cache_path") {
            let plain: String =
                text.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
            return Some(format!("{}/{name}{plain}", self.directory));
        }
        let is_relative = !text.starts_with('/') && !text.contains('$') && !text.starts_with("data:");
        (BESIDE.contains(&name) && is_relative && !text.is_empty())
            .then(|| format!("{}{text}", self.file.options.conf_prefix))
    }

    fn listen(&mut self, directive: &Directive) -> Result<(), String> {
        const KEPT: [&str; 5] = ["ssl", "http2", "default_server", "default", "proxy_protocol"];
        let Some(text) = directive.arg(0) else { return Ok(()) };
        if directive.texts().any(|word| word == "quic") {
            return Ok(());
        }
        let address = if text.starts_with("unix:") {
            let path = format!("{}/{}.sock", self.directory, self.listens.len());
            quoted(&format!("unix:{path}"), true)
        } else if text.starts_with('[') && !self.has_ipv6 {
            return Ok(());
        } else {
            let address = self.address(text)?;
            let is_announced = directive.texts().any(|word| word == "proxy_protocol");
            self.add(text, address, is_announced);
            address.to_string()
        };
        let kept: Vec<&str> = directive.texts().skip(1).filter(|word| KEPT.contains(word)).collect();
        self.text.push_str(&format!("listen {address} {};\n", kept.join(" ")));
        Ok(())
    }

    fn add(&mut self, text: &str, address: SocketAddr, is_announced: bool) {
        if !self.listens.iter().any(|(known, ..)| known == text) {
            self.listens.push((text.to_owned(), address, is_announced));
        }
    }

    /// The address of the copy: the same for the same address of the file, however it is written.
    fn address(&mut self, text: &str) -> Result<SocketAddr, String> {
        let is_port = |text: &str| text.parse::<u16>().is_ok();
        // The first of a range of ports is enough.
        let text = text.split_once('-').map_or(text, |(first, _)| first);
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if is_port(port) => (host, port),
            _ if is_port(text) => ("*", text),
            _ => (text, "80"),
        };
        let port = port.parse::<u16>().unwrap_or(80);
        let free = match self.ports.get(&port) {
            Some(known) => *known,
            None => {
                let free = free_port().map_err(|error| format!("no port is free: {error}"))?;
                self.ports.insert(port, free);
                free
            }
        };
        let host: IpAddr = match host {
            "*" | "0.0.0.0" => Ipv4Addr::LOCALHOST.into(),
            host if host.starts_with('[') => Ipv6Addr::LOCALHOST.into(),
            host => {
                let known = self.hosts.iter().position(|known| known == host);
                let at = known.unwrap_or_else(|| {
                    self.hosts.push(host.to_owned());
                    self.hosts.len() - 1
                });
                // All of 127.0.0.0/8 is this machine; 127.0.0.1 stands for addresses of any host.
                Ipv4Addr::new(127, 0, 1, u8::try_from(at + 1).unwrap_or(u8::MAX)).into()
            }
        };
        Ok(SocketAddr::new(host, free))
    }
}

/// A port on which nothing listens now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
