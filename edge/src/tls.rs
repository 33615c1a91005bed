//! Certificates and keys.

pub(crate) mod certificate;

/// TLS cannot be offered at all: the system gives no random bytes, or the library refuses its own settings.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub struct Unavailable(#[from] rustls::Error);
