//! A feature: a folder of `tests/side-by-side/` with `nginx.conf` (what stands in `http`), `weir.toml`, and
//! `requests.toml`, the words that its requests are drawn from.
//!
//! In all three `@FILES@` is the directory that both serve, `@DIR@` one of the program's own, and
//! `@UWSGI@`, `@HTTP@`, `@FPM@` (PHP-FPM) are the applications' addresses. `@LISTEN@` in nginx's servers is
//! its listeners.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::Table;
use weir_tests::repository;

pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) nginx: String,
    pub(crate) settings: String,
    pub(crate) words: Words,
}

impl Feature {
    /// It needs servers of its own.
    pub(crate) fn is_alone(&self) -> bool {
        self.words.alone || self.words.newer
    }
}

/// What requests are drawn from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Words {
    pub(crate) hosts: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) queries: Vec<String>,
    /// How often a path is changed at most: an escape, a dot, a doubled slash …
    pub(crate) wild: usize,
    /// Fields by name. `<long>` in a value is a long run of letters, `<random>` a few; `<round>`
    /// is the same for some requests in turn, `<number>` another for each.
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    /// Fields may be there twice.
    pub(crate) repeats: bool,
    /// Bodies of methods that have one.
    pub(crate) bodies: Vec<String>,
    /// What stands before the request on a new connection to the listener with the PROXY protocol.
    pub(crate) preambles: Vec<String>,
    /// Requests of which some are in progress while another is asked: they want to send more.
    pub(crate) held: Vec<String>,
    /// What clients show to the listener with TLS: `none`, `ann`, `deep`, `self`, `stranger`, `expired`.
    pub(crate) certificates: Vec<String>,
    /// How that listener checks it, in Weir's word.
    pub(crate) verify: String,
    /// Answers take as long as nginx's, so a fifth of the requests is enough.
    pub(crate) timed: bool,
    /// A request that is sent again gets another answer: it counts.
    pub(crate) counts: bool,
    /// It has settings that concern all other features too.
    pub(crate) alone: bool,
    /// Debian's nginx does not have it; it has a server of its own.
    pub(crate) newer: bool,
    /// Files in `@DIR@` that hold the same lines afterwards, each beginning with `$http_x_number`.
    pub(crate) logs: Vec<String>,
}

impl Default for Words {
    fn default() -> Self {
        let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        Self {
            hosts: Vec::new(),
            methods: texts(&["GET", "GET", "GET", "HEAD"]),
            paths: texts(&["/"]),
            queries: texts(&[""]),
            wild: 2,
            fields: BTreeMap::new(),
            repeats: true,
            bodies: texts(&["", "a=1&b=2"]),
            preambles: Vec::new(),
            held: Vec::new(),
            certificates: Vec::new(),
            verify: "optional".to_owned(),
            timed: false,
            counts: false,
            alone: false,
            newer: false,
            logs: Vec::new(),
        }
    }
}

/// All features, or those that `WEIR_FEATURES` names.
pub(crate) fn all() -> Vec<Feature> {
    let wanted = std::env::var("WEIR_FEATURES").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    let folders = fs::read_dir(repository().join("tests/side-by-side")).unwrap();
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    let features = folders.iter().filter(|path| path.is_dir()).map(|path| read(path));
    features.filter(|feature| wanted.is_empty() || wanted.contains(&feature.name.as_str())).collect()
}

fn read(folder: &Path) -> Feature {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let words: Table =
        text("requests.toml").parse().unwrap_or_else(|error| panic!("{name}/requests.toml: {error}"));
    let words: Words = words.try_into().unwrap_or_else(|error| panic!("{name}/requests.toml: {error}"));
    assert!(!words.hosts.is_empty(), "{name}/requests.toml names no hosts");
    Feature { nginx: text("nginx.conf"), settings: text("weir.toml"), words, name }
}
