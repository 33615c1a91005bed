//! `client` of a listener's `tls`: the certificates that clients show.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateConfig {
    /// Whether clients need one.
    #[serde(default)]
    pub verify: ClientVerify,
    /// PEM file: who must have signed them, or which they are. May be left out for "optional_no_ca".
    pub ca: Option<PathBuf>,
    /// Clients are told the names of these in the handshake.
    #[serde(default = "yes")]
    pub names_ca: bool,
    /// How many certificates may stand between a client's and the CA's.
    #[serde(default = "one")]
    pub depth: usize,
    /// PEM file: lists of those that are revoked.
    pub crl: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientVerify {
    #[default]
    Required,
    /// A client may show none.
    Optional,
    /// Likewise, and it may be of a CA that is not known: `$ssl_client_verify` tells.
    #[serde(rename = "optional_no_ca")]
    OptionalNoCa,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}
