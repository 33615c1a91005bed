//! Certificates and keys from their files, all checked before any of them is shown to a client.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use process::settings::Mistakes;
use rustls::SignatureScheme;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use crate::settings::{CertificateConfig, Config, TlsSetting};
use crate::tls::client_certificate;

/// What is shown for some names.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// A chain, its own certificate first, and the key that belongs to it.
    pair: Arc<CertifiedKey>,
    /// Another one, with a key of another kind.
    also: Option<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pair, &other.pair)
    }

    /// The certificate itself.
    pub(crate) fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.pair.cert.first()
    }

    /// The pair that a client can use, by the kinds of signatures that it verifies: the first, if it can.
    pub(crate) fn pair_for(self, schemes: &[SignatureScheme]) -> Arc<CertifiedKey> {
        let fits = |pair: &CertifiedKey| pair.key.choose_scheme(schemes).is_some();
        match self.also {
            Some(also) if !fits(&self.pair) && fits(&also) => also,
            _ => self.pair,
        }
    }

    /// A key and its chain in one text. It may have expired: better than none, where nobody can replace it.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(text).map_err(|error| plain(&error, "private key"))?;
        let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| plain(&error, "certificate"))?;
        if chain.is_empty() {
            return Err("it contains no certificate".into());
        }
        let key = rustls::crypto::ring::default_provider().key_provider.load_private_key(key);
        let pair = CertifiedKey::new(chain, key.map_err(|error| error.to_string())?);
        match pair.keys_match() {
            // What answers a challenge has an extension that the library does not know.
            Ok(()) | Err(rustls::Error::InvalidCertificate(_)) => {
                Ok(Self { pair: Arc::new(pair), also: None })
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// All certificates of the settings, each pair of files read once.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    read: Vec<(CertificateConfig, Option<Certificate>)>,
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
        if let Some((_, known)) = self.read.iter().find(|(known, _)| known == files) {
            return known.clone();
        }
        let certificate = match read(files) {
            Ok(certificate) => Some(certificate),
            Err((key, text)) => {
                mistakes.push(format!("{path}.{key}"), text);
                None
            }
        };
        self.read.push((files.clone(), certificate.clone()));
        certificate
    }

    pub(crate) fn of_listener(&self, address: &str) -> Option<Certificate> {
        let mut listeners = self.of_listeners.iter();
        listeners.find(|(of, _)| **of == *address).map(|(_, certificate)| certificate.clone())
    }
}

/// What the files hold, or the settings key that is wrong, with the reason.
fn read(files: &CertificateConfig) -> Result<Certificate, (&'static str, String)> {
    let pair = read_pair(&files.certificate, &files.key).map_err(|fault| fault.at("certificate", "key"))?;
    let Some(also) = &files.also else { return Ok(Certificate { pair, also: None }) };
    let second =
        read_pair(&also.certificate, &also.key).map_err(|fault| fault.at("also.certificate", "also.key"))?;
    let is_same = second.key.algorithm() == pair.key.algorithm();
    if is_same && also.replaces {
        return Ok(Certificate { pair: second, also: None });
    }
    if is_same {
        let kind = pair.key.algorithm();
        let text = format!("both keys are {kind:?}: clients that cannot use one cannot use the other");
        return Err(("also.key", text));
    }
    Ok(Certificate { pair, also: Some(second) })
}

/// Which of two files is wrong, and why.
enum PairFault {
    Certificate(String),
    Key(String),
}

impl PairFault {
    /// Under the settings keys of the two files.
    fn at(self, certificate: &'static str, key: &'static str) -> (&'static str, String) {
        match self {
            Self::Certificate(text) => (certificate, text),
            Self::Key(text) => (key, text),
        }
    }
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, PairFault> {
    let at_certificate =
        |text: String| PairFault::Certificate(format!("`{}`: {text}", certificate.display()));
    let chain = read_chain(certificate).map_err(at_certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| PairFault::Key(format!("`{}`: {}", key.display(), plain(&error, "private key"))))?;
    let leaf = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
    check_time(&leaf).map_err(at_certificate)?;
    let provider = rustls::crypto::ring::default_provider();
    let pair = if is_of_version_1(&leaf) {
        // Nobody can say whether the key is this certificate's, as it cannot be read: clients will.
        let key = provider.key_provider.load_private_key(private);
        key.map(|key| CertifiedKey::new(chain, key))
    } else {
        CertifiedKey::from_der(chain, private, &provider)
    };
    pair.map(Arc::new).map_err(|error| {
        PairFault::Key(match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("`{}` is not the key of `{}`", key.display(), certificate.display())
            }
            error => format!("`{}` cannot be used: {error}", key.display()),
        })
    })
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err("the file contains no certificate".into()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(plain(&error, "certificate")),
    }
}

/// A certificate without extensions, as `openssl req -x509` may make one. Some clients take it.
fn is_of_version_1(leaf: &CertificateDer<'_>) -> bool {
    matches!(EndEntityCert::try_from(leaf), Err(webpki::Error::UnsupportedCertVersion))
}

