//! When the certificates of the settings end, for those who look after them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::settings::{CertificateConfig, Config};

/// A certificate of the settings.
#[derive(Clone, Debug)]
pub struct CertificateEnd {
    /// The path of its setting.
    pub setting: String,
    pub file: PathBuf,
    pub ends: SystemTime,
}

/// Those of listeners and sites. One that cannot be read is a mistake in the settings, and is left out.
pub fn certificate_ends(config: &Config) -> Vec<CertificateEnd> {
    let of_listener = config.listen.iter().enumerate().filter_map(|(index, listen)| {
        Some((format!("edge.listen[{index}].tls"), listen.tls.as_ref()?.files()?))
    });
    let of_site =
        config.site.iter().enumerate().filter_map(|(index, site)| {
            Some((format!("edge.site[{index}].tls"), site.tls.as_ref()?.files()?))
        });
    let both = |(path, files): (String, &CertificateConfig)| {
        let first = Some((format!("{path}.certificate"), files.certificate.clone()));
        let also =
            files.also.as_ref().map(|also| (format!("{path}.also.certificate"), also.certificate.clone()));
        first.into_iter().chain(also)
    };
    let ends = |(setting, file): (String, PathBuf)| {
        let ends = end(&file)?;
        Some(CertificateEnd { setting, file, ends })
    };
    of_listener.chain(of_site).flat_map(both).filter_map(ends).collect()
}

fn end(file: &Path) -> Option<SystemTime> {
    let leaf = CertificateDer::pem_file_iter(file).ok()?.next()?.ok()?;
    let (_, parsed) = X509Certificate::from_der(&leaf).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}
