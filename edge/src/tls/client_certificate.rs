//! Asks clients for certificates, and builds the check of those that they show.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::connection::client_check::ClientCheck;
use crate::settings::{ClientCertificateConfig, ClientVerify};

/// Asks for certificates, and lets every handshake end: what is wrong with one is found after it.
#[derive(Debug)]
struct AskingVerifier(Arc<dyn ClientCertVerifier>);

/// What handshakes ask for.
pub(crate) fn asking(check: &ClientCheck) -> Arc<dyn ClientCertVerifier> {
    Arc::new(AskingVerifier(check.verifier.clone()))
}

/// The check of these settings, or the key that is wrong, with the reason.
pub(crate) fn check(config: &ClientCertificateConfig) -> Result<ClientCheck, (&'static str, String)> {
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
    let key = if config.crl.is_some() { "crl" } else { "ca" };
    let verifier = builder.build().map_err(|error| (key, error.to_string()))?;
    Ok(ClientCheck {
        verifier,
        depth: config.depth,
        required: config.verify == ClientVerify::Required,
        any_ca: config.verify == ClientVerify::OptionalNoCa,
    })
}

fn read<T>(
    file: &Path,
    items: Result<impl Iterator<Item = Result<T, pem::Error>>, pem::Error>,
) -> Result<Vec<T>, String> {
    let all: Result<Vec<T>, _> = items.and_then(Iterator::collect);
    let all = all.map_err(|error| format!("`{}`: {error}", file.display()))?;
    if all.is_empty() { Err(format!("`{}` holds none", file.display())) } else { Ok(all) }
}

impl ClientCertVerifier for AskingVerifier {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
