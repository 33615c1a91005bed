//! Real handshakes over sockets: who is accepted, who is refused, and what a change of the files does.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Tls, TlsConfig, incoming, lazily};
use crate::link::ChannelSettings;
use crate::transport::network;

/// Enough time for one call on a busy machine.
const LONG: Duration = Duration::from_secs(30);

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for `name` that is valid until the year `until`, its key and this CA into
    /// `directory`.
    fn write(&self, directory: &Path, name: &str, until: i32) -> TlsConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = TlsConfig {
            certificate: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}.key")),
            ca: directory.join("ca.pem"),
            peer_name: None,
        };
        fs::write(&config.certificate, certificate.pem()).unwrap();
        fs::write(&config.key, key.serialize_pem()).unwrap();
        fs::write(&config.ca, self.0.pem()).unwrap();
        config
    }
}

/// A gRPC server with only its health service, requiring `tls`.
async fn serve(tls: Option<Arc<Tls>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, health) = tonic_health::server::health_reporter();
    tokio::spawn(Server::builder().add_service(health).serve_with_incoming(incoming(listener, tls)));
    address
}

/// Makes one call over a connection of its own.
async fn call(address: SocketAddr, tls: Option<&Arc<Tls>>, host: &str) -> Result<(), String> {
    let settings = ChannelSettings { connect: LONG, ..ChannelSettings::default() };
    let channel = lazily(&format!("http://{address}").parse().unwrap(), settings, tls, host).unwrap();
    let mut client = HealthClient::new(network(vec![channel]));
    let asked = client.check(HealthCheckRequest { service: String::new() });
    let replied = timeout(LONG, asked).await.map_err(|_| "no answer".to_owned())?;
    replied.map(|_| ()).map_err(|status| format!("{status:?}"))
}

