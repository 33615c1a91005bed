//! Certificates and keys.

pub(crate) mod certificate;