/// Checks a certificate without its issuer: the only question is whether clients accept it today.
fn check_time(leaf: &CertificateDer<'_>) -> Result<(), String> {
    if is_of_version_1(leaf) {
        return Ok(());
    }
    let parsed =
        EndEntityCert::try_from(leaf).map_err(|error| format!("not a valid certificate: {error}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(now);
    let judged = parsed.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        &[],
        now,
        KeyUsage::server_auth(),
        None,
        None,
    );
    match judged.map(|_| ()) {
        Err(webpki::Error::CertExpired { .. }) => Err("the certificate has expired; renew it".into()),
        Err(webpki::Error::CertNotValidYet { .. }) => {
            Err("the certificate is not valid yet; check the clock".into())
        }
        _ => Ok(()),
    }
}

fn plain(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("the file contains no {wanted}"),
        error => format!("the file is not PEM: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    use super::*;
    use crate::settings::KeyPairConfig;

    /// A certificate without extensions, as rcgen makes none.
    const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBJDCBywIUL6wEZMBoAnIaYALWD6YdcA+OKE0wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTEzNTg1N1oYDzIxMjYxMTA1MTM1ODU3
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARJ8vCVTgFYHE5/7EkvEKsSiox8m5xq7ANYTIEVBlglgr7E9q8Fq4j3Zqlzagrn
7JrF2IciL+e+HuX+plyR9MhqMAoGCCqGSM49BAMCA0gAMEUCIBcq2DteXGCWqZYI
evp3yqTq3GaIyLFi6CdeHUqBvVtzAiEAhJFAQdhqRhI1dXoftI7A/sx73gJAWG1N
7+o3oAL2h74=
-----END CERTIFICATE-----
";

    /// A self-signed certificate for these years, and its key.
    fn pair(from: i32, to: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn says_what_is_wrong_with_the_files() {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let file = directory.path().join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let (good, key) = pair(2020, 2200);
        let (_, other_key) = pair(2020, 2200);
        let (old, old_key) = pair(2000, 2001);
        let (future, future_key) = pair(2199, 2200);
        let cases = [
            (good.as_str(), key.as_str(), None),
            (&good, &other_key, Some(("key", "is not the key of"))),
            (&old, &old_key, Some(("certificate", "the certificate has expired"))),
            (VERSION_1, &key, None),
            (&future, &future_key, Some(("certificate", "the certificate is not valid yet"))),
            ("", &key, Some(("certificate", "the file contains no certificate"))),
            (&key, &key, Some(("certificate", "the file contains no certificate"))),
            (&good, &good, Some(("key", "the file contains no private key"))),
            (&good[..good.len() / 2], &key, Some(("certificate", "the file is not PEM"))),
        ];
        for (index, (certificate, key, wrong)) in cases.into_iter().enumerate() {
            let files = CertificateConfig {
                certificate: write(&format!("{index}.pem"), certificate),
                key: write(&format!("{index}.key"), key),
                also: None,
                client: None,
            };
            let said = read(&files).err();
            match (said, wrong) {
                (None, None) => {}
                (Some((at, text)), Some((setting, phrase))) => {
                    assert_eq!(at, setting, "{index}: {text}");
                    assert!(text.contains(phrase), "{index}: {text}");
                }
                (said, wrong) => panic!("{index}: {said:?} instead of {wrong:?}"),
            }
        }
        let missing = CertificateConfig {
            certificate: "/nowhere.pem".into(),
            key: "/nowhere.key".into(),
            also: None,
            client: None,
        };
        assert!(read(&missing).unwrap_err().1.contains("No such file"));
    }

    #[test]
    fn a_second_pair_has_a_key_of_another_kind() {
        let directory = TempDir::new().unwrap();
        let written = |name: &str, key: &KeyPair| {
            let made = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(key).unwrap();
            let file = |ending: &str| directory.path().join(format!("{name}.{ending}"));
            fs::write(file("pem"), made.pem()).unwrap();
            fs::write(file("key"), key.serialize_pem()).unwrap();
            KeyPairConfig { certificate: file("pem"), key: file("key"), replaces: false }
        };
        let first = written("first", &KeyPair::generate().unwrap());
        let same = written("same", &KeyPair::generate().unwrap());
        let other = written("other", &KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
        let with = |also: KeyPairConfig| {
            let KeyPairConfig { certificate, key, .. } = first.clone();
            read(&CertificateConfig { certificate, key, also: Some(also), client: None })
        };
        assert_eq!(with(same.clone()).unwrap_err().0, "also.key");
        let shown = with(KeyPairConfig { replaces: true, ..same.clone() }).unwrap();
        let expected = read_pair(&same.certificate, &same.key).unwrap_or_else(|_| panic!("it can be read"));
        assert_eq!(shown.leaf(), expected.cert.first());
        let wrong = KeyPairConfig { key: first.key.clone(), ..other.clone() };
        assert_eq!(with(wrong).unwrap_err().0, "also.key");
        let none = KeyPairConfig { certificate: first.key.clone(), ..other.clone() };
        assert_eq!(with(none).unwrap_err().0, "also.certificate");

        use rustls::SignatureAlgorithm::{ECDSA, ED25519};
        use rustls::SignatureScheme as Scheme;
        let certificate = with(other).unwrap();
        for (schemes, expected) in [
            (&[Scheme::ECDSA_NISTP256_SHA256][..], ECDSA),
            (&[Scheme::ED25519], ED25519),
            (&[Scheme::ED25519, Scheme::ECDSA_NISTP256_SHA256], ECDSA),
            (&[Scheme::RSA_PSS_SHA256], ECDSA),
        ] {
            let shown = certificate.clone().pair_for(schemes);
            assert_eq!(shown.key.algorithm(), expected, "{schemes:?}");
        }
    }
}
