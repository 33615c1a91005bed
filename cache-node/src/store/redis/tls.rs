//! TLS to Redis: the certificates that the settings name, read and held against each other.

use std::path::Path;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::{RedisConfig, WrongSetting};

/// What the URLs' TLS goes by; `None` if they have none.
pub(crate) fn certificates(config: &RedisConfig) -> Result<Option<TlsCertificates>, WrongSetting> {
    if !config.url.0.iter().any(|url| url.starts_with("rediss:") || url.starts_with("valkeys:")) {
        return Ok(None);
    }
    // The redis crate leaves the choice to the process. An error: the choice is made already.
    let _ = ring::default_provider().install_default();
    let root_cert = config.ca.as_deref().map(|file| read("ca", file)).transpose()?;
    if let Some(authorities) = &root_cert {
        chain("ca", authorities)?;
    }
    let client_tls = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some(client(certificate, key)?),
        _ => None,
    };
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

fn client(certificate: &Path, key: &Path) -> Result<ClientTlsConfig, WrongSetting> {
    let (client_cert, client_key) = (read("certificate", certificate)?, read("key", key)?);
    let chain = chain("certificate", &client_cert)?;
    let parsed = PrivateKeyDer::from_pem_slice(&client_key)
        .map_err(|error| wrong("key", format!("holds no private key in PEM: {error}")))?;
    CertifiedKey::from_der(chain, parsed, &ring::default_provider())
        .map_err(|error| wrong("key", format!("is not the key of `certificate`: {error}")))?;
    Ok(ClientTlsConfig { client_cert, client_key })
}

fn chain(setting: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, WrongSetting> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if chain.is_empty() => Err(wrong(setting, "holds no certificate in PEM".to_owned())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(wrong(setting, format!("is no PEM: {error}"))),
    }
}

fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, WrongSetting> {
    std::fs::read(file).map_err(|error| wrong(setting, format!("cannot read {}: {error}", file.display())))
}

fn wrong(setting: &'static str, text: String) -> WrongSetting {
    WrongSetting { setting, text }
}
