//! Certificates for names that no site lists: which names are asked about, how often, and what a stranger
//! gets.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Says yes to names that begin with "ok", and no to others.
struct AskProgram {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl AskProgram {
    /// Serves until the test ends.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let names = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut head) = (stream.unwrap(), Vec::new());
                let mut piece = [0; 1024];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut piece) {
                        Ok(length) if length > 0 => head.extend(&piece[..length]),
                        _ => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let target = head.split(' ').nth(1).unwrap_or_default();
                let Some(name) = target.strip_prefix("/may?domain=") else { continue };
                let status = if name.starts_with("ok") { "200 OK" } else { "403 Forbidden" };
                names.lock().unwrap().push(name.to_owned());
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { address, asked }
    }

    fn setting(&self) -> String {
        format!("ask = \"http://{}/may\"", self.address)
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }
}

/// One site for all names; no handshake ends because the machine is slow.
const ANY_NAME: &str = "[edge.timeouts]\nhandshake = \"60s\"\n\
     [[edge.site]]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n";

mod names_that_the_program_allows {
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
        let (pebble, program) = (Pebble::start(LONG), AskProgram::start());
        let secure = Secure::start(topology, pebble, &program.setting(), ANY_NAME);
        // The first handshake waits for its certificate.
        let mut first = secure.connect("ok1.test").expect("it waits");
        first.send("GET /count/a HTTP/1.1\r\nHost: ok1.test\r\n\r\n");
        first.response("GET").expect(200);
        // Those who come at once wait for the same one.
        thread::scope(|scope| {
            let visitors: Vec<_> =
                (0..6).map(|_| scope.spawn(|| secure.connect("ok2.test").is_some())).collect();
            assert!(visitors.into_iter().all(|visitor| visitor.join().unwrap()));
        });
        assert_eq!((secure.pebble.signed(), program.asked("ok1.test"), program.asked("ok2.test")), (2, 1, 1));
        // A no is remembered.
        let began = Instant::now();
        for _ in 0..3 {
            assert!(secure.connect("no.test").is_none());
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it does not wait: {:?}", began.elapsed());
        assert_eq!(program.asked("no.test"), 1);
        secure.told("no certificate for `no.test`");
        assert_eq!(secure.pebble.signed(), 2);
        // Neither a reload nor a restart asks or orders again: the authority and the program may be away.
        secure.stack.edge.hang_up();
        assert!(secure.connect("ok1.test").is_some());
        let trusting = secure.pebble.client(&["http/1.1"]);
        secure.pebble.stop();
        secure.stack.edge.terminate();
        let program_of = if topology == Topology::Split { ("edge", vec![]) } else { ("weir", vec!["run"]) };
        let mut again = Command::new(binary(program_of.0));
        again.args(program_of.1).arg("--config").arg(secure.stack.directory().join("weir.toml"));
        secure.stack.edge.start_again(&mut again);
        secure.stack.edge.wait_until("shows what it had", || {
            std::net::TcpStream::connect(secure.address()).is_ok()
                && Client::over_tls(secure.address(), "ok2.test", &trusting).is_ok()
        });
        assert_eq!((program.asked("ok1.test"), program.asked("ok2.test")), (1, 1));
    }
}

#[test]
fn an_order_that_fails_is_remembered_and_nobody_waits_for_the_next() {
    let (pebble, program) = (Pebble::start(LONG), AskProgram::start());
    pebble.lead("ok.test", "127.0.0.2");
    let acme = format!("challenges = [\"http-01\"]\n{}", program.setting());
    let secure = Secure::start(Topology::OneProcess, pebble, &acme, ANY_NAME);
    assert!(secure.connect("ok.test").is_none());
    secure.told("connection refused (urn:ietf:params:acme:error:connection)");
    let began = Instant::now();
    assert!(secure.connect("ok.test").is_none());
    assert!(began.elapsed() < Duration::from_secs(9), "before the next attempt: {:?}", began.elapsed());
    assert_eq!(program.asked("ok.test"), 1);
    // The next attempt asks again, and succeeds; then it is shown.
    secure.pebble.lead("ok.test", "127.0.0.1");
    secure.expect("ok.test");
}

#[test]
fn a_site_with_names_of_its_own_needs_no_question() {
    let (pebble, program) = (Pebble::start(LONG), AskProgram::start());
    let sites = format!("{ANY_NAME}[[edge.site]]\nserver_name = [\"a.test\", \"~^p\\\\.\"]\nroot = \"/\"\n");
    let secure = Secure::start(Topology::OneProcess, pebble, &program.setting(), &sites);
    until("the certificate of the site", || secure.connect("a.test"));
    assert!(secure.connect("p.test").is_none(), "it says no");
    assert_eq!((program.asked("a.test"), program.asked("p.test")), (0, 1));
}
