//! `weir doctor`: what it finds, with what stands where, and its exit code.

use std::process::{Command, Output};

use serde_json::Value;
use weir_tests::{Location, Settings, Stack, Topology, binary, check, site};

fn settings() -> Settings {
    site([Location::passed("/"), Location::cached("/cached/", "60s")])
}

fn doctor(stack: &Stack, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary("weir"));
    command.arg("doctor").args(arguments).env("WEIR_RUNTIME_DIR", stack.directory());
    command.envs(variables.iter().copied()).current_dir(stack.directory()).output().unwrap()
}

/// The findings that are errors: what and where.
fn wrong(done: &Output) -> Vec<String> {
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| {
        panic!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    });
    let findings =
        told["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    findings
        .map(|finding| format!("{} {} {}", finding["setting"], finding["where"], finding["what"]))
        .collect()
}

#[test]
fn what_is_right_is_not_found_wrong() {
    check(Topology::OneProcess, settings(), |stack| {
        let done = doctor(stack, &["--json"], &[]);
        assert_eq!(wrong(&done), [""; 0]);
        assert_eq!(done.status.code(), Some(0));
        let text = doctor(stack, &[], &[]);
        assert!(String::from_utf8_lossy(&text.stdout).contains("0 wrong"), "{text:?}");
    });
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    check(Topology::OneProcess, settings(), |stack| {
        let file = stack.directory().join("weir.toml");
        let usual = std::fs::read_to_string(&file).unwrap();
        let with = |from: &str, to: &str| {
            assert!(usual.contains(from), "{from} in {usual}");
            std::fs::write(&file, usual.replacen(from, to, 1)).unwrap();
            let done = doctor(stack, &["--json"], &[]);
            std::fs::write(&file, &usual).unwrap();
            assert_eq!(done.status.code(), Some(1), "{from} → {to}");
            wrong(&done).join("\n")
        };
        // The real uWSGI of the tests takes 32 KiB.
        let found = with("\"32KiB\"", "65535");
        assert!(
            found.contains("takes less than the 65535 bytes")
                && found.contains("wsgi_adapter.pool[0].servers[0]"),
            "{found}"
        );
        let found = with(&stack.app.address(), "127.0.0.1:1");
        assert!(found.contains("127.0.0.1:1 cannot be reached") && found.contains("weir.toml:"), "{found}");
        let found = with("[[edge.site]]", "[[edge.site]]\nroot = \"/nowhere/at/all\"");
        assert!(found.contains("`/nowhere/at/all` cannot be served: `/nowhere`"), "{found}");
        let redis = format!("{usual}\n[cache_node.redis]\nurl = \"redis://127.0.0.1:1\"\n");
        std::fs::write(&file, redis).unwrap();
        let found = wrong(&doctor(stack, &["--json"], &[])).join("\n");
        std::fs::write(&file, &usual).unwrap();
        assert!(found.contains("Redis cannot be used"), "{found}");
        let log = [("WEIR__EDGE__ACCESS_LOG_TO", "/nowhere/access.log")];
        let found = wrong(&doctor(stack, &["--json"], &log)).join("\n");
        assert!(found.contains("/nowhere") && found.contains("$WEIR__EDGE__ACCESS_LOG_TO"), "{found}");
        let token = stack.directory().join("open-token");
        std::fs::write(&token, "x").unwrap();
        Command::new("chmod").arg("644").arg(&token).status().unwrap();
        let token = [("WEIR__EDGE__ADMIN_TOKEN_FILE", token.to_str().unwrap())];
        let found = wrong(&doctor(stack, &["--json"], &token)).join("\n");
        assert!(found.contains("is open to others (mode 644)"), "{found}");
        // Settings with a mistake are told as `weir check` tells them.
        std::fs::write(&file, "[edge]\nlisen = []\n").unwrap();
        let done = doctor(stack, &[], &[]);
        std::fs::write(&file, &usual).unwrap();
        assert!(
            done.status.code() == Some(1) && String::from_utf8_lossy(&done.stderr).contains("lisen"),
            "{done:?}"
        );
    });
}
