//! A certificate and its key, from files or a text, checked before a client is shown them.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use crate::settings::CertificateConfig;

/// What is shown for some names. All clones are the same, also once its files have changed.
#[derive(Clone, Debug)]
pub(crate) struct Certificate(Arc<ArcSwap<ShownPairs>>);

#[derive(Clone, Debug)]
struct ShownPairs {
    /// A chain, its own certificate first, and the key that belongs to it.
    first: Arc<CertifiedKey>,
    /// Another one, with a key of another kind.
    also: Option<Arc<CertifiedKey>>,
}

impl Certificate {
    fn of(first: Arc<CertifiedKey>, also: Option<Arc<CertifiedKey>>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(ShownPairs { first, also })))
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The certificate itself.
    pub(crate) fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.0.load().first.cert.first().cloned()
    }

    /// The pair that a client can use, by the kinds of signatures that it verifies: the first, if it can.
    pub(crate) fn pair_for(&self, schemes: &[SignatureScheme]) -> Arc<CertifiedKey> {
        let fits = |pair: &CertifiedKey| pair.key.choose_scheme(schemes).is_some();
        let shown = self.0.load();
        match &shown.also {
            Some(also) if !fits(&shown.first) && fits(also) => also.clone(),
            _ => shown.first.clone(),
        }
    }

    /// Shows what the other one shows, from the next handshake on.
    pub(super) fn show(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// What is wrong with the time of a certificate: clients do not accept it today.
    pub(super) fn untimely(&self) -> Option<&'static str> {
        let shown = self.0.load();
        let pairs = [Some(&shown.first), shown.also.as_ref()].into_iter().flatten();
        pairs.filter_map(|pair| check_time(pair.cert.first()?)).next()
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
            Ok(()) | Err(rustls::Error::InvalidCertificate(_)) => Ok(Self::of(Arc::new(pair), None)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What the files hold, or the settings key that is wrong, with the reason.
pub(super) fn read(files: &CertificateConfig) -> Result<Certificate, (&'static str, String)> {
    let pair = read_pair(&files.certificate, &files.key).map_err(|fault| fault.at("certificate", "key"))?;
    let Some(also) = &files.also else { return Ok(Certificate::of(pair, None)) };
    let second =
        read_pair(&also.certificate, &also.key).map_err(|fault| fault.at("also.certificate", "also.key"))?;
    let is_same = second.key.algorithm() == pair.key.algorithm();
    if is_same && also.replaces {
        return Ok(Certificate::of(second, None));
    }
    if is_same {
        let kind = pair.key.algorithm();
        let text = format!("both keys are {kind:?}: clients that cannot use one cannot use the other");
        return Err(("also.key", text));
    }
    Ok(Certificate::of(pair, Some(second)))
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
    check_form(&leaf).map_err(at_certificate)?;
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

fn check_form(leaf: &CertificateDer<'_>) -> Result<(), String> {
    match EndEntityCert::try_from(leaf) {
        Ok(_) | Err(webpki::Error::UnsupportedCertVersion) => Ok(()),
        Err(error) => Err(format!("not a valid certificate: {error}")),
    }
}

/// Why clients do not accept a certificate today. Its issuer is not looked at.
fn check_time(leaf: &CertificateDer<'_>) -> Option<&'static str> {
    let parsed = EndEntityCert::try_from(leaf).ok()?;
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
        Err(webpki::Error::CertExpired { .. }) => Some("it has expired; renew it"),
        Err(webpki::Error::CertNotValidYet { .. }) => Some("it is not valid yet; check the clock"),
        _ => None,
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
            (&old, &old_key, None),
            (VERSION_1, &key, None),
            (&future, &future_key, None),
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
    fn clients_do_not_accept_it_before_and_after_its_time() {
        for (from, to, wrong) in [
            (2020, 2200, None),
            (2000, 2001, Some("it has expired; renew it")),
            (2199, 2200, Some("it is not valid yet; check the clock")),
        ] {
            let (certificate, key) = pair(from, to);
            let certificate = Certificate::from_pem((certificate + &key).as_bytes()).unwrap();
            assert_eq!(certificate.untimely(), wrong, "{from} to {to}");
        }
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
        assert_eq!(shown.leaf().as_ref(), expected.cert.first());
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
            let shown = certificate.pair_for(schemes);
            assert_eq!(shown.key.algorithm(), expected, "{schemes:?}");
        }
    }
}
