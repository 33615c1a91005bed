//! Sites bound to listeners: which one answers where, over HTTP/1, HTTP/2 and TLS, and from the cache.

use std::net::SocketAddr;

use tempfile::TempDir;
use weir_tests::{Certificate, Client, Http2, Response, Stack, both_topologies};

const SITES: &str = r#"
listen = ["$HTTP", { address = "127.0.0.1:$PORT", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
listen = ["$HTTP"]
[[edge.site.location]]
match = "/"
pool = "app"
variables = "first"
[edge.site.location.cache]
ttl = "60s"
[[edge.site]]
server_name = ["localhost"]
listen = ["$PORT"]
[[edge.site.location]]
match = "/"
pool = "app"
variables = "second"
[edge.site.location.cache]
ttl = "60s"
[[edge.site]]
server_name = ["other.example"]
default_server = ["$PORT"]
[[edge.site.location]]
match = "/"
pool = "app"
variables = "other"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[wsgi_adapter.pool.variable_sets]
first = { SITE = "first" }
second = { SITE = "second" }
other = { SITE = "other" }
"#;

fn second(stack: &Stack) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], stack.port))
}

fn ask(at: SocketAddr, host: &str, target: &str) -> Response {
    let mut client = Client::connect(at);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response("GET")
}

/// Which site the application was asked for.
fn site(response: &Response) -> String {
    let text = response.text();
    let (_, rest) = text.split_once("\"SITE\": \"").unwrap_or_else(|| panic!("no site in {text}"));
    rest.split('"').next().unwrap().to_owned()
}

both_topologies!(a_name_has_a_site_on_each_port, SITES);
fn a_name_has_a_site_on_each_port(stack: &Stack) {
    let cases = [
        (stack.http(), "localhost", "first"),
        (second(stack), "localhost", "second"),
        (stack.http(), "other.example", "other"),
        (second(stack), "other.example", "other"),
        // The default of each port.
        (stack.http(), "unknown.example", "first"),
        (second(stack), "unknown.example", "other"),
    ];
    for (at, host, expected) in cases {
        assert_eq!(site(&ask(at, host, "/echo-environ").expect(200)), expected, "{at} {host}");
    }
    let mut http2 = Http2::connect(second(stack));
    for (host, expected) in [("localhost", "second"), ("unknown.example", "other")] {
        let page = http2.get(&format!("http://{host}/echo-environ?h2"));
        assert_eq!(site(&page.expect(200)), expected, "{host}");
    }
}

both_topologies!(pages_of_one_host_on_two_ports_are_two_pages, SITES);
fn pages_of_one_host_on_two_ports_are_two_pages(stack: &Stack) {
    for _ in 0..2 {
        assert_eq!(ask(stack.http(), "localhost", "/count/a").expect(200).text(), "1\n");
    }
    let mut http2 = Http2::connect(second(stack));
    for _ in 0..2 {
        assert_eq!(ask(second(stack), "localhost", "/count/a").expect(200).text(), "2\n");
        http2.get("http://localhost/count/a").expect(200).expect_cache(&["hit"]);
    }
    // A purge by URL names both: it cannot say a port that the URL does not hold.
    let purged = stack.ask_admin("POST", "/api/v1/purge", r#"{"urls": ["http://localhost/count/a"]}"#);
    assert!(purged.expect(200).text().contains("\"complete\":true"));
    assert_eq!(ask(stack.http(), "localhost", "/count/a").expect(200).text(), "3\n");
    assert_eq!(ask(second(stack), "localhost", "/count/a").expect(200).text(), "4\n");
}

both_topologies!(explain_says_which_listener_it_took, SITES);
fn explain_says_which_listener_it_took(stack: &Stack) {
    let asked = stack.ask_admin(
        "POST",
        "/api/v1/explain",
        &format!(r#"{{"url": "http://localhost:{}/count/explained"}}"#, stack.port),
    );
    let text = asked.expect(200).text();
    let listener = format!("127.0.0.1:{}", stack.port);
    assert!(text.contains("\"listener\"") && text.contains(&listener), "{text}");
}

/// The plain port only redirects; a name with a certificate of its own is misdirected on the other's
/// connection, by the sites of that listener.
#[test]
fn over_tls_the_sites_of_the_listener_count() {
    let directory = TempDir::new().unwrap();
    let own = Certificate::write(directory.path(), &["localhost"]);
    let other = Certificate::write(directory.path(), &["other.test"]);
    let settings = format!(
        r#"
listen = ["$HTTP", {{ address = "127.0.0.1:$PORT", tls = {} }}]
[[edge.site]]
server_name = ["localhost"]
listen = ["$HTTP"]
root = "$DIR/plain"
[[edge.site]]
server_name = ["localhost"]
listen = ["$PORT"]
root = "$DIR/secure"
[[edge.site]]
server_name = ["other.test"]
listen = ["$PORT"]
tls = {}
root = "$DIR/other"
"#,
        own.setting(),
        other.setting()
    );
    let stack = Stack::one_process(settings);
    for site in ["plain", "secure", "other"] {
        std::fs::create_dir(stack.directory().join(site)).unwrap();
        std::fs::write(stack.directory().join(site).join("who"), site).unwrap();
    }
    assert_eq!(ask(stack.http(), "localhost", "/who").expect(200).text(), "plain");
    // On the plain port nobody is called other.test.
    assert_eq!(ask(stack.http(), "other.test", "/who").expect(200).text(), "plain");
    for protocol in ["http/1.1", "h2"] {
        let who = |name: &str, certificate: &Certificate, host: &str| {
            let config = certificate.client(&[protocol]);
            if protocol == "h2" {
                return Http2::over_tls(second(&stack), name, config).get(&format!("https://{host}/who"));
            }
            let mut client = Client::over_tls(second(&stack), name, &config).unwrap();
            client.send(format!("GET /who HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client.response("GET")
        };
        assert_eq!(who("localhost", &own, "localhost").expect(200).text(), "secure", "{protocol}");
        assert_eq!(who("other.test", &other, "other.test").expect(200).text(), "other", "{protocol}");
        who("localhost", &own, "other.test").expect(421);
    }
}