#[tokio::test]
async fn both_ends_take_only_the_certificate_they_expect() {
    let (ca, other_ca) = (Ca::new(), Ca::new());
    let directory = TempDir::new().unwrap();
    let folder = |name: &str| {
        let folder = directory.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let node = ca.write(&folder("node"), "cache-node", 2200);
    let edge = ca.write(&folder("edge"), "edge", 2200);
    let stranger = ca.write(&folder("stranger"), "stranger", 2200);
    let foreign = other_ca.write(&folder("foreign"), "edge", 2200);
    let old = ca.write(&folder("old"), "edge", 2001);
    let old_node = ca.write(&folder("old node"), "cache-node", 2001);
    let expecting =
        |config: &TlsConfig, name: &str| TlsConfig { peer_name: Some(name.into()), ..config.clone() };
    let anybody = Some(&node);
    let edges_only = expecting(&node, "edge");
    let by_name = expecting(&edge, "cache-node");

    // The server's files, the client's files, the host in the client's URL, and whether the handshake
    // succeeds.
    let cases = [
        ("right", anybody, Some(&edge), "cache-node", true),
        ("right, expected by name", Some(&edges_only), Some(&edge), "cache-node", true),
        ("right, whatever the URL says", anybody, Some(&by_name), "127.0.0.1", true),
        ("server is another", anybody, Some(&edge), "wsgi-adapter", false),
        ("client is another", Some(&edges_only), Some(&stranger), "cache-node", false),
        ("client's CA is another", anybody, Some(&foreign), "cache-node", false),
        ("server's CA is another", Some(&foreign), Some(&edge), "edge", false),
        ("client's has expired", anybody, Some(&old), "cache-node", false),
        ("server's has expired", Some(&old_node), Some(&edge), "cache-node", false),
        ("client without TLS", anybody, None, "cache-node", false),
        ("server without TLS", None, Some(&edge), "cache-node", false),
        ("both without", None, None, "cache-node", true),
    ];
    for (case, server, client, host, taken) in cases {
        let load = |config: Option<&TlsConfig>| config.map(|config| Tls::load(config).unwrap());
        let address = serve(load(server)).await;
        let replied = call(address, load(client).as_ref(), host).await;
        assert_eq!(replied.is_ok(), taken, "{case}: {replied:?}");
    }
}

/// A client that knows the CA but has no certificate to show gets no further than the handshake.
#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    use rustls::pki_types::pem::PemObject;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let directory = TempDir::new().unwrap();
    let node = Ca::new().write(directory.path(), "cache-node", 2200);
    let address = serve(Some(Tls::load(&node).unwrap())).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(&node.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = super::server_name("cache-node").unwrap();
    // In TLS 1.3 the client has finished before the server refuses: the refusal is what it reads.
    let refused = async {
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        stream.read_u8().await
    };
    let error = timeout(LONG, refused).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn files_that_change_hold_for_connections_from_then_on() {
    let (ca, new_ca) = (Ca::new(), Ca::new());
    let directory = TempDir::new().unwrap();
    let (ours, theirs) = (directory.path().join("node"), directory.path().join("edge"));
    fs::create_dir(&ours).unwrap();
    fs::create_dir(&theirs).unwrap();
    let node = ca.write(&ours, "cache-node", 2200);
    let server = Tls::load(&node).unwrap();
    let client = Tls::load(&ca.write(&theirs, "edge", 2200)).unwrap();
    let address = serve(Some(server.clone())).await;
    call(address, Some(&client), "cache-node").await.unwrap();
    assert!(!server.reload().unwrap(), "nothing has changed");

    new_ca.write(&ours, "cache-node", 2200);
    assert!(server.reload().unwrap());
    call(address, Some(&client), "cache-node").await.unwrap_err();
    new_ca.write(&theirs, "edge", 2200);
    assert!(client.reload().unwrap());
    call(address, Some(&client), "cache-node").await.unwrap();

    // Half a change, as between two writes: the old files stay in use.
    fs::write(&node.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = server.reload().unwrap_err();
    assert_eq!(error.key, "key");
    assert!(error.to_string().contains("is not the key of"), "{error}");
    call(address, Some(&client), "cache-node").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn files_are_looked_at_by_themselves() {
    let ca = Ca::new();
    let directory = TempDir::new().unwrap();
    let config = ca.write(directory.path(), "edge", 2200);
    let tls = Tls::watched(Some(&config)).unwrap().unwrap();
    let old = tls.client();
    ca.write(directory.path(), "edge", 2200);
    timeout(3 * super::LOOK_EVERY, async {
        while Arc::ptr_eq(&old, &tls.client()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await
    .unwrap();
    assert!(Tls::watched(None).unwrap().is_none());
}

#[test]
fn says_which_file_is_wrong() {
    let directory = TempDir::new().unwrap();
    let good = Ca::new().write(directory.path(), "edge", 2200);
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let huge = directory.path().join("huge.pem");
    fs::File::create(&huge).unwrap().set_len(super::MAX_FILE + 1).unwrap();
    let missing = directory.path().join("missing.pem");
    let with = |change: &dyn Fn(&mut TlsConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    let cases = [
        (with(&|c| c.certificate = missing.clone()), "certificate", "No such file"),
        (with(&|c| c.certificate = empty.clone()), "certificate", "the file contains no certificate"),
        (with(&|c| c.key = empty.clone()), "key", "the file contains no private key"),
        (with(&|c| c.key = good.ca.clone()), "key", "the file contains no private key"),
        (with(&|c| c.ca = good.key.clone()), "ca", "the file contains no certificate"),
        (with(&|c| c.ca = huge.clone()), "ca", "larger than any PEM file"),
        (with(&|c| c.peer_name = Some("a b".into())), "peer_name", "neither a host name nor an address"),
    ];
    for (config, key, phrase) in cases {
        let error = Tls::load(&config).err().unwrap_or_else(|| panic!("{key}: taken"));
        assert_eq!(error.key, key, "{error}");
        assert!(error.to_string().contains(phrase), "{key}: {error}");
    }
}
