//! What the edge tells applications of itself: where changes purge its pages. Nobody else can say that.

use http::Request;
use weir_tests::{AppServer, Http2, Stack, both_topologies};

const FORGED: &str = "\"evil.example:9900\";edge=\"x\";proof=:AAAA:";

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
trusted_proxies = ["127.0.0.1/32"]
underscores = true
name = "an edge"
[[edge.site]]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/plain/"
pool = "app"
"#;

const OVER_HTTP: &str = r#"
[[edge.site]]
[[edge.site.location]]
match = "/"
pool = "http"
[edge.site.location.cache]
[[wsgi_adapter.pool]]
name = "http"
servers = ["http://127.0.0.1:$PORT"]
"#;

/// Whether it is the edge's own. What the proof must be is held by other tests.
fn is_told(stack: &Stack, name: &str) -> bool {
    let Some(told) = stack.oracle.field(name, 0, "HTTP_WEIR_ADMIN") else { return false };
    let begin = format!("\"{}\";edge=\"an edge\";proof=:", stack.admin_address());
    assert!(told.starts_with(&begin) && told.len() == begin.len() + 45, "{told}");
    true
}

both_topologies!(the_application_is_told_by_the_edge_alone, SETTINGS);
fn the_application_is_told_by_the_edge_alone(stack: &Stack) {
    for (name, method, prefix) in [
        ("shared", "GET", ""),
        ("change", "POST", ""),
        ("other", "DELETE", ""),
        ("plain-change", "POST", "/plain"),
        ("plain", "GET", "/plain"),
    ] {
        let fields = [("Weir-Admin", FORGED), ("WEIR-ADMIN", FORGED), ("Weir_Admin", FORGED)];
        stack.ask(method, &format!("{prefix}/count/{name}"), &fields, b"").expect(200);
        assert!(is_told(stack, name), "{name}");
    }
    let mut client = Http2::connect(stack.http());
    for (name, method) in [("second", "GET"), ("second-change", "POST")] {
        let request = Request::builder().method(method).uri(format!("http://localhost/count/{name}"));
        let request = request.header("weir-admin", FORGED).body(()).unwrap();
        client.ask(request, b"").unwrap().expect(200);
        assert!(is_told(stack, name), "{name}");
    }
    // It goes straight through, and no page is kept of it.
    stack.get("/plain/count/straight").expect(200);
    is_told(stack, "straight");
}

both_topologies!(over_http_as_well, OVER_HTTP);
fn over_http_as_well(stack: &Stack) {
    let _server = AppServer::gunicorn(stack.port, &["--threads", "4"], "oracle:application");
    for method in ["GET", "POST"] {
        let target = format!("/count/{method}?body=field:Weir-Admin");
        let text = stack.ask(method, &target, &[("Weir-Admin", FORGED)], b"").expect(200).text();
        assert!(text.contains(";edge=") && !text.contains("evil"), "{text}");
    }
}

both_topologies!(
    where_nothing_is_kept_nothing_is_told,
    "[[edge.site]]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n"
);
fn where_nothing_is_kept_nothing_is_told(stack: &Stack) {
    stack.ask("POST", "/count/x", &[("Weir-Admin", FORGED)], b"").expect(200);
    assert_eq!(stack.oracle.field("x", 0, "HTTP_WEIR_ADMIN"), None);
}
