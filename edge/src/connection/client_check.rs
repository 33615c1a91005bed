//! The certificates that clients show, judged after the handshake: that one is wrong or missing is told to
//! the client in an answer, as nginx does, and not by a handshake that fails without a word.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use webpki::EndEntityCert;

/// What a listener asks of its clients' certificates.
#[derive(Clone, Debug)]
pub(crate) struct ClientCheck {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// How many certificates may stand between a client's and the CA's.
    pub(crate) depth: usize,
    /// Clients need one.
    pub(crate) required: bool,
    /// It may be of a CA that is not known.
    pub(crate) any_ca: bool,
}

/// Why no request on a connection is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientRefusal {
    WrongCertificate,
    NoCertificate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientVerdict {
    /// In OpenSSL's words.
    pub(crate) fault: Option<&'static str>,
    pub(crate) refusal: Option<ClientRefusal>,
}

/// What is said where the CA is not known.
const UNKNOWN_CA: [&str; 2] = ["self-signed certificate", "unable to verify the first certificate"];

impl ClientCheck {
    pub(crate) fn judge(&self, chain: Option<&[CertificateDer<'_>]>) -> ClientVerdict {
        let Some((own, between)) = chain.and_then(<[_]>::split_first) else {
            return ClientVerdict {
                fault: None,
                refusal: self.required.then_some(ClientRefusal::NoCertificate),
            };
        };
        let fault = if between.len() > self.depth {
            Some("certificate chain too long")
        } else {
            let verified = self.verifier.verify_client_cert(own, between, UnixTime::now());
            verified.err().map(|error| words(&error, own))
        };
        let is_refused = fault.is_some_and(|fault| !self.any_ca || !UNKNOWN_CA.contains(&fault));
        ClientVerdict { fault, refusal: is_refused.then_some(ClientRefusal::WrongCertificate) }
    }
}

fn words(error: &Error, own: &CertificateDer<'_>) -> &'static str {
    let Error::InvalidCertificate(error) = error else { return "certificate rejected" };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid"
        }
        CertificateError::Revoked => "certificate revoked",
        CertificateError::UnknownRevocationStatus => "unable to get certificate CRL",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "CRL has expired"
        }
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsuitable certificate purpose"
        }
        CertificateError::UnknownIssuer if is_self_signed(own) => UNKNOWN_CA[0],
        CertificateError::UnknownIssuer => UNKNOWN_CA[1],
        _ => "certificate rejected",
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.subject() == parsed.issuer())
}
