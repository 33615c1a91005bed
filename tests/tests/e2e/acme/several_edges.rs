//! Edges with state directories of their own that share certificates through the cache-nodes: one orders, all
//! can answer the challenge, all show the certificate.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use weir_tests::{Redis, Reply};

use super::*;

/// How long a certificate takes to the other edge: it looks every two seconds.
struct TwoEdges {
    secure: Secure,
    other: Process,
    other_tls: u16,
    redis: Option<Redis>,
    /// The directory of the first edge.
    state: PathBuf,
    /// Keeps the first edge from ordering.
    _held: File,
}

/// The first edge is asked by the authority, and cannot order; the other orders, and is not asked.
fn two_edges(topology: Topology, challenge: &str) -> TwoEdges {
    let pebble = Pebble::start(LONG);
    let redis = (topology == Topology::OneProcess).then(Redis::start);
    let node = redis.as_ref().map(node_settings).unwrap_or_default();
    let sites = site(&pebble, "\"a.test\"") + &node;
    let keys = tempfile::TempDir::new().unwrap();
    let key = keys.path().join("share.key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    // A directory of the test, because that of the first edge is not there before it starts.
    let state = keys.keep().join("state");
    let certificates = state.join(pebble.url().trim_start_matches("https://").replace([':', '/'], "-"));
    fs::create_dir_all(certificates.join("certificates")).unwrap();
    let held = File::create(certificates.join("certificates/a.test.lock")).unwrap();
    held.lock().unwrap();
    let acme = format!("challenges = [\"{challenge}\"]\nshare_key_file = {key:?}\n");
    let settings = settings(&pebble, &acme, &sites).replace("$DIR/state", &state.display().to_string());
    let secure = Secure { stack: Stack::start(topology, settings), pebble };
    let (other, other_tls) = another(&secure, topology, &state, "other-state");
    TwoEdges { secure, other, other_tls, redis, state, _held: held }
}

/// No call is given up because the machine is slow.
fn node_settings(redis: &Redis) -> String {
    format!("[cache_node.redis]\nurl = \"{}\"\ntimeout = \"5s\"\nconnect_timeout = \"5s\"\n", redis.url())
}

/// One more edge, with this directory beside the settings for its state.
fn another(secure: &Secure, topology: Topology, state: &Path, own: &str) -> (Process, u16) {
    let directory = secure.stack.directory();
    let [http, tls, admin] = [(); 3].map(|()| free_port());
    let text = fs::read_to_string(directory.join("weir.toml")).unwrap();
    let text = text
        .replace(&format!("127.0.0.1:{}", secure.pebble.http_port), &format!("127.0.0.1:{http}"))
        .replace(&format!("127.0.0.1:{}", secure.pebble.tls_port), &format!("127.0.0.1:{tls}"))
        .replace(&format!("listen = [{}]", secure.pebble.http_port), &format!("listen = [{http}]"))
        .replace(&format!("listen = [{}]", secure.pebble.tls_port), &format!("listen = [{tls}]"))
        .replace(&format!("http_port = {}", secure.pebble.http_port), &format!("http_port = {http}"))
        .replace(&format!("tls_port = {}", secure.pebble.tls_port), &format!("tls_port = {tls}"))
        .replace(&secure.stack.admin_address().to_string(), &at(admin).to_string())
        .replace(&state.display().to_string(), &directory.join(own).display().to_string());
    let file = directory.join(format!("{own}.toml"));
    fs::write(&file, text).unwrap();
    let mut command = match topology {
        Topology::Split => Command::new(binary("edge")),
        Topology::OneProcess => {
            let mut command = Command::new(binary("weir"));
            command.arg("run");
            command
        }
    };
    command.arg("--config").arg(&file).env("NO_COLOR", "1");
    let process = Process::start(own, &mut command, directory);
    process.wait_until("serves", || std::net::TcpStream::connect(at(tls)).is_ok());
    (process, tls)
}

mod one_orders_and_all_answer_and_show_it {
    use super::*;

    #[test]
    fn by_http_01_in_one_process() {
        test(Topology::OneProcess, "http-01");
    }

    #[test]
    fn by_http_01_split() {
        test(Topology::Split, "http-01");
    }

    #[test]
    fn by_tls_alpn_01_in_one_process() {
        test(Topology::OneProcess, "tls-alpn-01");
    }

    #[test]
    fn by_tls_alpn_01_split() {
        test(Topology::Split, "tls-alpn-01");
    }

    fn test(topology: Topology, challenge: &str) {
        let edges = two_edges(topology, challenge);
        let TwoEdges { secure, other, other_tls, .. } = &edges;
        let theirs = until("the other one gets it", || shown(&secure.pebble, at(*other_tls), "a.test"));
        assert!(other.log().contains("has signed a certificate"), "{}", other.log());
        let ours = until("the first one shows it too", || secure.shown("a.test"));
        assert_eq!(ours, theirs);
        assert_eq!((secure.pebble.signed(), secure.pebble.accounts()), (1, 1));
        // Nobody reads a key who reads Redis.
        let redis = edges.redis.as_ref().or(secure.stack.redis.as_ref()).unwrap();
        let names = redis.ask(&["KEYS", "*:secret:*"]).list();
        assert!(names.len() >= 2, "an account and a certificate: {names:?}");
        for name in names {
            // The answer to a challenge may go between the two.
            let Reply::Text(text) = redis.ask(&["GET", &name.text()]) else { continue };
            assert!(!text.contains("PRIVATE KEY") && !text.contains("a.test"), "{text}");
        }
        // One that comes later, with nothing of its own, orders nothing and needs no authority.
        let trusting = secure.pebble.client(&["http/1.1"]);
        secure.pebble.stop();
        let later = another(secure, topology, &edges.state, "third-state");
        until("the third one shows it", || {
            let client = Client::over_tls(at(later.1), "a.test", &trusting).ok()?;
            (client.session()?.peer_certificates()?.first()?.to_vec() == theirs).then_some(())
        });
        for process in [other, &later.0] {
            assert!(!process.log().contains("panicked at"));
        }
    }
}

#[test]
fn without_redis_nothing_is_ordered_and_with_another_key_nothing_is_read() {
    let pebble = Pebble::start(LONG);
    let redis = Redis::start();
    let keys = tempfile::TempDir::new().unwrap();
    let key = keys.path().join("share.key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    redis.process.kill();
    let sites = site(&pebble, "\"a.test\"") + &node_settings(&redis);
    let acme = format!("share_key_file = {key:?}\n");
    let secure = Secure::start(Topology::OneProcess, pebble, &acme, &sites);
    secure.told("secrets are in Redis, which cannot be reached");
    assert_eq!(secure.pebble.signed(), 0);
    redis.start_again();
    secure.expect("a.test");
    assert_eq!(secure.pebble.signed(), 1);
    // An edge whose key is another one.
    let state = secure.stack.directory().join("state");
    File::create(&key).unwrap().write_all(&[b'x'; 40]).unwrap();
    let (other, _) = another(&secure, Topology::OneProcess, &state, "stranger");
    until("it says why", || other.log().contains("sealed by another key").then_some(()));
    assert_eq!(secure.pebble.signed(), 1);
}
