//! Certificates that come by themselves, from a real authority: each challenge, renewal, an authority that is
//! away or does not agree, several edges with one state directory.

#[path = "acme/clocks.rs"]
mod clocks;
#[path = "acme/on_demand.rs"]
mod on_demand;
#[path = "acme/several_edges.rs"]
mod several_edges;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use weir_tests::{Client, Pebble, Process, Stack, Topology, binary, free_port, until};

/// Longer than any test.
const LONG: u64 = 86_400;

/// The product, the authority, and the certificates in `$DIR/state`.
struct Secure {
    pebble: Pebble,
    stack: Stack,
}

impl Secure {
    /// Takes these keys in `[edge.acme]`, and these sites.
    fn start(topology: Topology, pebble: Pebble, acme: &str, sites: &str) -> Self {
        let stack = Stack::start(topology, settings(&pebble, acme, sites));
        Self { pebble, stack }
    }

    fn address(&self) -> SocketAddr {
        at(self.pebble.tls_port)
    }

    fn connect(&self, name: &str) -> Option<Client> {
        Client::over_tls(self.address(), name, &self.pebble.client(&["http/1.1"])).ok()
    }

    /// Waits for the certificate, and asks for a page with it.
    #[track_caller]
    fn expect(&self, name: &str) {
        let mut client = until(&format!("a certificate for {name}"), || self.connect(name));
        client.send(format!("GET /count/a HTTP/1.1\r\nHost: {name}\r\n\r\n"));
        client.response("GET").expect(200);
    }

    fn shown(&self, name: &str) -> Option<Vec<u8>> {
        shown(&self.pebble, self.address(), name)
    }

    #[track_caller]
    fn told(&self, phrase: &str) {
        until(&format!("the log says {phrase:?}"), || self.stack.log().contains(phrase).then_some(()));
    }
}

/// A listener without TLS and one with, on the ports where the authority looks.
fn settings(pebble: &Pebble, acme: &str, sites: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:{}\", {{ address = \"127.0.0.1:{}\", tls = \"auto\" }}]\n{}{acme}\n{sites}",
        pebble.http_port,
        pebble.tls_port,
        pebble.settings("$DIR/state")
    )
}

/// A site on the listener with TLS, and what leads there.
fn site(pebble: &Pebble, names: &str) -> String {
    format!(
        "[[edge.site]]\nserver_name = [{names}]\nlisten = [{}]\nreturn = \"308 https://$host$request_uri\"\n\
         [[edge.site]]\nserver_name = [{names}]\nlisten = [{}]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n",
        pebble.http_port, pebble.tls_port
    )
}

fn shown(pebble: &Pebble, address: SocketAddr, name: &str) -> Option<Vec<u8>> {
    let client = Client::over_tls(address, name, &pebble.client(&["http/1.1"])).ok()?;
    Some(client.session()?.peer_certificates()?.first()?.to_vec())
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Each file below it, and its mode.
fn modes(directory: &Path, found: &mut Vec<(String, u32)>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        found.push((entry.path().display().to_string(), mode));
        if entry.path().is_dir() {
            modes(&entry.path(), found);
        }
    }
}

mod by_http_01 {
    use super::*;

    #[test]
    fn one_process() {
        test(Topology::OneProcess);
    }

    #[test]
    fn split() {
        test(Topology::Split);
    }

