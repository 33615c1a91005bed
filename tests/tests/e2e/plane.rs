//! The admin listener: by which host, from which page and with which token; and that probes are answered
//! whatever hangs there.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use weir_tests::{
    Client, Location, Response, Settings, Stack, Topology, binary, both_topologies, check,
    once_measured_within, site, until,
};

fn settings() -> Settings {
    site([Location::cached("/internal/", "60s").with("internal", true), Location::cached("/", "60s")])
        .with("edge.admin_hosts", vec!["admin.example.com"])
}

const PURGE: &str = r#"{"all": true}"#;

/// One request with just these fields.
fn ask(admin: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> Response {
    let mut client = Client::connect(admin);
    let length = body.len();
    client.send(format!("{method} {target} HTTP/1.1\r\n{fields}content-length: {length}\r\n\r\n{body}"));
    client.response(method)
}

both_topologies!(it_answers_only_hosts_of_its_own, settings());
fn it_answers_only_hosts_of_its_own(stack: &Stack) {
    let admin = stack.admin_address();
    let port = admin.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("127.9.9.9:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("admin.example.com".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        (format!("192.0.2.1:{port}"), 421),
    ] {
        for target in ["/livez", "/readyz", "/metrics", "/api/v1/status", "/", "/api/v1/pools"] {
            let answer = ask(admin, "GET", target, &format!("host: {host}\r\n"), "");
            let usual =
                if target == "/api/v1/pools" && stack.topology == Topology::Split { 404 } else { 200 };
            assert_eq!(answer.status, if status == 200 { usual } else { status }, "{target} of {host}");
        }
        let purged = ask(admin, "POST", "/api/v1/purge", &format!("host: {host}\r\n"), PURGE);
        assert_eq!(purged.status, status, "a purge by way of {host}");
    }
    assert_eq!(ask(admin, "GET", "/livez", "", "").status, 400);
}

both_topologies!(a_page_of_another_site_changes_nothing, settings());
fn a_page_of_another_site_changes_nothing(stack: &Stack) {
    let admin = stack.admin_address();
    for (n, (fields, may)) in [
        (format!("origin: http://{admin}\r\nsec-fetch-site: same-origin\r\n"), true),
        ("origin: https://admin.example.com\r\n".to_owned(), true),
        ("origin: http://localhost:3000\r\n".to_owned(), false),
        ("origin: https://evil.example\r\n".to_owned(), false),
        ("origin: null\r\n".to_owned(), false),
        ("sec-fetch-site: cross-site\r\n".to_owned(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/count/page{n}");
        assert_eq!(stack.get(&target).expect(200).text(), "1\n");
        let purged = ask(admin, "POST", "/api/v1/purge", &format!("host: {admin}\r\n{fields}"), PURGE);
        assert_eq!(purged.status, if may { 200 } else { 403 }, "{fields}");
        assert_eq!(stack.get(&target).expect(200).text(), if may { "2\n" } else { "1\n" }, "{fields}");
    }
}

both_topologies!(explain_wants_the_token, settings());
fn explain_wants_the_token(stack: &Stack) {
    let admin = stack.admin_address();
    let target = "/api/v1/explain?url=http://localhost/count/x&field=Cookie:%20sessionid=a";
    for method in ["GET", "POST"] {
        let refused = ask(admin, method, target, &format!("host: {admin}\r\n"), "");
        assert_eq!(refused.status, 401, "{}", refused.text());
    }
    assert_eq!(stack.oracle.calls("x"), 0, "the application was asked as anybody");
    stack.ask_admin("GET", target, "").expect(200);
    assert_eq!(stack.oracle.calls("x"), 1);
    let internal = stack.ask_admin("GET", "/api/v1/explain?url=http://localhost/internal/count/x", "").json();
    assert_eq!(internal["conclusion"], "The answer is 404.");
    assert_eq!(stack.oracle.calls("x"), 1);
    // As the front door hands it on: what only a trusted proxy may say is not said.
    let field =
        "X-Forwarded-For:%201.2.3.4&field=X-Original-URL:%20/admin&field=Connection:%20X-A&field=X-A:%201";
    stack
        .ask_admin("GET", &format!("/api/v1/explain?url=http://localhost/count/y&field={field}"), "")
        .expect(200);
    for name in ["HTTP_X_ORIGINAL_URL", "HTTP_X_A"] {
        assert_eq!(stack.oracle.field("y", 0, name), None, "{name}");
    }
    assert_ne!(stack.oracle.field("y", 0, "HTTP_X_FORWARDED_FOR").as_deref(), Some("1.2.3.4"));
    let refused = "/api/v1/explain?url=http://localhost/&field=Content-Length:%20a";
    let refused = stack.ask_admin("GET", refused, "").expect(200).json();
    assert!(refused["conclusion"].as_str().unwrap().contains("400"), "{refused}");
}

fn weir(stack: &Stack, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("weir"));
    command.args(arguments).env("WEIR_RUNTIME_DIR", stack.directory()).current_dir(stack.directory());
    command.output().unwrap()
}

both_topologies!(the_command_line_finds_the_token, settings());
fn the_command_line_finds_the_token(stack: &Stack) {
    let name = format!("admin-{}.token", stack.admin_address().to_string().replace(':', "_"));
    let mode = stack.directory().join(&name).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let localhost = format!("localhost:{}", stack.admin_address().port());
    for arguments in [
        &["explain", "http://localhost/count/x"][..],
        &["explain", "http://localhost/count/x", "--admin", &localhost],
        &["explain", "http://localhost/count/x", "--token-file", &name],
        &["purge", "--all"],
    ] {
        let done = weir(stack, arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    std::fs::write(stack.directory().join("other"), "other\n").unwrap();
    let refused = weir(stack, &["explain", "http://localhost/count/x", "--token-file", "other"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Bearer"), "{refused:?}");
    for command in [&["purge", "--all", "-c", "/missing"][..], &["explain", "http://h/", "-c", "/missing"]] {
        let missing = weir(stack, command);
        assert_eq!(missing.status.code(), Some(1), "{command:?}");
        assert!(String::from_utf8_lossy(&missing.stderr).contains("/missing"), "{missing:?}");
    }
}

#[test]
fn servers_are_changed_with_the_token_only() {
    check(Topology::OneProcess, settings(), |stack| {
        let (admin, servers) = (stack.admin_address(), "/api/v1/pools/app/servers");
        let fields = format!("host: {admin}\r\ncontent-type: application/json\r\n");
        for (method, target, body) in [
            ("POST", servers, r#"{"address": "127.0.0.1:2"}"#),
            ("PATCH", "/api/v1/pools/app/servers/0", r#"{"down": true}"#),
            ("DELETE", "/api/v1/pools/app/servers/0", ""),
        ] {
            assert_eq!(ask(admin, method, target, &fields, body).status, 401, "{method}");
        }
        assert_eq!(stack.admin(servers).expect(200).json().as_array().unwrap().len(), 1);
        for (address, status) in [
            ("127.0.0.1:2", 201),
            ("203.0.113.1:3031", 403),
            ("evil.example:3031", 403),
            ("unix:/run/redis.sock", 403),
            ("http://127.0.0.1:2", 400),
        ] {
            let body = format!("{{\"address\": \"{address}\"}}");
            assert_eq!(stack.ask_admin("POST", servers, &body).status, status, "{address}");
        }
    });
}

both_topologies!(probes_are_answered_whatever_hangs_there, settings());
fn probes_are_answered_whatever_hangs_there(stack: &Stack) {
    let admin = stack.admin_address();
    let half_body = format!("POST /api/v1/purge HTTP/1.1\r\nhost: {admin}\r\ncontent-length: 9\r\n\r\n1");
    for half in ["", "GET /livez HTTP/1.1\r\nhost: local", &half_body] {
        once_measured_within(Duration::from_secs(3), &format!("a probe behind {half:?}"), || {
            let mut hanging = Vec::new();
            for _ in 0..100 {
                let mut stream = TcpStream::connect(admin).unwrap();
                let _ = stream.write_all(half.as_bytes());
                hanging.push(stream);
            }
            let begun = Instant::now();
            stack.admin("/readyz").expect(200);
            begun.elapsed()
        });
    }
}

/// As probes and Prometheus come: by the address of the container.
#[test]
fn a_listener_on_all_addresses_is_reached_by_them() {
    check(Topology::Split, settings(), |stack| {
        let port = weir_tests::free_port();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(binary("cache-node"));
        command.arg("--config").arg(stack.directory().join("weir.toml")).env("NO_COLOR", "1");
        command.env("WEIR__CACHE_NODE__ADMIN", format!("0.0.0.0:{port}"));
        stack.cache_node.as_ref().unwrap().start_again(&mut command);
        until("it listens", || TcpStream::connect(at).ok());
        for (host, status) in [("10.244.1.7:9901", 200), ("[fd00::7]:9901", 200), ("cache-node:9901", 421)] {
            let answer = ask(at, "GET", "/livez", &format!("host: {host}\r\n"), "");
            assert_eq!(answer.status, status, "{host}");
        }
    });
}

both_topologies!(no_dots_lead_past_an_internal_location, settings());
fn no_dots_lead_past_an_internal_location(stack: &Stack) {
    stack.get("/internal/count/a").expect(404);
    let ways = ["/internal/../count/dots", "/internal/%2e%2e/count/dots", "/internal/x/..%2f../count/dots"];
    for (n, way) in ways.iter().enumerate() {
        stack.ask("POST", way, &[("Content-Length", "0")], b"").expect(200);
        assert_eq!(stack.oracle.calls("dots"), n as u64 + 1, "{way}");
    }
}

fn stale() -> Settings {
    site([Location::cached("/", "600s").cache("stale_while_revalidate", "600s")])
}

both_topologies!(no_visitor_has_a_page_generated_all_the_time, stale());
fn no_visitor_has_a_page_generated_all_the_time(stack: &Stack) {
    let begun = Instant::now();
    for _ in 0..40 {
        stack.get("/count/hot").expect(200);
        stack.ask("POST", "/count/x?h=Location:/count/hot", &[("Content-Length", "0")], b"").expect(200);
    }
    stack.get("/count/hot").expect(200);
    let most = 3 + begun.elapsed().as_secs();
    let calls = stack.oracle.calls("hot");
    assert!(calls <= most, "{calls} calls, {most} at most");
    // The last change is not forgotten.
    until("it is stale", || {
        stack.get("/count/hot").expect(200);
        (stack.oracle.calls("hot") > 1).then_some(())
    });
}
