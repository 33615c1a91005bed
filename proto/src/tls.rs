//! Mutual TLS between services. Both ends show a certificate, and each accepts only one that the CA has
//! signed, with the name that it expects. Changed files are read again, and new connections use them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Deserialize;

mod accept;
mod dial;

pub use accept::{Connection, incoming};
pub use dial::lazily;

/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A larger file is not a PEM file of ours.
const MAX_FILE: u64 = 1 << 20;

/// One end of the links between services: `tls = { certificate = "…", key = "…", ca = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file: this service's own certificate, followed by those between it and the CA.
    pub certificate: PathBuf,
    /// PEM file: the key that belongs to it.
    pub key: PathBuf,
    /// PEM file: the CA that must have signed the other end's certificate.
    pub ca: PathBuf,
    /// The name that the other end's certificate must have. Left out: for a server the host of its URL, for a
    /// client any name.
    pub peer_name: Option<String>,
}

/// What is wrong with the files, and the settings key that names the file. Repair it; retrying alone does not
/// help.
#[derive(Debug, thiserror::Error)]
#[error("`{file}`: {reason}")]
pub struct TlsError {
    pub key: &'static str,
    file: String,
    reason: String,
}

/// The certificates in use: for the servers and the clients of one process.
pub struct Tls {
    config: TlsConfig,
    peer_name: Option<ServerName<'static>>,
    read: ArcSwap<TlsMaterial>,
}

/// The files as read, and the certificates made from them.
struct TlsMaterial {
    bytes: [Vec<u8>; 3],
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files, once.
    pub fn load(config: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let name = config.peer_name.as_deref();
        let peer_name = name.map(|name| server_name(name).ok_or_else(|| bad_name(name))).transpose()?;
        let read = ArcSwap::from_pointee(TlsMaterial::all(config)?);
        Ok(Arc::new(Self { config: config.clone(), peer_name, read }))
    }

    /// Loads files that have changed. While they do not fit together, the old ones stay in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        if TlsMaterial::bytes(&self.config)? == self.read.load().bytes {
            return Ok(false);
        }
        self.read.store(Arc::new(TlsMaterial::all(&self.config)?));
        Ok(true)
    }

    /// Reads the files, if any are set, and checks them every ten seconds while somebody uses them. Must be
    /// called within a runtime.
    pub fn watched(config: Option<&TlsConfig>) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(config) = config else { return Ok(None) };
        let tls = Self::load(config)?;
        tokio::spawn(watch(Arc::downgrade(&tls)));
        Ok(Some(tls))
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.read.load().server.clone()
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.read.load().client.clone()
    }

    /// Whether a client with this chain is the expected one. The CA's signature was checked before.
    fn expects(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        let Some(name) = &self.peer_name else { return true };
        let parsed = chain.and_then(<[_]>::first).and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        parsed.is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
    }
}

async fn watch(tls: Weak<Tls>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(tls) = tls.upgrade() else { return };
        let looked = tokio::task::spawn_blocking(move || tls.reload()).await;
        match looked {
            Ok(Ok(true)) => tracing::info!("TLS between services: new certificates are in use"),
            Ok(Err(error)) => {
                tracing::error!("TLS between services: the old certificates stay in use: {error}")
            }
            Ok(Ok(false)) | Err(_) => {}
        }
    }
}

impl TlsMaterial {
    fn bytes(config: &TlsConfig) -> Result<[Vec<u8>; 3], TlsError> {
        Ok([read("certificate", &config.certificate)?, read("key", &config.key)?, read("ca", &config.ca)?])
    }

    fn all(config: &TlsConfig) -> Result<Self, TlsError> {
        let bytes = Self::bytes(config)?;
        let [certificate, key, ca] = &bytes;
        let chain = certificates("certificate", &config.certificate, certificate)?;
        let wrong_key = |reason: String| TlsError::new("key", &config.key, reason);
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong_key(plain(&error, "private key")))?;
        let mut roots = RootCertStore::empty();
        for root in certificates("ca", &config.ca, ca)? {
            roots.add(root).map_err(|error| TlsError::new("ca", &config.ca, error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| TlsError::new("ca", &config.ca, error.to_string()))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_client_cert_verifier(verifier))
            .and_then(|builder| builder.with_single_cert(chain.clone(), key.clone_key()))
            .map_err(|error| wrong_key(unfit(&error, &config.certificate)))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_root_certificates(roots))
            .and_then(|builder| builder.with_client_auth_cert(chain, key))
            .map_err(|error| wrong_key(unfit(&error, &config.certificate)))?;
        let (mut server, mut client) = (server, client);
        server.alpn_protocols = vec![b"h2".to_vec()];
        client.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session shows no certificate: after a reload it would still use the old one.
        server.send_tls13_tickets = 0;
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self { bytes, server: Arc::new(server), client: Arc::new(client) })
    }
}

impl TlsError {
    fn new(key: &'static str, file: &Path, reason: String) -> Self {
        Self { key, file: file.display().to_string(), reason }
    }
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    let wrong = |reason: String| TlsError::new(key, file, reason);
    let size = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(wrong("larger than any PEM file".to_owned()));
    }
    std::fs::read(file).map_err(|error| wrong(error.to_string()))
}

fn certificates(
    key: &'static str,
    file: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(chain) if chain.is_empty() => {
            Err(TlsError::new(key, file, "the file contains no certificate".to_owned()))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::new(key, file, plain(&error, "certificate"))),
    }
}

fn plain(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("the file contains no {wanted}"),
        error => format!("the file is not PEM: {error}"),
    }
}

fn unfit(error: &rustls::Error, certificate: &Path) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => format!("it is not the key of `{}`", certificate.display()),
        error => format!("it cannot be used: {error}"),
    }
}

fn bad_name(name: &str) -> TlsError {
    TlsError { key: "peer_name", file: name.to_owned(), reason: "neither a host name nor an address".into() }
}

/// A host's name as in a URL, where an IPv6 address has brackets.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}

#[cfg(test)]
mod tests;
