//! The rooms of each service and of the larger crates, from top to bottom. A file may import what stands
//! below its own room, never above it; and no files import each other in a circle, but parents and their
//! children.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use weir_tests::repository;

use crate::sources;

const EDGE: &[&str] = &[
    "main",
    "program",
    "lib",
    "serve",
    "listen",
    "http2",
    "http1",
    "admin",
    "explain",
    "handler",
    "edge",
    "log",
    "reply",
    "cache",
    "purge",
    "route",
    "application",
    "cache_node",
    "files",
    "fields",
    "acme",
    "tls",
    "peers",
    "request",
    "settings",
    "access",
    "limit",
    "variables",
    "coding",
    "connection",
    "metrics",
    "purge_log",
];
const CACHE_NODE: &[&str] = &[
    "main",
    "program",
    "lib",
    "service",
    "watch",
    "purge_order",
    "legacy",
    "node",
    "shared_log",
    "reach",
    "exchange",
    "limits",
    "secrets",
    "store",
    "config",
    "purges",
    "entry",
    "slot",
    "known_edges",
    "metrics",
    "streams",
    "error",
];
const WSGI_ADAPTER: &[&str] = &[
    "main",
    "program",
    "lib",
    "adapter",
    "api",
    "fetch",
    "pools",
    "pool",
    "exchange",
    "request",
    "replies",
    "probe",
    "body_memory",
    "metrics",
    "deadline",
    "spans",
    "error",
    "config",
    "address",
];
const PROCESS: &[&str] = &[
    "lib",
    "program",
    "signals",
    "telemetry",
    "listen",
    "handover",
    "legacy",
    "control",
    "service_manager",
    "watch",
    "settings",
    "reload",
    "trace",
    "units",
    "wait",
    "shutdown",
    "nofile",
    "least_rate",
    "repeated",
    "room",
    "directory",
    "host",
    "allocator",
];
const HTTP_CACHE: &[&str] = &[
    "lib",
    "redirect",
    "invalidation",
    "request",
    "reply",
    "revalidate",
    "tags",
    "key",
    "wants",
    "csrf",
    "conditional",
    "lifetime",
    "freshness",
    "holes",
    "policy",
    "parts",
    "fields",
    "targeted",
    "age",
    "vary",
    "cache_control",
    "date",
    "cache_status",
    "glob",
    "reason",
];
const ROOMS: &[(&str, &[&str])] = &[
    ("edge", EDGE),
    ("cache-node", CACHE_NODE),
    ("wsgi-adapter", WSGI_ADAPTER),
    ("crates/process", PROCESS),
    ("crates/http-cache", HTTP_CACHE),
];

/// A file, by the names from `src` on: `["cache", "fill"]`.
type Module = Vec<String>;
/// What each file imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn rooms_import_downwards_only() {
    let mut upwards = Vec::new();
    for (member, rooms) in ROOMS {
        let place = |module: &Module| {
            let room = rooms.iter().position(|known| *known == module[0]);
            room.unwrap_or_else(|| panic!("{member}: {} is in no room", module.join("/")))
        };
        for (module, imported) in imports_of(member) {
            let above = imported.iter().filter(|other| place(other) < place(&module));
            let tell = |other: &Module| {
                format!("{member}/src/{}.rs imports crate::{}", module.join("/"), other.join("::"))
            };
            upwards.extend(above.map(tell));
        }
    }
    assert!(upwards.is_empty(), "rooms import upwards:\n{}", upwards.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for (member, _) in ROOMS {
        let imports = imports_of(member);
        for (module, imported) in &imports {
            for other in imported.iter().filter(|other| !is_family(module, other)) {
                if reaches(&imports, other, module) {
                    circles.push(format!(
                        "{member}: {} and {} import each other",
                        module.join("/"),
                        other.join("/")
                    ));
                }
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// A parent declares its children, and they may use what it has.
fn is_family(one: &Module, other: &Module) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether imports lead from one file to another.
fn reaches(imports: &Imports, from: &Module, to: &Module) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            let next = imports.get(module).into_iter().flatten();
            open.extend(next.filter(|other| !is_family(module, other)));
        }
    }
    false
}

/// The imports of each file but tests.
fn imports_of(member: &str) -> Imports {
    let src = repository().join(member).join("src");
    let module = |file: &Path| -> Module {
        let inside = file.strip_prefix(&src).unwrap().with_extension("");
        inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let mut files = BTreeMap::new();
    for file in sources(&src) {
        files.insert(module(&file), fs::read_to_string(&file).unwrap());
    }
    files.retain(|module, _| !module.iter().any(|part| part == "tests"));
    let face = files.get(&["lib".to_owned()][..]).map(|text| face(text)).unwrap_or_default();
    let mut imports = Imports::new();
    for (module, text) in &files {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let own = imports.entry(module.clone()).or_default();
        for path in paths(&without_comments(text), module) {
            // What only tests use of other tests.
            if path[0] == "tests" {
                continue;
            }
            let path = match face.get(&path[0]) {
                Some(room) => vec![room.clone()],
                None => path,
            };
            let target = (1..=path.len()).rev().find_map(|length| files.get_key_value(&path[..length]));
            let target = target.map_or_else(|| vec!["lib".to_owned()], |(target, _)| target.clone());
            if target != *module {
                own.insert(target);
            }
        }
    }
    imports
}

/// The rooms of what the face names: `pub use config::Config`.
fn face(lib: &str) -> BTreeMap<String, String> {
    let mut rooms = BTreeMap::new();
    let uses = lib.split("pub use ").skip(1).chain(lib.split("pub(crate) use ").skip(1));
    for used in uses.filter_map(|text| text.split(';').next()) {
        for path in expand(used.trim_start_matches("crate::"), &[]) {
            if let (Some(room), Some(name)) = (path.first(), path.last()) {
                rooms.insert(name.clone(), room.clone());
            }
        }
    }
    rooms
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Each path that begins with `crate::` or `super::`, from `src` on.
fn paths(text: &str, module: &Module) -> Vec<Module> {
    let parent = module.get(..module.len() - 1).unwrap_or_default();
    let from = |word: &str, base: &[String]| -> Vec<Module> {
        text.match_indices(word).flat_map(|(at, _)| expand(&text[at + word.len()..], base)).collect()
    };
    let mut found = from("crate::", &[]);
    if !parent.is_empty() {
        found.extend(from("super::", parent));
    }
    found
}

/// The paths of `a::{b, c::d}`, behind `base`.
fn expand(text: &str, base: &[String]) -> Vec<Module> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return top_level(group).iter().flat_map(|member| expand(member, base)).collect();
    }
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name == "self" {
        return if base.is_empty() { Vec::new() } else { vec![base.to_vec()] };
    }
    let path = [base, &[name.to_owned()]].concat();
    match rest.strip_prefix("::") {
        Some(rest) => expand(rest, &path),
        None => vec![path],
    }
}

/// The members of a group `a, b::{c, d}}`, up to its own brace.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut members) = (0, vec![String::new()]);
    for char in group.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            char => members.last_mut().unwrap().push(char),
        }
    }
    members.retain(|member| !member.is_empty());
    members
}
