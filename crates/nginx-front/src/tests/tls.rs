//! TLS on both sides.

use super::*;

const SERVER: &str = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key;";

#[test]
fn a_server_has_two_certificates_at_most() {
    let pairs = |n: u8| -> String {
        (1..=n).map(|n| format!("ssl_certificate {n}.pem; ssl_certificate_key {n}.key; ")).collect()
    };
    for n in [1, 2, 3] {
        let table = settings(&format!("server {{ listen 443 ssl; {} }}", pairs(n)));
        let tls = |key: &str| text(&table, &format!("edge.listen.0.tls.{key}"));
        assert_eq!((tls("certificate"), tls("key")), ("/etc/nginx/conf/1.pem", "/etc/nginx/conf/1.key"));
        if n > 1 {
            assert_eq!(tls("also.certificate"), "/etc/nginx/conf/2.pem");
            assert_eq!(tls("also.key"), "/etc/nginx/conf/2.key");
            assert_eq!(at(&table, "edge.listen.0.tls.also.replaces").as_bool(), Some(true));
        }
    }
}

#[test]
fn clients_are_asked_for_certificates() {
    let (table, missing) = with_missing(&format!(
        "server {{ {SERVER} ssl_verify_client on; ssl_client_certificate ca.pem; ssl_verify_depth 2; ssl_crl /k/crl.pem; }}"
    ));
    assert_eq!(missing, [""; 0]);
    let client = |key: &str| shown(at(&table, &format!("edge.listen.0.tls.client.{key}")));
    assert_eq!(client("verify"), "\"required\"");
    assert_eq!(client("ca"), "\"/etc/nginx/conf/ca.pem\"");
    assert_eq!(client("crl"), "\"/k/crl.pem\"");
    assert_eq!(at(&table, "edge.listen.0.tls.client.depth").as_integer(), Some(2));

    let (table, missing) = with_missing(&format!(
        "ssl_client_certificate ca.pem; server {{ {SERVER} }} server {{ {SERVER} ssl_verify_client optional; }}"
    ));
    assert_eq!(text(&table, "edge.listen.0.tls.client.verify"), "optional");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing.iter().all(|line| line.contains("another server of this address")), "{missing:?}");
    let missing =
        not_done(&format!("server {{ {SERVER} ssl_verify_client on; listen 444 ssl; listen 80; }}"));
    assert!(missing.iter().all(|line| line.contains("no ssl_client_certificate")), "{missing:?}");
    assert_eq!(missing.len(), 1);
}

#[test]
fn applications_may_speak_tls() {
    let (table, missing) = with_missing(
        "upstream up { server a.example; server b.example:8443; } \
         server { location / { proxy_pass https://up/x/; proxy_ssl_verify on; proxy_ssl_session_reuse on; \
         proxy_ssl_trusted_certificate ca.pem; proxy_ssl_server_name on; early_hints $http2; } \
         location /c { proxy_pass https://c.example; proxy_ssl_name d.example; \
         proxy_ssl_certificate own.pem; proxy_ssl_certificate_key own.key; } \
         location /d { proxy_pass https://unix:/x; } location /e { proxy_pass https://e; proxy_ssl_name $host; } }",
    );
    let pool = |path: &str| shown(at(&table, &format!("wsgi_adapter.pool.{path}")));
    assert_eq!(pool("0.servers"), r#"["https://a.example:443", "https://b.example:8443"]"#);
    assert_eq!(pool("0.tls.ca"), "\"/etc/nginx/conf/ca.pem\"");
    assert_eq!(pool("0.tls.name"), "\"up\"");
    assert!(at(&table, "wsgi_adapter.pool.0.tls").get("verify").is_none());
    assert_eq!(pool("1.servers"), r#"["https://c.example:443"]"#);
    assert_eq!((pool("1.tls.verify"), pool("1.tls.name")), ("false".into(), "\"d.example\"".into()));
    assert_eq!(pool("1.tls.key"), "\"/etc/nginx/conf/own.key\"");
    assert_eq!(text(&table, "edge.site.0.location.0.early_hints"), "$http2");
    assert_eq!(missing.len(), 2, "{missing:?}");
}
