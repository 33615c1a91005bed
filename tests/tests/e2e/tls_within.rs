//! Mutual TLS between the services, by settings alone: all goes on, and a stranger gets nowhere.

use std::fs;
use std::process::Command;

use weir_tests::{App, Certificate, Client, Process, Settings, Setup, Stack, binary, free_port, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

#[test]
fn services_take_the_certificate_they_expect_and_no_other() {
    let stack = Stack::split(Setup::new(SETTINGS, App::Oracle).secure());
    for expected in ["stored", "hit"] {
        let response = stack.get("/count/secure").expect(200);
        let status = response.field("cache-status").unwrap_or_default();
        assert!(status.contains(expected), "{status} instead of {expected}");
    }
    assert_eq!(stack.oracle.calls("secure"), 1);
    assert!(!stack.log().contains("continues from its own memory"), "the cache-node was not reached");

    // A second edge with a certificate of its own making.
    let [http, admin] = [free_port(), free_port()];
    let settings = fs::read_to_string(stack.directory().join("weir.toml")).unwrap();
    let stranger = Certificate::write_as(stack.directory(), "stranger", &["127.0.0.1"]);
    // It trusts the others' certificate; they do not know its own.
    let tls = "edge.peers.tls";
    let file = stack.directory().join("stranger.toml");
    Settings::parse(&settings)
        .with(&format!("{tls}.certificate"), stranger.certificate.display().to_string())
        .with(&format!("{tls}.key"), stranger.key.display().to_string())
        .write(&file);
    let mut command = Command::new(binary("edge"));
    command.arg("--config").arg(&file).env("NO_COLOR", "1");
    command.env("WEIR__EDGE__LISTEN", format!("[\"127.0.0.1:{http}\"]"));
    command.env("WEIR__EDGE__ADMIN", format!("127.0.0.1:{admin}"));
    let edge = Process::start("stranger", &mut command, stack.directory());
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], http));
    edge.wait_until("accepts connections", || std::net::TcpStream::connect(at).is_ok());
    Client::connect(at).get("/count/strange").expect(502);
    assert_eq!(stack.oracle.calls("strange"), 0);
    // The client may know of it before the server has said so.
    until("a line says that a connection was refused", || stack.log().contains("refused: ").then_some(()));
}

#[test]
fn settings_do_not_leave_a_link_without_tls_by_a_slip() {
    let directory = tempfile::TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["127.0.0.1"]);
    let check = |peers: &str| {
        let file = directory.path().join("weir.toml");
        fs::write(
            &file,
            format!("{SETTINGS}[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"127.0.0.1:1\"]\n{peers}"),
        )
        .unwrap();
        let output = Command::new(binary("weir")).arg("check").arg(&file).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let peers = |scheme: &str, tls: &str| {
        format!(
            "[edge.peers]\ncache_node = \"{scheme}://node:1\"\nwsgi_adapter = \"https://adapter:1\"\n{tls}"
        )
    };
    let tls = format!("tls = {}", toml::Value::Table(certificate.mutual()));
    let missing = tls.replace("127.0.0.1.key", "none.key");
    for (peers, wrong) in [
        (peers("https", &tls), None),
        (peers("http", &tls), Some("must begin with https://")),
        (peers("https", ""), Some("needs edge.peers.tls")),
        (peers("https", &missing), Some("edge.peers.tls.key")),
        (format!("[cache_node]\n{missing}"), Some("cache_node.tls.key")),
        (format!("[wsgi_adapter]\n{missing}"), Some("wsgi_adapter.tls.key")),
    ] {
        let (right, said) = check(&peers);
        assert_eq!(right, wrong.is_none(), "{peers}: {said}");
        assert!(wrong.is_none_or(|wrong| said.contains(wrong)), "{peers}: {said}");
    }
}
