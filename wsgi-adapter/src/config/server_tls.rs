//! `tls` of a pool: how its `https://` servers are recognised, and how they recognise Weir.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::settings::Mistakes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::Deserialize;

/// Where systems keep the certificates that they trust.
const SYSTEM_CA: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTlsConfig {
    /// PEM file: who must have signed the servers' certificates. Left out: those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// The name that they must have, and that is told in the handshake. Left out: the host of the address.
    pub name: Option<String>,
    /// False: any certificate is accepted.
    pub verify: bool,
    /// PEM files: Weir's own certificate, and its key.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// What is wrong, under the name of a key.
pub(crate) type TlsMistake = (&'static str, String);

impl Default for ServerTlsConfig {
    fn default() -> Self {
        Self { ca: None, name: None, verify: true, certificate: None, key: None }
    }
}

impl ServerTlsConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if let Err((key, text)) = self.client() {
            mistakes.push(format!("{path}.{key}"), text);
        }
        if self.name.as_ref().is_some_and(|name| ServerName::try_from(name.as_str()).is_err()) {
            mistakes.push(format!("{path}.name"), "is not the name of a host");
        }
    }

    /// Reads the files.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, TlsMistake> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| ("verify", error.to_string()))?;
        let builder = match self.verify {
            true => builder.with_root_certificates(self.roots()?),
            false => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        };
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates("certificate", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| ("key", format!("`{}`: {error}", key.display())))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| ("certificate", error.to_string()))?
            }
            (Some(_), None) => return Err(("certificate", "needs a `key` too".into())),
            (None, Some(_)) => return Err(("key", "needs a `certificate` too".into())),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The file of those who must have signed.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        let system = || SYSTEM_CA.iter().map(Path::new).find(|path| path.exists());
        self.ca.as_deref().or_else(system)
    }

    fn roots(&self) -> Result<RootCertStore, TlsMistake> {
        let file = self.ca_file().ok_or_else(|| {
            ("ca", "this system has no list of those whom it trusts; name a file".to_owned())
        })?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates("ca", file)? {
            // Lists of systems hold some that nobody can use.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(("ca", format!("`{}` holds no certificate that could sign others", file.display())));
        }
        Ok(roots)
    }
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsMistake> {
    let wrong = |error: &dyn std::fmt::Display| (key, format!("`{}`: {error}", file.display()));
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| wrong(&error))?;
    if all.is_empty() { Err(wrong(&"holds no certificate")) } else { Ok(all) }
}

/// Accepts every certificate. Whose key signs matters only to who knows whose it should be, and old
/// certificates cannot be read for it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let text = |path: &Path| path.display().to_string();
        let cases = [
            (serde_json::json!({"ca": text(&empty)}), "p.ca: `"),
            (serde_json::json!({"ca": "/no/such/file"}), "p.ca: `/no/such/file`"),
            (serde_json::json!({"verify": false, "certificate": "/c"}), "p.certificate: needs a `key` too"),
            (serde_json::json!({"verify": false, "key": "/k"}), "p.key: needs a `certificate` too"),
            (serde_json::json!({"verify": false, "name": "a b"}), "p.name: is not the name of a host"),
            (serde_json::json!({"verify": false}), ""),
        ];
        for (settings, said) in cases {
            let config: ServerTlsConfig = serde_json::from_value(settings.clone()).unwrap();
            let mut mistakes = Mistakes::default();
            config.check("p", &mut mistakes);
            let text = mistakes.to_string();
            assert!(text.contains(said) && said.is_empty() == text.is_empty(), "{settings}: {text}");
        }
    }
}
