//! Certificates and keys.
//!
//! A reload reads and checks all of them before it shows any to a client; `listen/tls.rs` chooses one in a
//! handshake.

pub(crate) mod certificate;
pub(crate) mod certificates;
pub(crate) mod client_certificate;
pub(crate) mod expiry;

/// TLS cannot be offered at all: the system gives no random bytes, or the library refuses its own
/// configuration.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub struct TlsUnavailable(#[from] rustls::Error);
