//! Purges where they need a token: at the admin listener, and between edge and cache-node.

use std::fs;
use std::process::Command;

use serde_json::Value;
use weir_tests::{Client, Response, Setup, Stack, Topology, binary, both_topologies, repository, until};

const ORDER: &str = r#"{"urls": ["http://localhost/count/a"]}"#;
const SITE: &str = r#"
purge_allow = ["127.0.0.1/32"]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "600s"
"#;

/// That of the containers on one machine.
fn token_file() -> String {
    repository().join("deploy/compose/admin-token").display().to_string()
}

fn with_token() -> Setup {
    Setup::from(format!("admin_token_file = \"{}\"\n{SITE}", token_file()))
}

fn purge(stack: &Stack, token: Option<&str>) -> Response {
    let (length, shown) = (ORDER.len().to_string(), format!("Bearer {}", token.unwrap_or_default()));
    let mut fields = vec![("Content-Length", &*length)];
    fields.extend(token.map(|_| ("Authorization", &*shown)));
    Client::connect(stack.admin_address()).ask("POST", "/api/v1/purge", &fields, ORDER.as_bytes())
}

both_topologies!(a_purge_has_to_show_the_token, with_token());
fn a_purge_has_to_show_the_token(stack: &Stack) {
    let token = fs::read_to_string(token_file()).unwrap();
    for (shown, status, count) in
        [(None, 401, "1\n"), (Some("another"), 401, "1\n"), (Some(token.trim()), 200, "2\n")]
    {
        stack.get("/count/a").expect(200);
        let answer = purge(stack, shown).expect(status);
        assert!(status != 200 || answer.json()["complete"] == true, "{}", answer.text());
        assert_eq!(stack.get("/count/a").expect(200).text(), count, "after {shown:?}");
    }
}

#[test]
fn a_cache_node_is_purged_by_edges_that_hold_its_token() {
    let directory = tempfile::TempDir::new().unwrap();
    let other = directory.path().join("other");
    fs::write(&other, "another\n").unwrap();
    let (right, other) = (token_file(), other.display().to_string());
    for (edge, setup) in [("with", with_token()), ("without", Setup::from(SITE))] {
        let stack = Stack::start(Topology::Split, setup);
        for (node, host, refused_without, refused_with) in [
            (None, "127.0.0.1", false, false),
            (None, "0.0.0.0", true, true),
            (Some(&right), "127.0.0.1", true, false),
            (Some(&right), "0.0.0.0", true, false),
            (Some(&other), "0.0.0.0", true, true),
        ] {
            let refused = if edge == "with" { refused_with } else { refused_without };
            let case = format!("edge {edge} token, node at {host} with {node:?}");
            restart_node(&stack, host, node);
            let outcome = settled(&stack, &case);
            assert_eq!(outcome["complete"], !refused, "{case}: {outcome}");
            assert_eq!(
                outcome["details"].to_string().contains("admin_token_file"),
                refused,
                "{case}: {outcome}"
            );
        }
    }
}

fn restart_node(stack: &Stack, host: &str, token_file: Option<&String>) {
    let port = stack.node_address().port();
    let mut command = Command::new(binary("cache-node"));
    command.arg("--config").arg(stack.directory().join("weir.toml")).env("NO_COLOR", "1");
    command.env("WEIR__CACHE_NODE__LISTEN", format!("{host}:{port}"));
    command.env("WEIR__CACHE_NODE__ADMIN_TOKEN_FILE", token_file.map_or("", |file| file));
    stack.cache_node.as_ref().unwrap().start_again(&mut command);
}

/// What comes of a PURGE once the node answers: it is over, or the node refuses it.
fn settled(stack: &Stack, case: &str) -> Value {
    until(case, || {
        let outcome = stack.ask("PURGE", "/count/a", &[], b"").json();
        let refused = outcome["details"].to_string().contains("admin_token_file");
        (outcome["complete"] == true || refused).then_some(outcome)
    })
}
