//! Certificates of the server, of a CA, and of clients that the CA knows or does not know.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use weir_tests::Certificate;

use crate::asker::Protocol;

type Issuer = CertifiedIssuer<'static, KeyPair>;
/// What a client shows: certificate and chain.
type ShownChain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What clients show, by name; `none` shows nothing.
pub(crate) struct Identities {
    server: CertificateDer<'static>,
    shown: Vec<(String, ShownChain)>,
}

impl Identities {
    /// Writes server.pem, server.key and ca.pem, and makes what these clients show.
    pub(crate) fn write(directory: &Path, hosts: &[&str], names: &[&str]) -> Self {
        let server = Certificate::write_as(directory, "server", hosts);
        let server = CertificateDer::from_pem_file(&server.certificate).unwrap();
        let root = Issuer::self_signed(of_issuer("root"), key()).unwrap();
        let below = Issuer::signed_by(of_issuer("below"), key(), &root).unwrap();
        let strange = Issuer::self_signed(of_issuer("strange"), key()).unwrap();
        fs::write(directory.join("ca.pem"), root.pem()).unwrap();
        let known = names.iter().filter(|name| **name != "none");
        let shown = known.map(|name| ((*name).to_owned(), shown(name, [&root, &below, &strange])));
        Self { server, shown: shown.collect() }
    }

    /// A client that shows this.
    pub(crate) fn client(&self, name: &str, protocol: Protocol) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.server.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        let shown = self.shown.iter().find(|(known, _)| known == name);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((_, (chain, key))) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
        };
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        Arc::new(config)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Side, \"by\" side");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn of_issuer(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn shown(name: &str, [root, below, strange]: [&Issuer; 3]) -> ShownChain {
    let (key, mut params) = (key(), params(name));
    params.serial_number = Some(SerialNumber::from(5));
    if name == "expired" {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let chain = match name {
        "self" => vec![params.self_signed(&key).unwrap().der().clone()],
        "stranger" => vec![params.signed_by(&key, strange).unwrap().der().clone()],
        "deep" => vec![
            params.signed_by(&key, below).unwrap().der().clone(),
            CertificateDer::from_pem_slice(below.pem().as_bytes()).unwrap(),
        ],
        _ => vec![params.signed_by(&key, root).unwrap().der().clone()],
    };
    (chain, PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap())
}
