//! Asks clients for certificates, and builds the check of those that they show.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::connection::client_check::ClientCheck;
use crate::settings::{ClientCertificateConfig, ClientVerify};

/// Asks for certificates, and lets every handshake end: what is wrong with one is found after it.
#[derive(Debug)]
struct AskingVerifier {
    /// The names of CAs that clients are told.
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What handshakes ask for.
pub(crate) fn asking(check: &ClientCheck) -> Arc<dyn ClientCertVerifier> {
    let hints = check.verifier.as_ref().map(|verifier| verifier.root_hint_subjects().to_vec());
    let algorithms = crypto::ring::default_provider().signature_verification_algorithms;
    let hints = hints.filter(|_| check.names_ca).unwrap_or_default();
    Arc::new(AskingVerifier { hints, algorithms })
}

/// The check of these settings, or the key that is wrong, with the reason.
pub(crate) fn check(config: &ClientCertificateConfig) -> Result<ClientCheck, (&'static str, String)> {
    let any_ca = config.verify == ClientVerify::OptionalNoCa;
    let mut check = ClientCheck {
        verifier: None,
        trusted: Vec::new(),
        names_ca: config.names_ca,
        depth: config.depth,
        required: config.verify == ClientVerify::Required,
        any_ca,
    };
    let Some(ca) = &config.ca else {
        return if any_ca { Ok(check) } else { Err(("ca", "name the file of the CA".to_owned())) };
    };
    let mut roots = RootCertStore::empty();
    check.trusted = read(ca, CertificateDer::pem_file_iter(ca)).map_err(|text| ("ca", text))?;
    for authority in &check.trusted {
        let added = roots.add(authority.clone());
        added.map_err(|error| ("ca", format!("`{}`: {error}", ca.display())))?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(file) = &config.crl {
        let lists: Vec<CertificateRevocationListDer<'static>> =
            read(file, CertificateRevocationListDer::pem_file_iter(file)).map_err(|text| ("crl", text))?;
        builder = builder.with_crls(lists);
    }
    let key = if config.crl.is_some() { "crl" } else { "ca" };
    check.verifier = Some(builder.build().map_err(|error| (key, error.to_string()))?);
    Ok(check)
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
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
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
        crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms);
        let Err(error) = verified else { return verified };
        // The library does not read certificates without extensions, whose key is like any other.
        let Some(key) = key_of_version_1(certificate) else { return Err(error) };
        crypto::verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn key_of_version_1(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    (parsed.version() == X509Version::V1)
        .then(|| SubjectPublicKeyInfoDer::from(parsed.public_key().raw.to_vec()))
}
