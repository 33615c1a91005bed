//! `[edge.acme]`: from which authority certificates come by themselves, and how it is shown whose names these
//! are.

use std::path::PathBuf;

use process::settings::OneOrMany;
use process::units::Time;
use serde::Deserialize;

/// Let's Encrypt.
const USUAL_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// In the StateDirectory= of weir.service.
const USUAL_STATE: &str = "/var/lib/weir/acme";

/// How an authority checks who a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ChallengeKind {
    /// A file on port 80.
    #[serde(rename = "http-01")]
    Http,
    /// A certificate on port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    /// A TXT record of the name.
    #[serde(rename = "dns-01")]
    Dns,
}

impl ChallengeKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
            Self::Dns => "dns-01",
        }
    }
}

/// `[edge.acme]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeConfig {
    /// The URL that the authority is known by.
    pub directory: String,
    /// Where it may write to when something is wrong with a certificate.
    pub email: Option<String>,
    /// PEM file: who must have signed the authority's own certificate. Left out: those whom the system
    /// trusts.
    pub ca: Option<PathBuf>,
    /// Directory for the account, keys and certificates. Edges on one machine that serve a name share it.
    pub state: PathBuf,
    /// File with a key: edges that serve a name share what is in `state` through the cache-nodes, sealed by
    /// it.
    pub share_key_file: Option<PathBuf>,
    /// The URL of the owner's program, which says whether a name that no site lists may have a certificate.
    pub ask: Option<String>,
    /// In this order, one at each attempt. Empty: those that the listeners allow.
    pub challenges: Vec<ChallengeKind>,
    /// The port of the listener that gets what comes to port 80 of the names.
    pub http_port: u16,
    /// The port of the listener that gets what comes to port 443 of the names.
    pub tls_port: u16,
    /// Program, and arguments before its own, that adds and removes a TXT record.
    pub dns_command: OneOrMany,
    /// How long after `dns_command` the authority is told to look.
    pub dns_wait: Time,
    /// A kind of certificate that the authority has a name for.
    pub profile: Option<String>,
    /// The account with the authority that this one belongs to.
    pub external_account: Option<ExternalAccountConfig>,
}

/// `external_account`: what the authority has given to a customer of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccountConfig {
    pub id: String,
    /// File: the key as the authority writes it, in base64url.
    pub key_file: PathBuf,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self {
            directory: USUAL_DIRECTORY.into(),
            email: None,
            ca: None,
            state: USUAL_STATE.into(),
            share_key_file: None,
            ask: None,
            challenges: Vec::new(),
            http_port: 80,
            tls_port: 443,
            dns_command: OneOrMany::default(),
            dns_wait: Time::from_secs(0),
            profile: None,
            external_account: None,
        }
    }
}

impl AcmeConfig {
    pub(crate) fn is_public(&self) -> bool {
        self.directory == USUAL_DIRECTORY
    }
}
