//! Debian's pebble: an authority that speaks ACME and looks at challenges on the ports that the test says,
//! and a DNS server beside it, by which every name leads to this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;

use crate::{Certificate, Client, Process, free_port, program, repository};

pub struct Pebble {
    authority: Process,
    _names: Process,
    certificate: Certificate,
    /// Those of the authority, its management, DNS, and the management of that.
    ports: [u16; 4],
    /// Where challenges are looked for.
    pub http_port: u16,
    pub tls_port: u16,
    directory: TempDir,
}

impl Pebble {
    /// Signs certificates that are valid for this many seconds.
    pub fn start(validity: u64) -> Self {
        Self::start_with(validity, &[])
    }

    /// Makes accounts only for these customers: an id, and a key in base64url.
    pub fn start_with(validity: u64, customers: &[(&str, &str)]) -> Self {
        let (directory, ports) = (TempDir::new().unwrap(), [(); 4].map(|()| free_port()));
        let (http_port, tls_port) = (free_port(), free_port());
        let certificate = Certificate::write(directory.path(), &["localhost"]);
        let [api, management, dns, records] = ports;
        let settings = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificate.certificate,
            "privateKey": certificate.key,
            "httpPort": http_port,
            "tlsPort": tls_port,
            "certificateValidityPeriod": validity,
            "externalAccountBindingRequired": !customers.is_empty(),
            "externalAccountMACKeys": BTreeMap::from_iter(customers.iter().copied()),
        }});
        fs::write(directory.path().join("pebble.json"), settings.to_string()).unwrap();
        let mut command = Command::new(program::find("WEIR_PEBBLE_DNS", "pebble-challtestsrv"));
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        command.arg("-dns01").arg(format!("127.0.0.1:{dns}"));
        command.arg("-management").arg(format!("127.0.0.1:{records}"));
        let names = Process::start("pebble-dns", &mut command, directory.path());
        for port in [dns, records] {
            names.wait_until("accepts connections", || TcpStream::connect(at(port)).is_ok());
        }
        let authority = Process::start("pebble", &mut Self::command(&directory, dns, 0), directory.path());
        let this = Self { authority, _names: names, certificate, ports, http_port, tls_port, directory };
        this.wait();
        this
    }

    fn command(directory: &TempDir, dns: u16, rejected: u8) -> Command {
        let mut command = Command::new(program::find("WEIR_PEBBLE", "pebble"));
        command.arg("-config").arg(directory.path().join("pebble.json"));
        command.arg("-dnsserver").arg(format!("127.0.0.1:{dns}"));
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        command.env("PEBBLE_WFE_NONCEREJECT", rejected.to_string());
        command
    }

    fn wait(&self) {
        for port in &self.ports[..2] {
            self.authority.wait_until("accepts connections", || TcpStream::connect(at(*port)).is_ok());
        }
    }

    pub fn stop(&self) {
        self.authority.kill();
    }

    /// Again, with new keys and without a memory. It rejects this share of good nonces, in percent.
    pub fn start_again(&self, rejected: u8) {
        self.authority.start_again(&mut Self::command(&self.directory, self.ports[2], rejected));
        self.wait();
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}/dir", self.ports[0])
    }

    /// Another port that also says when to renew: from when to when, in seconds from now, is in the file.
    pub fn with_renewal_info(&self, window: &Path) -> (u16, Process) {
        let port = free_port();
        let mut command = Command::new(program::find("WEIR_PYTHON", "python"));
        command.arg(repository().join("tests/apps/acme_renewal_info.py"));
        command.args([port, self.ports[0]].map(|port| port.to_string()));
        command.arg(&self.certificate.certificate).arg(&self.certificate.key).arg(window);
        let proxy = Process::start("renewal-info", &mut command, self.directory.path());
        proxy.wait_until("accepts connections", || TcpStream::connect(at(port)).is_ok());
        (port, proxy)
    }

    /// Who has signed its own certificate.
    pub fn ca(&self) -> &PathBuf {
        &self.certificate.certificate
    }

    /// `[edge.acme]`, with its certificates in this directory.
    pub fn settings(&self, state: &str) -> String {
        format!(
            "[edge.acme]\ndirectory = \"{}\"\nca = {:?}\nstate = \"{state}\"\nhttp_port = {}\ntls_port = {}\n",
            self.url(),
            self.ca(),
            self.http_port,
            self.tls_port
        )
    }

    /// A program that writes TXT records of its DNS server.
    pub fn dns_command(&self) -> String {
        let (python, script) =
            (program::find("WEIR_PYTHON", "python"), repository().join("tests/apps/acme_dns.py"));
        format!("[{python:?}, {script:?}, \"{}\"]", self.ports[3])
    }

    /// Where the name leads from now on.
    pub fn lead(&self, name: &str, address: &str) {
        let body = json!({ "host": format!("{name}."), "addresses": [address] }).to_string();
        let length = body.len().to_string();
        let mut client = Client::connect(at(self.ports[3]));
        client.ask("POST", "/clear-a", &[("Content-Length", &length)], body.as_bytes()).expect(200);
        let mut client = Client::connect(at(self.ports[3]));
        client.ask("POST", "/add-a", &[("Content-Length", &length)], body.as_bytes()).expect(200);
    }

    /// A client that trusts the certificates of this authority alone.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let own = self.certificate.client(&["http/1.1"]);
        let mut client = Client::over_tls(at(self.ports[1]), "localhost", &own).unwrap();
        let root = CertificateDer::from_pem_slice(&client.get("/roots/0").expect(200).body).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// How many certificates it has signed, in all its lives.
    pub fn signed(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }

    /// How many accounts were made with it, in all its lives.
    pub fn accounts(&self) -> usize {
        self.log().matches("accounts in memory").count()
    }

    pub fn log(&self) -> String {
        self.authority.output() + &self.authority.log()
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
