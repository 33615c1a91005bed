//! Certificates of our own making, as files for the product and as trust for its clients.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SignatureScheme, StreamOwned};
use toml::{Table, Value};

/// A self-signed certificate for some names, written as NAME.pem and NAME.key.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Written to `directory` under the first name; files of before are replaced.
    pub fn write(directory: &Path, names: &[&str]) -> Self {
        Self::write_as(directory, names.first().unwrap(), names)
    }

    pub fn write_as(directory: &Path, file: &str, names: &[&str]) -> Self {
        Self::write_of_kind(directory, file, names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub fn write_of_kind(
        directory: &Path,
        file: &str,
        names: &[&str],
        kind: &'static rcgen::SignatureAlgorithm,
    ) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = KeyPair::generate_for(kind).unwrap();
        let made = CertificateParams::new(names).unwrap().self_signed(&pair).unwrap();
        Self::written(directory, file, &made, &pair)
    }

    /// One that was valid in the year 2000 alone.
    pub fn write_expired(directory: &Path, names: &[&str]) -> Self {
        let all: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(all).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        let pair = KeyPair::generate().unwrap();
        Self::written(directory, names.first().unwrap(), &params.self_signed(&pair).unwrap(), &pair)
    }

    fn written(directory: &Path, file: &str, made: &rcgen::Certificate, pair: &KeyPair) -> Self {
        let file = |ending: &str| directory.join(format!("{file}.{ending}"));
        let (certificate, key) = (file("pem"), file("key"));
        fs::write(&certificate, made.pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        Self { certificate, key, der: made.der().clone() }
    }

    /// `{ certificate = "…", key = "…" }`.
    pub fn setting(&self) -> String {
        format!("{{ certificate = {:?}, key = {:?} }}", self.certificate, self.key)
    }

    /// The `tls` of a service that accepts only this certificate from others.
    pub fn mutual(&self) -> Table {
        let Self { certificate, key, .. } = self;
        let files = [("certificate", certificate), ("key", key), ("ca", certificate)];
        files
            .map(|(name, file)| (name.to_owned(), Value::from(file.display().to_string())))
            .into_iter()
            .collect()
    }

    /// A server that shows this certificate.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        let shown = versions.unwrap().with_no_client_auth().with_single_cert(vec![self.der.clone()], key);
        Arc::new(shown.unwrap())
    }

    /// A client that trusts this certificate alone, and offers these protocols.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut config = self.trusting(rustls::crypto::ring::default_provider());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A client that trusts this certificate alone, and verifies no other signatures than these.
    pub fn client_that_verifies(&self, schemes: &[SignatureScheme]) -> Arc<ClientConfig> {
        let mut provider = rustls::crypto::ring::default_provider();
        let known = provider.signature_verification_algorithms.mapping;
        let kept: Vec<_> = known.iter().filter(|(scheme, _)| schemes.contains(scheme)).copied().collect();
        provider.signature_verification_algorithms.mapping = kept.leak();
        Arc::new(self.trusting(provider))
    }

    fn trusting(&self, provider: CryptoProvider) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let versions = builder.with_safe_default_protocol_versions();
        versions.unwrap().with_root_certificates(roots).with_no_client_auth()
    }
}

/// Shakes hands over `tcp`, asking for `name`.
pub(crate) fn secure(
    config: &Arc<ClientConfig>,
    name: &str,
    mut tcp: TcpStream,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(session, tcp))
}
