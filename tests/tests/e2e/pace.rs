//! The application never waits for a client, and no client holds it.

use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::{
    AppServer, Certificate, Client, Location, Pool, Settings, Stack, Topology, both_topologies, check,
    free_port, site,
};

/// More than sockets and windows hold.
const LARGE: usize = 20_000_000;

fn uwsgi() -> Settings {
    site([Location::passed("/"), Location::passed("/unbuffered/").with("buffering", false)])
        .pool(Pool::new("app", "uwsgi://127.0.0.1:$PORT"))
}

const HTTP: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["http://127.0.0.1:$PORT"]
max_in_flight = 2
client_share = 100
"#;

/// Asks for a large page, and reads no more than its head.
fn slow_download(mut client: Client, target: &str) -> Client {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let head = client.head();
    assert_eq!(head.status, 200);
    client
}

/// The only worker is free although four visitors have not read a byte of their pages, which arrive whole all
/// the same.
fn slow_downloads_hold_nobody(stack: &Stack, connect: impl Fn() -> Client) {
    let target = format!("/count/large?size={LARGE}");
    let mut slow: Vec<_> = (0..4).map(|_| slow_download(connect(), &target)).collect();
    stack.get("/count/other").expect(200);
    // A worker that had waited for one of them would have cut its page.
    sleep(Duration::from_millis(2500));
    for client in &mut slow {
        assert_eq!(client.take(LARGE).len(), LARGE, "whole");
    }
}

both_topologies!(slow_downloads_from_uwsgi, uwsgi());
fn slow_downloads_from_uwsgi(stack: &Stack) {
    let arguments = ["--socket-timeout", "1", "--threads", "1", "--module", "oracle:application"];
    let _server = AppServer::uwsgi(stack.port, &arguments);
    slow_downloads_hold_nobody(stack, || stack.connect());
    // Where nothing is put aside, the client sets the pace, and uWSGI waits no longer than its timeout.
    let mut slow = slow_download(stack.connect(), &format!("/unbuffered/count/large?size={LARGE}"));
    sleep(Duration::from_millis(2500));
    assert!(slow.rest().len() < LARGE);
}

both_topologies!(slow_downloads_from_gunicorn, HTTP);
fn slow_downloads_from_gunicorn(stack: &Stack) {
    let _server = AppServer::gunicorn(stack.port, &["--threads", "1"], "oracle:application");
    slow_downloads_hold_nobody(stack, || stack.connect());
}

/// TLS takes a piece at once and waits for the client with the next: the page must be read on all the same.
#[test]
fn slow_downloads_over_tls() {
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let uwsgi_server = ["--socket-timeout", "1", "--threads", "1", "--module", "oracle:application"];
    for topology in [Topology::OneProcess, Topology::Split] {
        for pool in ["uwsgi://127.0.0.1:$PORT", "http://127.0.0.1:$PORT"] {
            let port = free_port();
            let listen =
                format!("listen = [\"$HTTP\", {{ address = \"127.0.0.1:{port}\", tls = $TLS }}]\n{HTTP}")
                    .replace("$TLS", &certificate.setting())
                    .replace("http://127.0.0.1:$PORT", pool);
            check(topology, listen, |stack| {
                let _server = match pool.starts_with("uwsgi") {
                    true => AppServer::uwsgi(stack.port, &uwsgi_server),
                    false => AppServer::gunicorn(stack.port, &["--threads", "1"], "oracle:application"),
                };
                let config = certificate.client(&["http/1.1"]);
                let secure =
                    || Client::over_tls(([127, 0, 0, 1], port).into(), "localhost", &config).unwrap();
                slow_downloads_hold_nobody(stack, secure);
            });
        }
    }
}

both_topologies!(event_streams_are_not_in_flight, HTTP);
fn event_streams_are_not_in_flight(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let streams: Vec<_> = (0..4).map(|_| slow_download(stack.connect(), "/events?gap=60000")).collect();
    // Two places, four streams that do not end meanwhile, and one more request.
    stack.get("/count/other").expect(200);
    drop(streams);
}

both_topologies!(nobody_waits_behind_a_head_of_what_does_not_end, HTTP);
fn nobody_waits_behind_a_head_of_what_does_not_end(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    for _ in 0..4 {
        let mut asking = stack.connect();
        asking.send("HEAD /events?gap=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(asking.head().status, 200);
        stack.get("/count/other").expect(200);
    }
}

both_topologies!(idle_connections_do_not_use_up_a_server, HTTP);
fn idle_connections_do_not_use_up_a_server(stack: &Stack) {
    let _server = AppServer::uvicorn_with(stack.port, &["--limit-concurrency", "10"]);
    for _ in 0..30 {
        let sent = stack.ask("POST", "/upload", &[("Content-Length", "3")], b"abc");
        assert_eq!(sent.expect(200).json()["length"], 3);
    }
}

both_topologies!(an_applications_own_transfer_encoding_describes_nothing, uwsgi());
fn an_applications_own_transfer_encoding_describes_nothing(stack: &Stack) {
    let _server = AppServer::uwsgi(stack.port, &["--module", "oracle:application"]);
    let page = stack.get("/count/x?nolength=1&size=100&h=Transfer-Encoding:+chunked").expect(200);
    assert_eq!(page.body.len(), 100);
    let page = stack.get("/lie?say=50&send=100").expect(200);
    assert_eq!(page.body.len(), 50, "what follows the length is dropped");
}
