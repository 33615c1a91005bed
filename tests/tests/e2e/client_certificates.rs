//! Certificates that clients show: who gets in, and what the application is told of them.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use weir_tests::{Certificate, Client, Stack};

/// A client that shows this certificate, and trusts the server's.
fn showing(server: &Certificate, own: Option<&Certificate>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&server.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_file(&own.certificate).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap()).unwrap()
        }
    })
}

fn stack(directory: &TempDir, verify: &str) -> (Stack, [Certificate; 3]) {
    let [server, ann, bob] =
        ["localhost", "ann.example", "bob.example"].map(|name| Certificate::write(directory.path(), &[name]));
    let settings = format!(
        "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {{ certificate = {:?}, key = {:?}, \
         client = {{ verify = \"{verify}\", ca = {:?} }} }} }}]\n\
         [[edge.site]]\nserver_name = [\"localhost\"]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         request_fields = [{{ set = \"X-Verify\", value = \"$ssl_client_verify\" }}, \
         {{ set = \"X-Name\", value = \"$ssl_client_s_dn\" }}]\n",
        server.certificate, server.key, ann.certificate
    );
    (Stack::one_process(settings.as_str()), [server, ann, bob])
}

/// What the application was told of a client with this certificate; `None`: it did not get in.
fn told(stack: &Stack, server: &Certificate, own: Option<&Certificate>) -> Option<(String, Option<String>)> {
    let address = ([127, 0, 0, 1], stack.port).into();
    let mut client = Client::over_tls(address, "localhost", &showing(server, own)).ok()?;
    let head = "GET /echo-environ HTTP/1.1\r\nHost: localhost\r\nX-Name: forged\r\n\r\n";
    client.try_send(head).ok()?;
    let seen = client.try_response("GET")?.expect(200).json();
    let field = |name: &str| seen.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some((field("HTTP_X_VERIFY").unwrap_or_default(), field("HTTP_X_NAME")))
}

#[test]
fn only_those_with_a_certificate_get_in() {
    let directory = TempDir::new().unwrap();
    let (stack, [server, ann, bob]) = stack(&directory, "required");
    let name = Some("CN=rcgen self signed cert".to_owned());
    assert_eq!(told(&stack, &server, Some(&ann)), Some(("SUCCESS".into(), name)));
    assert_eq!(told(&stack, &server, Some(&bob)), None);
    assert_eq!(told(&stack, &server, None), None);
}

#[test]
fn a_certificate_may_be_left_out_where_it_is_optional() {
    let directory = TempDir::new().unwrap();
    let (stack, [server, ann, bob]) = stack(&directory, "optional");
    assert_eq!(told(&stack, &server, None), Some(("NONE".into(), None)));
    assert_eq!(told(&stack, &server, Some(&ann)).map(|(verify, _)| verify).as_deref(), Some("SUCCESS"));
    assert_eq!(told(&stack, &server, Some(&bob)), None);
}
