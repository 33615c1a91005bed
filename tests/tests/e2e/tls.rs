//! TLS towards clients: which certificate for which name, what is spoken, what fails and how, reload.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{ProtocolVersion, SignatureScheme};
use tempfile::TempDir;
use weir_tests::{Certificate, Client, Stack, once_within, until};

const SITES: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
max_body = "4MiB"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

/// The product with a plain port and one with TLS (`$PORT`), and the certificate for localhost.
struct Secure {
    stack: Stack,
    certificate: Certificate,
    directory: TempDir,
}

impl Secure {
    fn start(settings: &str, more: impl FnOnce(&TempDir) -> String) -> Self {
        let directory = TempDir::new().unwrap();
        let certificate = Certificate::write(directory.path(), &["localhost"]);
        let listen = format!(
            "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {} }}]\n{settings}\n{SITES}{}",
            certificate.setting(),
            more(&directory)
        );
        Self { stack: Stack::one_process(listen), certificate, directory }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.stack.port))
    }

    fn connect(&self) -> Client {
        Client::over_tls(self.address(), "localhost", &self.certificate.client(&["http/1.1"])).unwrap()
    }
}

#[test]
fn requests_over_tls_are_https_for_application_and_cache() {
    let secure = Secure::start("", |_| String::new());
    let mut client = secure.connect();
    assert!(client.get("/echo-environ").expect(200).text().contains("\"wsgi.url_scheme\": \"https\""));
    // That connection goes on; bodies of all kinds and sizes come whole.
    let body = vec![b'x'; 3 << 20];
    let upload = client.ask("POST", "/upload", &[("Content-Length", "3145728")], &body).expect(200);
    assert!(upload.text().contains("\"length\": 3145728"), "{}", upload.text());
    // A page of the cache by either way: the first asks, the second is a hit. http and https are two pages.
    let first = client.get("/cached/count/a").expect(200);
    let second = client.get("/cached/count/a").expect(200);
    assert_eq!((first.text(), second.text()), ("1\n".into(), "1\n".into()));
    assert!(second.field("cache-status").unwrap().contains("hit"));
    assert_eq!(secure.stack.get("/cached/count/a").expect(200).text(), "2\n");
    // Large pages go out in many records.
    let large = client.get("/cached/count/big?size=300000").expect(200);
    let again = client.get("/cached/count/big?size=300000").expect(200);
    assert!(again.whole && again.body == large.body && large.body.len() == 300_000);
}

#[test]
fn versions_and_protocols() {
    let secure = Secure::start("", |_| String::new());
    let client = secure.connect();
    let session = client.session().unwrap();
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let without = Client::over_tls(secure.address(), "localhost", &secure.certificate.client(&[])).unwrap();
    assert_eq!(without.session().unwrap().alpn_protocol(), None);
    let odd = Client::over_tls(secure.address(), "localhost", &secure.certificate.client(&["spdy/3"]));
    assert!(odd.is_err(), "no common protocol, and yet a handshake");
    // Sessions are resumed by ticket.
    let config = secure.certificate.client(&["http/1.1"]);
    for resumed in [false, true] {
        let mut client = Client::over_tls(secure.address(), "localhost", &config).unwrap();
        client.get("/count/a").expect(200);
        let kind = client.session().unwrap().handshake_kind().unwrap();
        assert_eq!(kind == rustls::HandshakeKind::Resumed, resumed);
    }
}

