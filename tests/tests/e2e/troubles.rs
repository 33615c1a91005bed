//! What the log says of an application that is dead, or speaks another protocol: what it is, and not too
//! often.

use std::net::TcpListener;
use std::thread;

use weir_tests::{Stack, both_topologies, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["127.0.0.1:$PORT"]
"#;

both_topologies!(a_dead_application_is_logged_once, SETTINGS);
fn a_dead_application_is_logged_once(stack: &Stack) {
    for n in 0..40 {
        stack.get(&format!("/{n}")).expect(502);
    }
    let log = stack.log();
    let lines = log.lines().filter(|line| line.contains("application failed")).count();
    // A busy machine may take longer than the ten seconds between two.
    assert!((1..20).contains(&lines), "{lines} lines:\n{log}");
}

both_topologies!(an_http_server_behind_uwsgi_is_told_of, SETTINGS);
fn an_http_server_behind_uwsgi_is_told_of(stack: &Stack) {
    let server = TcpListener::bind(("127.0.0.1", stack.port)).unwrap();
    // It waits for the end of a line.
    let _held = thread::spawn(move || server.incoming().take(1).collect::<Vec<_>>());
    let mut client = stack.connect();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let hint = format!("write \"http://127.0.0.1:{}\"", stack.port);
    until("the log says what it looks like", || stack.log().contains(&hint).then_some(()));
}