    fn test(topology: Topology) {
        let pebble = Pebble::start(LONG);
        let sites = site(&pebble, "\"a.test\", \"www.a.test\"");
        let secure = Secure::start(topology, pebble, "challenges = [\"http-01\"]", &sites);
        secure.expect("a.test");
        secure.expect("www.a.test");
        let mut plain = Client::connect(at(secure.pebble.http_port));
        plain.send("GET /x?y HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(plain.response("GET").expect(308).field("location"), Some("https://a.test/x?y"));
        assert!(secure.connect("other.test").is_none(), "a name of no site");
        assert!(
            secure
                .stack
                .admin("/metrics")
                .text()
                .contains("weir_edge_certificate_expiry_seconds{name=\"a.test\"}")
        );
        // Nobody else reads the keys, and no answer to a challenge is left.
        let state = secure.stack.directory().join("state");
        let mut found =
            vec![("state".to_owned(), fs::metadata(&state).unwrap().permissions().mode() & 0o777)];
        modes(&state, &mut found);
        let ours = |(path, mode): &(String, u32)| match path.ends_with(".pem") || path.ends_with(".json") {
            true => *mode == 0o600,
            false => matches!(mode, 0o600 | 0o700),
        };
        assert!(found.len() > 6 && found.iter().all(ours), "{found:?}");
        assert_eq!(fs::read_dir(state.join("challenges")).unwrap().count(), 0);
        assert_eq!((secure.pebble.signed(), secure.pebble.accounts()), (2, 1));
    }
}

#[test]
fn by_tls_alpn_01() {
    let pebble = Pebble::start(LONG);
    let sites =
        "[[edge.site]]\nserver_name = [\"a.test\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n";
    let secure = Secure::start(Topology::OneProcess, pebble, "challenges = [\"tls-alpn-01\"]", sites);
    secure.expect("a.test");
    // The protocol of the challenge is for authorities, and only while they look.
    let odd = Client::over_tls(secure.address(), "a.test", &secure.pebble.client(&["acme-tls/1"]));
    assert!(odd.is_err());
    // Clients that speak HTTP/2 get it.
    let client =
        Client::over_tls(secure.address(), "a.test", &secure.pebble.client(&["h2", "http/1.1"])).unwrap();
    assert_eq!(client.session().unwrap().alpn_protocol(), Some(b"h2".as_slice()));
}

#[test]
fn by_dns_01_for_a_wildcard_too() {
    let pebble = Pebble::start(LONG);
    let acme = format!("dns_command = {}", pebble.dns_command());
    let sites = site(&pebble, "\".a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, &acme, &sites);
    secure.expect("a.test");
    secure.expect("b.a.test");
    assert!(!secure.pebble.log().contains("http-01 challenge"), "{}", secure.pebble.log());
}

#[test]
fn a_dns_command_that_fails_is_told() {
    let pebble = Pebble::start(LONG);
    let acme = "challenges = [\"dns-01\"]\ndns_command = [\"sh\", \"-c\", \"echo no such zone >&2; exit 3\"]";
    let sites = site(&pebble, "\"a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, acme, &sites);
    secure.told("no such zone");
    assert!(secure.stack.log().contains("exit status: 3"));
}

#[test]
fn an_authority_that_is_away_is_asked_again() {
    let pebble = Pebble::start(LONG);
    let sites = site(&pebble, "\"a.test\"");
    pebble.stop();
    let secure = Secure::start(Topology::OneProcess, pebble, "", &sites);
    secure.told("TLS handshakes for it fail; the next attempt is at");
    // Meanwhile the port for HTTP answers, and a handshake fails with a reason in the log.
    Client::connect(at(secure.pebble.http_port)).get("/").expect(308);
    secure.pebble.start_again(30);
    secure.expect("a.test");
    assert!(secure.stack.log().contains("cannot be reached"), "{}", secure.stack.log());
}

#[test]
fn a_handshake_before_the_first_certificate_says_why_it_is_refused() {
    let pebble = Pebble::start(LONG);
    pebble.lead("a.test", "127.0.0.2");
    let sites = site(&pebble, "\"a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, "challenges = [\"http-01\"]", &sites);
    secure.told("connection refused (urn:ietf:params:acme:error:connection)");
    assert!(secure.connect("a.test").is_none());
    secure.told("TLS handshake for `a.test` refused: no certificate yet");
    // The name leads here at last: the next attempt finds it.
    secure.pebble.lead("a.test", "127.0.0.1");
    secure.expect("a.test");
    assert_eq!(fs::read_dir(secure.stack.directory().join("state/challenges")).unwrap().count(), 0);
}

#[test]
fn renewed_at_two_thirds_and_an_old_certificate_serves_on() {
    let pebble = Pebble::start(27);
    let sites = site(&pebble, "\"a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, "", &sites);
    secure.expect("a.test");
    let mut kept = secure.connect("a.test").unwrap();
    let page = "GET /count/a HTTP/1.1\r\nHost: a.test\r\n\r\n";
    kept.send(page);
    kept.response("GET").expect(200);
    let (begun, first) = (std::time::Instant::now(), secure.shown("a.test").unwrap());
    let second = until("the renewal", || secure.shown("a.test").filter(|shown| *shown != first));
    assert!(begun.elapsed().as_secs() >= 12, "renewed after {:?}", begun.elapsed());
    assert_eq!((secure.pebble.signed(), secure.pebble.accounts()), (2, 1));
    // Connections go on through it.
    kept.send(page);
    kept.response("GET").expect(200);
    // The authority is away when the next one is due.
    let trusting = secure.pebble.client(&["http/1.1"]);
    secure.pebble.stop();
    secure.told("the old one serves on until");
    let client = Client::over_tls(secure.address(), "a.test", &trusting).unwrap();
    assert_eq!(client.session().unwrap().peer_certificates().unwrap()[0].to_vec(), second);
    // It is back, has forgotten the account, and has other keys.
    secure.pebble.start_again(0);
    secure.expect("a.test");
    assert_eq!(secure.pebble.accounts(), 2);
}

#[test]
fn an_authority_that_has_customers() {
    const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = Pebble::start_with(LONG, &[("kid-1", KEY)]);
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let acme = format!("external_account = {{ id = \"kid-1\", key_file = {file:?} }}");
    let sites = site(&pebble, "\"a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, &acme, &sites);
    secure.expect("a.test");
}

#[test]
fn renewed_when_the_authority_says_so() {
    let pebble = Pebble::start(60);
    let directory = tempfile::TempDir::new().unwrap();
    let window = directory.path().join("window");
    fs::write(&window, "-100 -50").unwrap();
    let (port, _proxy) = pebble.with_renewal_info(&window);
    let sites = site(&pebble, "\"a.test\"");
    let settings =
        settings(&pebble, "", &sites).replace(&pebble.url(), &format!("https://localhost:{port}/dir"));
    let secure = Secure { stack: Stack::one_process(settings), pebble };
    secure.expect("a.test");
    let (begun, first) = (std::time::Instant::now(), secure.shown("a.test").unwrap());
    // That window is over, so it is now, but for half of the life: at 30 s, not at 40 s.
    until("the renewal", || secure.shown("a.test").filter(|shown| *shown != first));
    assert!((22..39).contains(&begun.elapsed().as_secs()), "renewed after {:?}", begun.elapsed());
    assert_eq!(secure.pebble.signed(), 2);
}

#[test]
fn a_restart_orders_nothing_and_a_reload_takes_new_names() {
    let pebble = Pebble::start(LONG);
    let sites = site(&pebble, "\"a.test\"");
    let secure = Secure::start(Topology::OneProcess, pebble, "", &sites);
    secure.expect("a.test");
    let first = secure.shown("a.test");
    let file = secure.stack.directory().join("weir.toml");
    let more = fs::read_to_string(&file).unwrap().replace("\"a.test\"", "\"a.test\", \"b.test\"");
    fs::write(&file, more).unwrap();
    secure.stack.edge.hang_up();
    secure.expect("b.test");
    assert_eq!(secure.shown("a.test"), first);
    let mut again = Command::new(binary("weir"));
    again.args(["run", "--config"]).arg(&file).env("NO_COLOR", "1");
    secure.stack.edge.terminate();
    // It needs no authority for what it has.
    let trusting = secure.pebble.client(&["http/1.1"]);
    secure.pebble.stop();
    secure.stack.edge.start_again(&mut again);
    secure.stack.edge.wait_until("serves", || {
        std::net::TcpStream::connect(secure.address())
            .is_ok_and(|_| Client::over_tls(secure.address(), "b.test", &trusting).is_ok())
    });
    assert_eq!((secure.pebble.signed(), secure.pebble.accounts()), (2, 1));
}

#[test]
fn several_edges_with_one_state_directory_order_once() {
    let pebble = Pebble::start(LONG);
    let sites = site(&pebble, "\"a.test\"");
    pebble.stop();
    let secure = Secure::start(Topology::OneProcess, pebble, "", &sites);
    let file = secure.stack.directory().join("weir.toml");
    let [http, tls, admin] = [(); 3].map(|()| free_port());
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace(&secure.pebble.http_port.to_string(), &http.to_string())
        .replace(&secure.pebble.tls_port.to_string(), &tls.to_string())
        .replace(&secure.stack.admin_address().to_string(), &at(admin).to_string());
    let other = secure.stack.directory().join("other.toml");
    fs::write(&other, text).unwrap();
    let mut command = Command::new(binary("weir"));
    command.args(["run", "--config"]).arg(&other).env("NO_COLOR", "1");
    let another = Process::start("another", &mut command, secure.stack.directory());
    another.wait_until("serves", || std::net::TcpStream::connect(at(tls)).is_ok());
    // Whichever is asked answers a challenge of whichever orders.
    fs::write(secure.stack.directory().join("state/challenges/token-1"), "token-1.thumb").unwrap();
    for port in [http, secure.pebble.http_port] {
        let asked = Client::connect(at(port)).get("/.well-known/acme-challenge/token-1");
        assert_eq!(asked.expect(200).text(), "token-1.thumb");
        Client::connect(at(port)).get("/.well-known/acme-challenge/token-2").expect(308);
        Client::connect(at(port)).get("/.well-known/acme-challenge/..%2faccount.json").expect(308);
    }
    secure.pebble.start_again(0);
    secure.expect("a.test");
    let theirs = until("the other one shows it too", || shown(&secure.pebble, at(tls), "a.test"));
    assert_eq!(Some(theirs), secure.shown("a.test"));
    assert_eq!((secure.pebble.signed(), secure.pebble.accounts()), (1, 1));
}

#[test]
fn weir_check_reports_what_would_go_wrong() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("weir.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let done = Command::new(binary("weir")).arg("check").arg(&file).output().unwrap();
        String::from_utf8(done.stderr).unwrap()
    };
    let good = format!(
        "[edge]\nlisten = [\"0.0.0.0:80\", {{ address = \"0.0.0.0:443\", tls = \"auto\" }}]\n\
         acme = {{ state = \"{}/state\" }}\n[[edge.site]]\nserver_name = [\"example.com\"]\nroot = \"/\"\n",
        directory.path().display()
    );
    assert!(check(&good).contains("no mistakes"), "{}", check(&good));
    let odd = check(
        "[edge]\nlisten = [{ address = \"0.0.0.0:8443\", tls = \"auto\" }]\nacme = { state = \"/dev/null/a\" }\n\
         [[edge.site]]\nserver_name = [\"example.com\", \"*.example.com\"]\nroot = \"/\"\n",
    );
    for wrong in [
        ":3: edge.acme: no authority can check the names: http-01 needs a listener without TLS on port 80",
        ":3: edge.acme.state: `/dev/null` is no directory",
        ":5: edge.site[0].server_name[1]: a certificate for `*.example.com` needs dns-01",
    ] {
        assert!(odd.contains(wrong), "{odd}");
    }
}

#[test]
fn weir_serve_domain() {
    let (pebble, app) = (Pebble::start(LONG), weir_tests::Uwsgi::oracle());
    let directory = tempfile::TempDir::new().unwrap();
    let mut command = Command::new(binary("weir"));
    command.args(["serve", "--buffer-size", "32KiB", "--domain", "a.test", "--hsts", "--admin", "off"]);
    command.arg("--app").arg(app.address());
    command.arg("--listen").arg(at(pebble.tls_port).to_string());
    command.arg("--listen-http").arg(at(pebble.http_port).to_string());
    command.arg("--acme-directory").arg(pebble.url()).arg("--acme-ca").arg(pebble.ca());
    command.arg("--acme-email").arg("admin@a.test");
    command.arg("--acme-state").arg(directory.path().join("state")).env("NO_COLOR", "1");
    let weir = Process::start("weir", &mut command, directory.path());
    let mut client = None;
    weir.wait_until("has a certificate", || {
        let listens = std::net::TcpStream::connect(at(pebble.tls_port)).is_ok();
        client = listens
            .then(|| Client::over_tls(at(pebble.tls_port), "a.test", &pebble.client(&["http/1.1"])).ok())
            .flatten();
        client.is_some()
    });
    let mut client = client.unwrap();
    client.send("GET /count/a HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let page = client.response("GET").expect(200);
    assert_eq!(page.field("strict-transport-security"), Some("max-age=31536000"));
    let mut plain = Client::connect(at(pebble.http_port));
    plain.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let led = plain.response("GET").expect(308);
    assert_eq!(led.field("location"), Some("https://a.test/x"));
    assert_eq!(led.field("strict-transport-security"), None);
}
