//! Why: each decision has a reason, in Cache-Status, in the metrics, and step by step from `weir explain`.

use std::process::{Command, Output};

use serde_json::Value;
use weir_tests::{Stack, binary, both_topologies, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
root = "$DIR"

[[edge.site.location]]
match = "/files/"

[[edge.site.location]]
match = "/internal/"
pool = "app"
internal = true

[[edge.site.location]]
match = "/uncached/"
pool = "app"

[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
ignore_query = ["utm_*"]
bypass = { query = ["draft"] }

[[edge.site.location]]
match = "/dead/"
pool = "dead"
[edge.site.location.cache]
ttl = "60s"

[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[[wsgi_adapter.pool]]
name = "dead"
servers = ["127.0.0.1:$PORT"]
"#;

/// The explanation as the admin listener gives it.
fn explained(stack: &Stack, target: &str, field: &str) -> Value {
    let url = encoded(&format!("http://localhost{target}"));
    let field = if field.is_empty() { String::new() } else { format!("&field={}", encoded(field)) };
    stack.ask_admin("GET", &format!("/api/v1/explain?url={url}{field}"), "").expect(200).json()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// All of one step's findings and rules.
fn step(explained: &Value, name: &str) -> String {
    let steps = explained["steps"].as_array().unwrap().iter().filter(|step| step["step"] == name);
    let said =
        steps.map(|step| format!("{} [{}]", step["found"].as_str().unwrap(), step["rule"].as_str().unwrap()));
    said.collect::<Vec<_>>().join("\n")
}

both_topologies!(each_step_names_its_rule, SETTINGS);
fn each_step_names_its_rule(stack: &Stack) {
    // Target, field, step, what it says.
    let cases = [
        ("/files/x", "", "files", "from files"),
        ("/internal/x", "", "internal", "only the application itself"),
        ("/uncached/count/x", "", "cache", "The location has no cache. (off) [setting cache]"),
        ("/count/x?draft=1", "", "request", "(bypass) [setting bypass]"),
        ("/count/x?utm_source=a&b=1", "", "key", "http://localhost/count/x?b=1"),
        ("/count/x?utm_source=a&b=1", "", "trimmed", "/count/x?b=1"),
        (
            "/count/x",
            "Cookie: django_language=de; _ga=1",
            "key",
            "http://localhost/count/x + cookie django_language=de",
        ),
        ("/count/x", "Cookie: _ga=1; sessionid=s", "cookie", "sessionid: personal"),
        ("/count/x", "Cookie: sessionid=s", "stored here", "(personal-cookie)"),
        ("/count/x", "Cookie: sessionid=s", "store", "(personal-cookie)"),
        ("/count/x?h=Cache-Control:public", "Cookie: sessionid=s", "for whom", "all, those with a session"),
        ("/count/x", "", "site", "localhost [setting edge.site.server_name]"),
        ("/count/x", "", "location", "/ [setting edge.site.location.match]"),
        ("/count/x", "", "application", "200 OK from"),
        ("/count/x", "", "lifetime", "60 s from setting ttl [RFC 9111 section 4.2.2, setting ttl]"),
        (
            "/count/x?h=Cache-Control:max-age%3D7",
            "",
            "lifetime",
            "7 s from max-age [RFC 9111 section 5.2.2.1]",
        ),
        ("/count/x?h=Cache-Control:max-age%3D7", "", "reply says", "cache-control: max-age=7"),
        (
            "/count/x?h=Cache-Control:max-age%3D7&h=Age:3",
            "",
            "age",
            "s when it came [RFC 9111 section 4.2.3]",
        ),
        ("/count/x?h=Vary:Accept-Language", "", "variants", "accept-language [RFC 9111 section 4.1]"),
        ("/count/x?h=Set-Cookie:secret%3Dvalue", "", "store", "(set-cookie)"),
        ("/count/x?h=Cache-Control:no-cache&etag=a", "", "lifetime", "[RFC 9111 section 5.2.2.4]"),
        ("/count/x?body=html-with-csrf", "", "body", "(csrf-token)"),
        ("/count/x?status=500", "", "store", "(status)"),
        ("/count/x", "", "body", "bytes of text/plain"),
        ("/dead/count/x", "", "application", "UNREACHABLE"),
    ];
    let mut wrong = Vec::new();
    for (target, field, name, expected) in cases {
        let explained = explained(stack, target, field);
        if !step(&explained, name).contains(expected) {
            wrong.push(format!("{target} {field}: no {expected:?} in step {name} of {explained:#}"));
        }
        assert!(!explained["conclusion"].as_str().unwrap().is_empty());
        assert!(!explained.to_string().contains("secret=value"), "a cookie's value is the visitor's own");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

both_topologies!(it_asks_once_and_stores_nothing, SETTINGS);
fn it_asks_once_and_stores_nothing(stack: &Stack) {
    for calls in 1..4 {
        assert!(step(&explained(stack, "/count/once", ""), "stored here").starts_with("nothing"));
        assert_eq!(stack.oracle.calls("once"), calls);
    }
    stack.get("/count/once").expect(200).expect_cache(&["fwd=uri-miss", "stored"]);
    assert!(step(&explained(stack, "/count/once", ""), "stored here").starts_with("fresh; age"));
    assert_eq!(stack.get("/count/once").expect_cache(&["hit"]).text(), "4\n");
    // Nor is it remembered what could not be stored.
    explained(stack, "/count/refused?h=Cache-Control:private", "");
    stack.oracle.set("kept", "h=Cache-Control:private");
    explained(stack, "/count/kept", "");
    stack.oracle.set("kept", "");
    stack.get("/count/kept").expect_cache(&["fwd=uri-miss", "stored"]);
}

both_topologies!(weir_explain_prints_it, SETTINGS);
fn weir_explain_prints_it(stack: &Stack) {
    let admin = stack.admin_address().to_string();
    let weir = |arguments: &[&str]| -> Output {
        Command::new(binary("weir"))
            .arg("explain")
            .args(arguments)
            .args(["--admin", &admin])
            .env("WEIR_RUNTIME_DIR", stack.directory())
            .output()
            .unwrap()
    };
    let printed =
        weir(&["http://localhost/count/cli", "-H", "Cookie: sessionid=a", "-H", "Accept-Language: de"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success(), "{text} {}", String::from_utf8_lossy(&printed.stderr));
    for said in [
        "http://localhost/count/cli\n",
        "  location: /  [setting edge.site.location.match]\n",
        "sessionid: personal",
        "The reply is not stored: The request carries a personal cookie",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    assert_eq!(stack.oracle.field("cli", 0, "HTTP_ACCEPT_LANGUAGE").as_deref(), Some("de"));
    for wrong in [&["not a url"][..], &["http://localhost/", "-H", "nonsense"], &[]] {
        let refused = weir(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(!refused.stderr.is_empty(), "{wrong:?}");
    }
    let lost = Command::new(binary("weir"))
        .args(["explain", "http://h/", "--admin", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(lost.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&lost.stderr).contains("nothing answers at 127.0.0.1:1"));
}

both_topologies!(reasons_are_counted, SETTINGS);
fn reasons_are_counted(stack: &Stack) {
    for target in ["/count/a?h=Set-Cookie:a%3Db", "/count/b?h=Set-Cookie:a%3Db", "/count/c?draft"] {
        stack.get(target).expect(200);
    }
    stack.get_with("/count/d", &[("Cookie", "sessionid=a")]).expect(200);
    for (reason, count) in [("set-cookie", 2), ("bypass", 1), ("personal-cookie", 1)] {
        let line = format!(
            "weir_edge_cache_reasons_total{{site=\"localhost\",location=\"/\",reason=\"{reason}\"}} {count}\n"
        );
        // A request is counted when it has been answered.
        until(&line, || stack.admin("/metrics").expect(200).text().contains(&line).then_some(()));
    }
}