#[test]
fn each_site_shows_its_certificate() {
    let mut other = None;
    let secure = Secure::start("", |directory| {
        let certificate = Certificate::write(directory.path(), &["other.test"]);
        let setting = certificate.setting();
        other = Some(certificate);
        format!(
            "[[edge.site]]\nserver_name = [\"other.test\"]\ntls = {setting}\n\
             [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n"
        )
    });
    let other = other.unwrap();
    let mut client = Client::over_tls(secure.address(), "other.test", &other.client(&["http/1.1"])).unwrap();
    client.send("GET /count/a HTTP/1.1\r\nHost: OTHER.test\r\n\r\n");
    client.response("GET").expect(200);
    // A host that another certificate is for has no business on this connection.
    client.send("GET /count/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.response("GET").expect(421);
    client.expect_closed();
    assert!(Client::over_tls(secure.address(), "localhost", &other.client(&[])).is_err());
    // Unknown names get the listener's.
    assert!(Client::over_tls(secure.address(), "localhost", &secure.certificate.client(&[])).is_ok());
    assert!(Client::over_tls(secure.address(), "unknown.test", &secure.certificate.client(&[])).is_err());
}

#[test]
fn who_cannot_use_the_first_certificate_is_shown_the_second() {
    let mut second = None;
    let secure = Secure::start("", |directory| {
        let first = Certificate::write(directory.path(), &["two.test"]);
        let other =
            Certificate::write_of_kind(directory.path(), "ed25519", &["two.test"], &rcgen::PKCS_ED25519);
        let setting = format!(
            "{{ certificate = {:?}, key = {:?}, also = {} }}",
            first.certificate,
            first.key,
            other.setting()
        );
        second = Some((first, other));
        format!(
            "[[edge.site]]\nserver_name = [\"two.test\"]\ntls = {setting}\n\
             [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n"
        )
    });
    let (first, second) = second.unwrap();
    for (certificate, schemes, is_shown) in [
        (&first, &[SignatureScheme::ECDSA_NISTP256_SHA256][..], true),
        (&second, &[SignatureScheme::ECDSA_NISTP256_SHA256], false),
        (&second, &[SignatureScheme::ED25519], true),
        (&first, &[SignatureScheme::ED25519], false),
        (&first, &[SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256], true),
    ] {
        let client = certificate.client_that_verifies(schemes);
        let shaken = Client::over_tls(secure.address(), "two.test", &client);
        assert_eq!(shaken.is_ok(), is_shown, "{schemes:?}");
        if let Ok(mut client) = shaken {
            client.send("GET /count/a HTTP/1.1\r\nHost: two.test\r\n\r\n");
            client.response("GET").expect(200);
        }
    }
}

#[test]
fn a_reload_takes_good_certificates_and_refuses_bad_ones() {
    let secure = Secure::start("", |_| String::new());
    let kept = secure.connect();
    let config_of = |certificate: &Certificate| certificate.client(&["http/1.1"]);
    let shakes = |certificate: &Certificate| {
        Client::over_tls(secure.address(), "localhost", &config_of(certificate)).is_ok()
    };
    // The key of another certificate: all stays as it was.
    let good_key = fs::read(&secure.certificate.key).unwrap();
    let good = fs::read(&secure.certificate.certificate).unwrap();
    let stray = Certificate::write(secure.directory.path(), &["stray.test"]);
    fs::copy(&stray.key, &secure.certificate.key).unwrap();
    secure.stack.edge.hang_up();
    until("the bad key is refused", || secure.stack.log().contains("is not the key of").then_some(()));
    assert!(shakes(&secure.certificate));
    fs::write(&secure.certificate.key, good_key).unwrap();
    fs::write(&secure.certificate.certificate, &good[..good.len() / 2]).unwrap();
    secure.stack.edge.hang_up();
    until("half a file is refused", || secure.stack.log().contains("the file is not PEM").then_some(()));
    assert!(shakes(&secure.certificate));
    // A new pair under the same names: new connections see it, old ones go on.
    let fresh = Certificate::write(secure.directory.path(), &["localhost"]);
    secure.stack.edge.hang_up();
    until("the new certificate is shown", || shakes(&fresh).then_some(()));
    assert!(!shakes(&secure.certificate));
    let mut kept = kept;
    kept.get("/count/a").expect(200);
}

#[test]
fn a_renewed_certificate_is_shown_without_a_reload_and_an_expired_one_stops_nobody() {
    let secure = Secure::start("", |directory| {
        let old = Certificate::write_expired(directory.path(), &["old.test"]);
        format!("[[edge.site]]\nserver_name = [\"old.test\"]\nroot = \"/\"\ntls = {}\n", old.setting())
    });
    let mut kept = secure.connect();
    kept.get("/count/a").expect(200);
    assert!(secure.stack.log().contains("old.test.pem`: it has expired; renew it"));
    let shows = |name: &str, certificate: &Certificate| {
        Client::over_tls(secure.address(), name, &certificate.client(&["http/1.1"])).is_ok()
    };
    // As a program that renews does: the certificate, a moment later its key. Nobody tells Weir.
    let renewed = Certificate::write(secure.directory.path(), &["old.test"]);
    let key = fs::read(&renewed.key).unwrap();
    let fresh = Certificate::write(secure.directory.path(), &["localhost"]);
    fs::write(&renewed.key, key).unwrap();
    until("both are shown", || (shows("localhost", &fresh) && shows("old.test", &renewed)).then_some(()));
    assert!(!shows("localhost", &secure.certificate));
    // A key that does not belong to it, and a file that is gone.
    let stray = Certificate::write(secure.directory.path(), &["stray.test"]);
    fs::copy(&stray.key, &fresh.key).unwrap();
    fs::remove_file(&renewed.certificate).unwrap();
    until("that is said", || {
        let said = |text: &str| secure.stack.log().contains(text);
        (said("is not the key of") && said("old.test.pem`: No such file")).then_some(())
    });
    assert!(shows("localhost", &fresh) && shows("old.test", &renewed), "what was there stays");
    kept.get("/count/a").expect(200);
}

#[test]
fn the_wrong_protocol_ends_quickly_with_an_answer() {
    let secure = Secure::start("", |_| String::new());
    // HTTP where TLS is spoken.
    let mut plain = Client::connect(secure.address());
    plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let refused = plain.response("GET").expect(400);
    assert!(refused.text().contains("https://"));
    plain.expect_closed();
    // TLS where HTTP is spoken.
    once_within(Duration::from_secs(5), "a handshake with HTTP", || {
        let shaken = Client::over_tls(secure.stack.http(), "localhost", &secure.certificate.client(&[]));
        assert!(shaken.is_err());
    });
    // Neither.
    let mut socket = TcpStream::connect(secure.address()).unwrap();
    socket.write_all(&[0x80, 0x2e, 1, 3, 1]).unwrap();
    assert_eq!(socket.read(&mut [0; 64]).unwrap_or(0), 0);
}

/// RFC 9112 section 9.8: without the alert, a client cannot tell this end from a connection that was cut.
#[test]
fn a_connection_that_was_idle_too_long_ends_with_an_alert() {
    let secure = Secure::start("timeouts = { keepalive = \"300ms\" }", |_| String::new());
    let mut client = secure.connect();
    client.get("/echo-environ").expect(200);
    // An end without it is an error to the TLS library.
    client.expect_closed();
}

#[test]
fn a_handshake_has_its_time() {
    let secure = Secure::start("timeouts = { handshake = \"500ms\" }", |_| String::new());
    for beginning in [b"".as_slice(), &[22], &[22, 3, 1, 2, 0, 1, 0]] {
        let mut socket = TcpStream::connect(secure.address()).unwrap();
        socket.write_all(beginning).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Closed by us, perhaps after an alert; never a time-out of this side.
        let mut rest = Vec::new();
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{beginning:?}");
        }
    }
    until("all are counted", || {
        let metrics = secure.stack.admin("/metrics").text();
        metrics.contains("weir_edge_tls_handshakes_failed_total 3").then_some(())
    });
}
