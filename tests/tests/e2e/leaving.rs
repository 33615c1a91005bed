//! Clients that leave while the application works: who is told, what goes on, and whose place is free when.

use std::net::SocketAddr;

use tempfile::TempDir;
use weir_tests::{Certificate, Client, Setup, Stack, both_topologies, until};

/// One place at the application, and nobody is turned away.
const SETTINGS: &str = r#"
access_log = "json"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/regardless/"
pool = "app"
ignore_client_abort = true
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
max_in_flight = 1
queue = { timeout = "60s" }
"#;

/// Long enough to leave meanwhile, on any machine.
const WORKS: &str = "delay=4000";

fn begin(stack: &Stack, target: &str) -> Client {
    stack.oracle.set("page", "delay=500");
    let mut client = stack.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client
}

/// Waits for the access log's line of this request.
fn logged(stack: &Stack, target: &str, status: u16) {
    let (target, status) = (format!("\"{target}\""), format!("\"status\":{status},"));
    until(&format!("{target} is logged with {status}"), || {
        stack.edge.output().lines().any(|line| line.contains(&target) && line.contains(&status)).then_some(())
    });
}

both_topologies!(a_client_that_leaves_is_not_waited_for_but_its_place_is_taken_until_it_is_free, SETTINGS);
fn a_client_that_leaves_is_not_waited_for_but_its_place_is_taken_until_it_is_free(stack: &Stack) {
    let slow = format!("/count/slow?{WORKS}");
    let client = begin(stack, &slow);
    stack.oracle.wait_for_calls("slow", 1);
    let queued = begin(stack, "/count/queued");
    drop(client);
    logged(stack, &slow, 499);
    // Who leaves the queue reaches nobody.
    drop(queued);
    logged(stack, "/count/queued", 499);
    assert_eq!(stack.oracle.running("slow"), 1, "uWSGI does not see that its client has left, and works on");
    stack.get("/count/next").expect(200);
    assert_eq!(stack.oracle.running("slow"), 0, "its place was given away before it was free");
    assert_eq!(stack.oracle.calls("queued"), 0);
}

both_topologies!(a_client_that_closes_its_side_only_has_left_unless_its_location_says_otherwise, SETTINGS);
fn a_client_that_closes_its_side_only_has_left_unless_its_location_says_otherwise(stack: &Stack) {
    let mut client = begin(stack, "/count/half?delay=1000");
    client.finish_sending();
    assert!(client.try_head().is_none());
    logged(stack, "/count/half?delay=1000", 499);
    let mut client = begin(stack, "/regardless/count/half2?delay=300");
    client.finish_sending();
    assert_eq!(client.response("GET").expect(200).text(), "1\n");
}

both_topologies!(a_client_that_leaves_within_a_reply_frees_the_application_before_it_says_more, SETTINGS);
fn a_client_that_leaves_within_a_reply_frees_the_application_before_it_says_more(stack: &Stack) {
    let target = "/count/events?size=2000&nolength=1&chunks=2&gap=4000";
    let mut client = begin(stack, target);
    client.head().expect(200);
    assert!(client.chunk().is_some_and(|chunk| !chunk.is_empty()));
    drop(client);
    logged(stack, target, 200);
    assert_eq!(stack.oracle.running("events"), 1);
}

both_topologies!(what_may_change_something_is_done_without_its_client, SETTINGS);
fn what_may_change_something_is_done_without_its_client(stack: &Stack) {
    assert_eq!(stack.get("/cached/count/page").text(), "1\n");
    let mut client = stack.connect();
    client.send("POST /cached/count/page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    stack.oracle.wait_for_calls("page", 2);
    drop(client);
    // The page is made anew, as after any change.
    until("the change has made the page invalid", || {
        (stack.get("/cached/count/page").expect(200).text() != "1\n").then_some(())
    });
}

both_topologies!(a_page_that_others_may_want_is_finished, SETTINGS);
fn a_page_that_others_may_want_is_finished(stack: &Stack) {
    let first = begin(stack, "/cached/count/shared?delay=500");
    stack.oracle.wait_for_calls("shared", 1);
    drop(first);
    logged(stack, "/cached/count/shared?delay=500", 499);
    assert_eq!(stack.get("/cached/count/shared?delay=500").expect(200).text(), "1\n");
    assert_eq!(stack.oracle.calls("shared"), 1);
}

both_topologies!(requests_that_come_while_another_is_under_way_are_not_lost, SETTINGS);
fn requests_that_come_while_another_is_under_way_are_not_lost(stack: &Stack) {
    let mut client = begin(stack, "/count/first?delay=300");
    stack.oracle.wait_for_calls("first", 1);
    for n in 0..40 {
        client.send(format!("GET /count/later?h=x-n:{n} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }
    client.response("GET").expect(200);
    for n in 1..=40 {
        assert_eq!(client.response("GET").expect(200).text(), format!("{n}\n"));
    }
    // Behind a body too.
    client.send("POST /upload?delay=300 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET /count/last HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.response("POST").expect(200).json()["length"], 5);
    assert_eq!(client.response("GET").expect(200).text(), "1\n");
}

#[test]
fn over_tls_too() {
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let listen = format!(
        "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {} }}]\n{SETTINGS}",
        certificate.setting()
    );
    let stack = Stack::one_process(Setup::from(listen));
    let address = SocketAddr::from(([127, 0, 0, 1], stack.port));
    let mut client = Client::over_tls(address, "localhost", &certificate.client(&["http/1.1"])).unwrap();
    let target = format!("/count/secure?{WORKS}");
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    stack.oracle.wait_for_calls("secure", 1);
    drop(client);
    logged(&stack, &target, 499);
    assert_eq!(stack.oracle.running("secure"), 1);
}
