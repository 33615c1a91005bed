//! The shape of the repository (design, sections 2 and 8): who may depend on whom, how files begin, and
//! how types are called.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

#[path = "shape/names.rs"]
mod names;
#[path = "shape/rooms.rs"]
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use weir_tests::repository;

const SERVICES: &[&str] = &["edge", "cache-node", "wsgi-adapter"];
/// Pure: no socket, no clock of its own, nothing asynchronous.
const PURE: &[&str] = &[
    "crates/http-cache",
    "crates/cgi",
    "crates/uwsgi",
    "crates/fastcgi",
    "crates/purge",
    "crates/http1",
    "crates/http2",
    "crates/nginx-conf",
    "crates/nginx-front",
    "crates/settings-doc",
    "crates/record-filter",
    "crates/side-by-side",
];
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "tokio-stream",
    "futures-util",
    "hyper",
    "hyper-util",
    "tonic",
    "tower",
    "socket2",
    "parking_lot",
    "rand",
    "libc",
    "rustix",
];
/// Names that say nothing of what is inside.
const REFUSED: &[&str] = &["common", "util", "utils", "helper", "helpers", "misc", "core", "types", "shared"];

/// Crates below the services. Each may depend on those of a lower rank only.
const RANKS: &[&[&str]] = &[
    &[
        "proto",
        "crates/http1",
        "crates/http2",
        "crates/process",
        "crates/purge",
        "crates/leaky-bucket",
        "crates/nginx-conf",
        "crates/settings-doc",
        "crates/record-filter",
        "crates/side-by-side",
    ],
    &["crates/admin", "crates/http-cache", "crates/cgi", "crates/nginx-front"],
    &["crates/uwsgi", "crates/fastcgi"],
];

/// Where a crate stands below the services. Services and what is above them have no rank.
fn rank(member: &str) -> Option<usize> {
    RANKS.iter().position(|crates| crates.contains(&member))
}

fn is_leaf(member: &str) -> bool {
    member == "proto" || member.starts_with("crates/")
}

fn manifest(member: &str) -> Table {
    let file = repository().join(member).join("Cargo.toml");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).parse().unwrap()
}

fn members() -> Vec<String> {
    let root = manifest("");
    let members = root["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

/// What a member depends on, also while it builds and on some platforms only; not what its tests use.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = manifest(member);
    let mut tables = vec![&manifest];
    tables.extend(
        manifest
            .get("target")
            .and_then(Value::as_table)
            .into_iter()
            .flat_map(|targets| targets.values())
            .filter_map(Value::as_table),
    );
    let kinds = ["dependencies", "build-dependencies"];
    let listed =
        tables.into_iter().flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    listed.flat_map(|table| table.iter()).map(|(name, entry)| package(name, entry)).collect()
}

/// The package, whatever it is called here.
fn package(name: &str, entry: &Value) -> String {
    entry.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}

fn package_name(member: &str) -> String {
    manifest(member)["package"]["name"].as_str().unwrap().to_owned()
}

/// Ours among the dependencies, as member paths.
fn ours(member: &str) -> Vec<String> {
    let dependencies = dependencies(member);
    members().into_iter().filter(|other| dependencies.contains(&package_name(other))).collect()
}

#[test]
fn arrows_point_down_only() {
    for member in members() {
        for other in ours(&member) {
            let allowed = match member.as_str() {
                leaf if is_leaf(leaf) => rank(leaf) > rank(&other) && rank(&other).is_some(),
                service if SERVICES.contains(&service) => is_leaf(&other),
                _ => other != member,
            };
            assert!(allowed, "{member} must not depend on {other}");
        }
    }
    for member in SERVICES.iter().chain(PURE) {
        assert!(members().iter().any(|known| known == member), "{member} is not in the workspace");
    }
}

#[test]
fn only_one_service_knows_redis_and_one_the_applications_protocols() {
    for member in members() {
        let dependencies = dependencies(&member);
        let knows = |name: &str| dependencies.iter().any(|dependency| dependency == name);
        assert_eq!(knows("redis") || knows("bb8"), member == "cache-node", "{member} and Redis");
        if SERVICES.contains(&member.as_str()) {
            for protocol in ["cgi", "uwsgi", "fastcgi"] {
                assert_eq!(knows(protocol), member == "wsgi-adapter", "{member} and {protocol}");
            }
        }
    }
}

#[test]
fn the_pure_crates_are_pure() {
    for member in PURE {
        let dependencies = dependencies(member);
        let impure: Vec<_> =
            IMPURE.iter().filter(|name| dependencies.iter().any(|known| known == *name)).collect();
        assert!(impure.is_empty(), "{member} depends on {impure:?}");
        for file in sources(&repository().join(member).join("src")) {
            // Tests may read the clock: an Instant cannot be had otherwise.
            if file.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for word in [
                "std::net::Tcp",
                "std::net::Udp",
                "Instant::now",
                "SystemTime::now",
                "std::thread",
                "std::sync::Mutex",
                "async fn",
            ] {
                assert!(!text.contains(word), "{} holds {word}", file.display());
            }
        }
    }
}

#[test]
fn each_file_says_what_it_owns() {
    let mut silent = Vec::new();
    for member in members() {
        for file in sources(&repository().join(&member)) {
            if !fs::read_to_string(&file).unwrap().starts_with("//! ") {
                silent.push(file.strip_prefix(repository()).unwrap().to_owned());
            }
            let name = file.file_name().unwrap();
            assert_ne!(name, "mod.rs", "{}: write name.rs beside name/", file.display());
        }
    }
    assert!(silent.is_empty(), "do not begin with //! and what they own: {silent:?}");
}

#[test]
fn names_say_what_is_inside() {
    for member in members() {
        let name = package_name(&member);
        assert!(!REFUSED.contains(&name.as_str()), "{member} is called {name}");
        for file in sources(&repository().join(&member)) {
            let inside = file.strip_prefix(repository()).unwrap().with_extension("");
            for part in inside.components() {
                let part = part.as_os_str().to_string_lossy();
                assert!(!REFUSED.contains(&part.as_ref()), "{}: {part}", file.display());
            }
        }
    }
}

/// All .rs files below a directory that are ours.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
