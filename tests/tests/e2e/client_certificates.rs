//! Certificates that clients show, beside nginx: who gets an answer, who is told that the certificate is
//! wrong, and what is known of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use weir_tests::{Certificate, Client, Nginx, Stack};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A CA, one below it, and files of what they have signed.
struct Authority {
    root: Issuer,
    below: Issuer,
    directory: TempDir,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn of_issuer(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = Issuer::self_signed(of_issuer("root"), key()).unwrap();
        let below = Issuer::signed_by(of_issuer("below"), key(), &root).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), root.pem()).unwrap();
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(77),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = |issuer: &Issuer, revoked_certs| {
            let list = CertificateRevocationListParams {
                this_update: date_time_ymd(2024, 1, 1),
                next_update: date_time_ymd(2040, 1, 1),
                crl_number: SerialNumber::from(1),
                issuing_distribution_point: None,
                revoked_certs,
                key_identifier_method: KeyIdMethod::Sha256,
            };
            list.signed_by(issuer).unwrap().pem().unwrap()
        };
        let lists = list(&root, vec![revoked]) + &list(&below, Vec::new());
        fs::write(directory.path().join("crl.pem"), lists).unwrap();
        Self { root, below, directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What this client shows: certificate and chain.
    fn shown(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (key, mut params) = (KeyPair::generate().unwrap(), params(name));
        params.serial_number = Some(SerialNumber::from(if name == "revoked" { 77 } else { 5 }));
        if name == "expired" {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let strange = Issuer::self_signed(of_issuer("strange"), KeyPair::generate().unwrap()).unwrap();
        let chain = match name {
            "self" => vec![params.self_signed(&key).unwrap().der().clone()],
            "stranger" => vec![params.signed_by(&key, &strange).unwrap().der().clone()],
            "deep" => vec![
                params.signed_by(&key, &self.below).unwrap().der().clone(),
                CertificateDer::from_pem_slice(self.below.pem().as_bytes()).unwrap(),
            ],
            _ => vec![params.signed_by(&key, &self.root).unwrap().der().clone()],
        };
        (chain, PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap())
    }
}

/// A client that shows this, and trusts the server's certificate.
fn client(
    server: &Path,
    shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    })
}

/// The status, and what is known of the certificate, or the sentence of the refusal.
fn answer(address: SocketAddr, config: &Arc<ClientConfig>) -> (u16, String) {
    let response = Client::over_tls(address, "localhost", config).unwrap().get("/");
    let text = response.text();
    let said = ["No required SSL certificate was sent", "The SSL certificate error"];
    let said = said.iter().find(|sentence| response.status == 400 && text.contains(**sentence));
    (response.status, said.map_or_else(|| text.clone(), |sentence| (*sentence).to_owned()))
}

const CLIENTS: [&str; 7] = ["none", "ann", "deep", "self", "stranger", "revoked", "expired"];

#[test]
fn clients_are_answered_as_by_nginx() {
    let authority = Authority::new();
    let server = Certificate::write(authority.directory.path(), &["localhost"]);
    let (ca, crl) = (authority.file("ca.pem"), authority.file("crl.pem"));
    for (verify, theirs, depth, with_crl) in [
        ("required", "on", 1, false),
        ("required", "on", 0, false),
        ("required", "on", 1, true),
        ("optional", "optional", 1, false),
        ("optional", "optional", 1, true),
        ("optional_no_ca", "optional_no_ca", 1, false),
    ] {
        let (our_crl, their_crl) = match with_crl {
            true => (format!(", crl = {crl:?}"), format!("ssl_crl {};", crl.display())),
            false => Default::default(),
        };
        let stack = Stack::one_process(
            format!(
                "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {{ certificate = {:?}, \
                 key = {:?}, client = {{ verify = \"{verify}\", ca = {ca:?}, depth = {depth}{our_crl} }} }} }}]\n\
                 [[edge.site]]\nserver_name = [\"localhost\"]\n\
                 return = \"200 $ssl_client_verify|$ssl_client_s_dn\"\n",
                server.certificate, server.key
            )
            .as_str(),
        );
        let nginx = Nginx::start(&format!(
            "ssl on; ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {};
             ssl_verify_client {theirs}; ssl_verify_depth {depth}; {their_crl}
             location / {{ return 200 \"$ssl_client_verify|$ssl_client_s_dn\"; }}",
            server.certificate.display(),
            server.key.display(),
            ca.display()
        ));
        for name in CLIENTS {
            let shown = || (name != "none").then(|| authority.shown(name));
            let [ours, theirs] = [stack.port, nginx.port()]
                .map(|port| answer(([127, 0, 0, 1], port).into(), &client(&server.certificate, shown())));
            assert_eq!(ours, theirs, "{name}: {verify}, depth {depth}, lists {with_crl}");
            // Twice on one connection and with files and pages in memory: no request slips through.
            if ours.0 == 400 {
                let config = client(&server.certificate, shown());
                for _ in 0..3 {
                    assert_eq!(answer(([127, 0, 0, 1], stack.port).into(), &config), ours, "resumed");
                }
            }
        }
    }
}

#[test]
fn a_page_in_memory_is_not_for_those_who_are_refused() {
    let authority = Authority::new();
    let server = Certificate::write(authority.directory.path(), &["localhost"]);
    let settings = format!(
        "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {{ certificate = {:?}, key = {:?}, \
         client = {{ ca = {:?} }} }} }}]\n[[edge.site]]\nserver_name = [\"localhost\"]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\ncache = {{ ttl = \"60s\" }}\n",
        server.certificate,
        server.key,
        authority.file("ca.pem")
    );
    let stack = Stack::one_process(settings.as_str());
    let get = |shown| {
        let address = ([127, 0, 0, 1], stack.port).into();
        let config = client(&server.certificate, shown);
        Client::over_tls(address, "localhost", &config).unwrap().get("/count/page")
    };
    for _ in 0..3 {
        get(Some(authority.shown("ann"))).expect(200);
    }
    assert_eq!(get(None).status, 400);
    assert_eq!(get(Some(authority.shown("self"))).status, 400);
    assert_eq!(stack.oracle.calls("page"), 1);
}
