//! The certificates that clients show, judged after the handshake: that one is wrong or missing is told to
//! the client in an answer, as nginx does, and not by a handshake that fails without a word.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// What a listener asks of its clients' certificates.
#[derive(Clone, Debug)]
pub(crate) struct ClientCheck {
    /// `None`: no CA is known.
    pub(crate) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The certificates that are trusted: a client may show one of them as its own.
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    /// Clients are told the names of CAs.
    pub(crate) names_ca: bool,
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
    /// It speaks plain HTTP where TLS is spoken.
    PlainHttp,
}

impl ClientRefusal {
    /// nginx's code, by which `error_page` names it. The client sees 400.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::WrongCertificate => 495,
            Self::NoCertificate => 496,
            Self::PlainHttp => 497,
        }
    }
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
            self.fault(own, between)
        };
        let is_refused = fault.is_some_and(|fault| !self.any_ca || !UNKNOWN_CA.contains(&fault));
        ClientVerdict { fault, refusal: is_refused.then_some(ClientRefusal::WrongCertificate) }
    }
}

impl ClientCheck {
    fn fault(&self, own: &CertificateDer<'_>, between: &[CertificateDer<'_>]) -> Option<&'static str> {
        if self.trusted.iter().any(|trusted| trusted.as_ref() == own.as_ref()) {
            return period_fault(own);
        }
        let Some(verifier) = &self.verifier else {
            return Some(UNKNOWN_CA[usize::from(!is_self_signed(own))]);
        };
        let verified = verifier.verify_client_cert(own, between, UnixTime::now());
        verified.err().map(|error| words(&error, own))
    }
}

/// Whether a certificate that is trusted itself is not valid now.
fn period_fault(own: &CertificateDer<'_>) -> Option<&'static str> {
    let Ok((_, parsed)) = X509Certificate::from_der(own) else { return Some("certificate rejected") };
    let now = ASN1Time::now();
    if parsed.validity().not_after < now {
        Some("certificate has expired")
    } else if parsed.validity().not_before > now {
        Some("certificate is not yet valid")
    } else {
        None
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
        // It has no extensions: who has signed it is not looked at.
        _ if is_self_signed(own) => UNKNOWN_CA[0],
        _ => "certificate rejected",
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer())
}
