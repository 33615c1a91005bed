//! All certificates of the settings, each read before any of them is shown to a client, and again when its
//! files change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use parking_lot::Mutex;
use process::settings::Mistakes;

use crate::settings::{CertificateConfig, Config, TlsSetting};
use crate::tls::certificate::{Certificate, read};
use crate::tls::client_certificate;

/// All certificates of the settings, each pair of files read once.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    read: Vec<CertificateFiles>,
    of_listeners: Vec<(Box<str>, Certificate)>,
}

impl Certificates {
    /// Reads the certificates of the listeners.
    pub(crate) fn of_listeners(config: &Config, mistakes: &mut Mistakes) -> Self {
        let mut certificates = Self::default();
        for (index, listen) in config.listen.iter().enumerate() {
            let Some(files) = listen.tls.as_ref().and_then(TlsSetting::files) else { continue };
            let path = format!("edge.listen[{index}].tls");
            if let Some(Err((key, text))) = files.client.as_ref().map(client_certificate::check) {
                mistakes.push(format!("{path}.client.{key}"), text);
            }
            if let Some(certificate) = certificates.read(&path, files, mistakes) {
                certificates.of_listeners.push((listen.address.as_str().into(), certificate));
            }
        }
        certificates
    }

    /// Reports what is wrong with the files under `path`, once for each pair.
    pub(crate) fn read(
        &mut self,
        path: &str,
        files: &CertificateConfig,
        mistakes: &mut Mistakes,
    ) -> Option<Certificate> {
        if let Some(known) = self.read.iter().find(|known| known.files == *files) {
            return known.certificate.clone();
        }
        let seen = FileStamps::of(files);
        let certificate = match read(files) {
            Ok(certificate) => Some(certificate),
            Err((key, text)) => {
                mistakes.push(format!("{path}.{key}"), text);
                None
            }
        };
        let (files, seen) = (files.clone(), Mutex::new(seen));
        self.read.push(CertificateFiles { files, certificate: certificate.clone(), seen });
        certificate
    }

    /// Shows what files hold that have changed, from the next handshake on. What cannot be used is logged,
    /// and what was there before stays.
    pub(crate) fn renew(&self) {
        self.read.iter().for_each(CertificateFiles::renew);
    }

    /// Says which of them clients do not accept today. They are shown all the same: a server that does not
    /// start for one of them would harm the sites of all others.
    pub(crate) fn warn(&self) {
        for known in &self.read {
            if let Some(wrong) = known.certificate.as_ref().and_then(Certificate::untimely) {
                tracing::warn!("certificate `{}`: {wrong}", known.files.certificate.display());
            }
        }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.read.is_empty()
    }

    pub(crate) fn of_listener(&self, address: &str) -> Option<Certificate> {
        let mut listeners = self.of_listeners.iter();
        listeners.find(|(of, _)| **of == *address).map(|(_, certificate)| certificate.clone())
    }
}

/// A certificate and the files that it is read from.
#[derive(Debug)]
struct CertificateFiles {
    files: CertificateConfig,
    /// `None`: there was a mistake.
    certificate: Option<Certificate>,
    /// The files as they were when they were read last.
    seen: Mutex<FileStamps>,
}

impl CertificateFiles {
    fn renew(&self) {
        let Some(shown) = &self.certificate else { return };
        let now = FileStamps::of(&self.files);
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        let file = self.files.certificate.display();
        match read(&self.files) {
            Ok(new) => {
                shown.show(&new);
                tracing::info!("certificate `{file}`: its files have changed, and are in force");
                if let Some(wrong) = new.untimely() {
                    tracing::warn!("certificate `{file}`: {wrong}");
                }
            }
            Err((_, text)) => {
                tracing::warn!("certificate `{file}`: its files have changed, the one before stays: {text}");
            }
        }
    }
}

/// Which contents of files were read: device, inode, length and times of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct FileStamps(Vec<Option<[i64; 6]>>);

impl FileStamps {
    fn of(files: &CertificateConfig) -> Self {
        let also = files.also.iter().flat_map(|also| [&also.certificate, &also.key]);
        Self([&files.certificate, &files.key].into_iter().chain(also).map(|file| Self::stamp(file)).collect())
    }

    fn stamp(file: &Path) -> Option<[i64; 6]> {
        let found = fs::metadata(file).ok()?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let [device, inode, length] = [found.dev(), found.ino(), found.len()].map(number);
        Some([device, inode, length, found.mtime(), found.mtime_nsec(), found.ctime()])
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use tempfile::TempDir;

    use super::*;

    /// A self-signed certificate for these years, and its key.
    fn pair(from: i32, to: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn what_its_files_hold_is_shown_as_soon_as_they_fit_together() {
        let directory = TempDir::new().unwrap();
        let [certificate, key] = ["a.pem", "a.key"].map(|name| directory.path().join(name));
        let put = |file: &PathBuf, text: &str| {
            let new = directory.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, file).unwrap();
        };
        let [first, second] = [pair(2020, 2200), pair(2020, 2200)];
        put(&certificate, &first.0);
        put(&key, &first.1);
        let (mut all, mut mistakes) = (Certificates::default(), Mistakes::default());
        let files = CertificateConfig {
            certificate: certificate.clone(),
            key: key.clone(),
            also: None,
            client: None,
        };
        let shown = all.read("edge.listen[0].tls", &files, &mut mistakes).unwrap();
        let leaf_of =
            |pair: &(String, String)| Some(CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap());
        assert_eq!(shown.leaf(), leaf_of(&first));
        for (change, text, expected) in [
            (None, "", &first),
            (Some(&certificate), second.0.as_str(), &first),
            (Some(&key), &second.1, &second),
            (Some(&key), "", &second),
            (Some(&key), &second.1, &second),
            (Some(&certificate), "half", &second),
            (Some(&certificate), &first.0, &second),
            (Some(&key), &first.1, &first),
        ] {
            if let Some(file) = change {
                put(file, text);
            }
            all.renew();
            assert_eq!(shown.leaf(), leaf_of(expected), "{change:?}");
        }
        fs::remove_file(&key).unwrap();
        all.renew();
        assert_eq!(shown.leaf(), leaf_of(&first), "a file that is gone");
    }
}
