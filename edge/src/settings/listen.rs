//! One entry of `listen`: an address, and what is spoken there.

use std::path::PathBuf;

use process::settings::text_or_table;
use serde::Deserialize;

use crate::settings::client_certificate::ClientCertificateConfig;
use crate::settings::listener_bounds::ListenerBoundsConfig;

/// One address to listen on: "0.0.0.0:8080", "unix:/run/weir.sock", or { address = "0.0.0.0:8443", tls =
/// { certificate = "…", key = "…" } }.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: String,
    /// Offers TLS here. The certificate is for names that no site has a certificate for.
    pub tls: Option<TlsSetting>,
    /// Whether HTTP/2 is offered beside HTTP/1; left out: only over TLS. Without TLS, clients must know it
    /// beforehand (h2c).
    pub http2: Option<bool>,
    /// Connections begin with a header of the PROXY protocol, version 1 or 2, from one of `trusted_proxies`.
    pub proxy_protocol: bool,
    /// What connections here are bound by in place of the edge's timeouts and limits.
    pub bounds: Option<Box<ListenerBoundsConfig>>,
}

/// `tls` of a listener or of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSetting {
    /// "auto": certificates come from an authority by themselves.
    Auto,
    /// "reject": handshakes that ask for this site, or for none where it is the default, fail. Sites only.
    Reject,
    Files(CertificateConfig),
}

impl TlsSetting {
    pub(crate) fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }

    pub(crate) fn files(&self) -> Option<&CertificateConfig> {
        match self {
            Self::Auto | Self::Reject => None,
            Self::Files(files) => Some(files),
        }
    }
}

impl<'de> Deserialize<'de> for TlsSetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        enum Word {
            #[serde(rename = "auto")]
            Auto,
            #[serde(rename = "reject")]
            Reject,
        }
        let expecting = "\"auto\", \"reject\", or { certificate = \"…\", key = \"…\" }";
        let of_word = |word| match word {
            Word::Auto => Self::Auto,
            Word::Reject => Self::Reject,
        };
        text_or_table(deserializer, expecting, of_word, Self::Files)
    }
}

/// `tls = { certificate = "…", key = "…" }`: two PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The certificate, followed by those that lead to its issuer.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// A second pair with a key of another kind, for clients that cannot use the first: RSA beside ECDSA.
    pub also: Option<KeyPairConfig>,
    /// The certificates that clients show; only for listeners.
    pub client: Option<ClientCertificateConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPairConfig {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Where its key is of the same kind as the first, it counts instead, as the later one does in nginx.
    #[serde(default)]
    pub replaces: bool,
}

impl Listen {
    pub fn plain(address: impl Into<String>) -> Self {
        Self { address: address.into(), tls: None, http2: None, proxy_protocol: false, bounds: None }
    }

    /// Whether certificates for the names of sites here come by themselves.
    pub(crate) fn is_auto(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsSetting::is_auto)
    }

    pub(crate) fn speaks_http2(&self) -> bool {
        self.http2.unwrap_or_else(|| self.tls.is_some())
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            address: String,
            tls: Option<TlsSetting>,
            http2: Option<bool>,
            #[serde(default)]
            proxy_protocol: bool,
            bounds: Option<Box<ListenerBoundsConfig>>,
        }
        let expecting = "an address such as \"0.0.0.0:8080\", or a table with `address`";
        let table = |Table { address, tls, http2, proxy_protocol, bounds }| Self {
            address,
            tls,
            http2,
            proxy_protocol,
            bounds,
        };
        text_or_table(deserializer, expecting, |address: String| Self::plain(address), table)
    }
}
