//! Verifies the certificates that clients show. A handshake with a wrong one fails.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use crate::settings::{ClientCertificateConfig, ClientVerify};

/// Bounds how long a chain is, in addition to what rustls verifies.
#[derive(Debug)]
struct ChainDepthVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    depth: usize,
}

/// The verifier of these settings, or the key that is wrong, with the reason.
pub(crate) fn verifier(
    config: &ClientCertificateConfig,
) -> Result<Arc<dyn ClientCertVerifier>, (&'static str, String)> {
    let mut roots = RootCertStore::empty();
    let authorities: Vec<CertificateDer<'static>> =
        read(&config.ca, CertificateDer::pem_file_iter(&config.ca)).map_err(|text| ("ca", text))?;
    for authority in authorities {
        let added = roots.add(authority);
        added.map_err(|error| ("ca", format!("`{}`: {error}", config.ca.display())))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(file) = &config.crl {
        let lists: Vec<CertificateRevocationListDer<'static>> =
            read(file, CertificateRevocationListDer::pem_file_iter(file)).map_err(|text| ("crl", text))?;
        builder = builder.with_crls(lists);
    }
    if config.verify == ClientVerify::Optional {
        builder = builder.allow_unauthenticated();
    }
    let key = if config.crl.is_some() { "crl" } else { "ca" };
    let chain = builder.build().map_err(|error| (key, error.to_string()))?;
    Ok(Arc::new(ChainDepthVerifier { chain, depth: config.depth }))
}

fn read<T>(
    file: &Path,
    items: Result<impl Iterator<Item = Result<T, pem::Error>>, pem::Error>,
) -> Result<Vec<T>, String> {
    let all: Result<Vec<T>, _> = items.and_then(Iterator::collect);
    let all = all.map_err(|error| format!("`{}`: {error}", file.display()))?;
    if all.is_empty() { Err(format!("`{}` holds none", file.display())) } else { Ok(all) }
}

impl ClientCertVerifier for ChainDepthVerifier {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.len() > self.depth {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        self.chain.verify_client_cert(certificate, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
