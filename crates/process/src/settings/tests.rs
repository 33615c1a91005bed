//! Bad and good settings, as files and as variables.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Deserializer};

use super::*;
use crate::units::{Size, Time};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Edge {
    listen: Vec<Listen>,
    admin: Option<String>,
    workers: u16,
    memory: Size,
    log: Log,
    tls: Option<Tls>,
    peers: OneOrMany,
    site: Vec<Site>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Log {
    #[default]
    Combined,
    Json,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: String,
    key: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    name: String,
    #[serde(default)]
    location: Vec<Location>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Location {
    r#match: String,
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    by_status: BTreeMap<u16, Time>,
}

#[derive(Debug, PartialEq)]
enum Ttl {
    Usual(Time),
    ByStatus(BTreeMap<u16, Time>),
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer, "a time such as \"1s\", or a table of times", Self::Usual, Self::ByStatus)
    }
}

#[derive(Debug, PartialEq)]
enum Listen {
    Address(String),
    Tls { address: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenTable {
    address: String,
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = |ListenTable { address }| Self::Tls { address };
        text_or_table(deserializer, "an address such as \"0.0.0.0:80\", or a table", Self::Address, table)
    }
}

/// Variables and their texts.
type Env = [(&'static str, &'static str)];

/// What is said of `text` in a file called `name`, with the folder taken out of the lines.
fn mistakes_in(name: &str, text: &str, env: &Env) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let said = match Settings::load(Some(&path), variables(env)) {
        Err(mistakes) => mistakes.to_string(),
        Ok(settings) => {
            let mut mistakes = Mistakes::default();
            settings.unknown_sections(&["edge", "cache_node"], &mut mistakes);
            settings.section::<Edge>("edge", &mut mistakes);
            mistakes.to_string()
        }
    };
    said.replace(&format!("{}/", folder.path().display()), "").lines().map(str::to_owned).collect()
}

fn variables(env: &Env) -> Vec<(String, String)> {
    env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn from_env(env: &Env) -> (Option<Edge>, String) {
    let settings = Settings::load(None, variables(env)).unwrap();
    let mut mistakes = settings.mistakes();
    let edge = settings.section("edge", &mut mistakes);
    (edge, mistakes.to_string())
}

const TOML_FILES: &[(&str, &[&str])] = &[
    ("", &[]),
    ("[edge]\nlisten = ['a:1', { address = 'b:2' }]\n[[edge.site]]\nname = 'x'\n", &[]),
    // Keys.
    (
        "[edge]\n\nlsten = ['a:1']\n",
        &["weir.toml:3: edge.lsten: unknown key `lsten`; did you mean `listen`?"],
    ),
    (
        "[edge.tls]\ncertificate = 'c'\nkey = 'k'\nfoo = 1\n",
        &["weir.toml:4: edge.tls.foo: unknown key `foo`; known here: `certificate` and `key`"],
    ),
    ("edge.lsten = 1", &["weir.toml:1: edge.lsten: unknown key `lsten`; did you mean `listen`?"]),
    (
        "# no such\n[edg]\nx = 1\n[other.x]\n",
        &[
            "weir.toml:2: edg: unknown section `edg`; did you mean `edge`?",
            "weir.toml:4: other: unknown section `other`; known here: `edge` and `cache_node`",
        ],
    ),
    (
        "edge.tls = {\n  certificate = 'c',\n  kye = 'k' }\n",
        &[
            "weir.toml:1: edge.tls: `key` is missing",
            "weir.toml:3: edge.tls.kye: unknown key `kye`; did you mean `key`?",
        ],
    ),
    // What nginx calls otherwise.
    (
        "[edge]\nserver = 1\n",
        &["weir.toml:2: edge.server: unknown key `server`; what nginx calls that is `site` here"],
    ),
    // Values.
    ("[edge]\nworkers = -1", &["weir.toml:2: edge.workers: must be a whole number from 0 to 65535, not -1"]),
    (
        "[edge]\nworkers = 70000",
        &["weir.toml:2: edge.workers: must be a whole number from 0 to 65535, not 70000"],
    ),
    (
        "[edge]\nworkers = 'two'",
        &["weir.toml:2: edge.workers: must be a whole number from 0 to 65535, not \"two\""],
    ),
    ("[edge]\nadmin = 9900", &["weir.toml:2: edge.admin: must be text, not 9900"]),
    ("[edge]\nadmin = 1979-05-27", &[]),
    ("[edge]\nlisten = 'a:1'", &["weir.toml:2: edge.listen: must be a list, not \"a:1\""]),
    (
        "[edge]\nlisten = [\n  'a:1',\n  8080,\n  { adress = 'b:2' }\n]",
        &[
            "weir.toml:4: edge.listen[1]: must be an address such as \"0.0.0.0:80\", or a table, not 8080",
            "weir.toml:5: edge.listen[2]: `address` is missing",
            "weir.toml:5: edge.listen[2].adress: unknown key `adress`; did you mean `address`?",
        ],
    ),
    (
        "[edge]\npeers = ['a', 1]\nmemory = '1 parsec'",
        &[
            "weir.toml:2: edge.peers[1]: must be text, not 1",
            "weir.toml:3: edge.memory: must be a size such as \"128MiB\", \"64k\" or 4096, not \"1 parsec\"",
        ],
    ),
    ("[edge]\npeers = 3", &["weir.toml:2: edge.peers: must be text, or a list of texts, not 3"]),
    (
        "[edge]\nlog = 'jsn'",
        &["weir.toml:2: edge.log: must be \"combined\" or \"json\", not \"jsn\"; did you mean \"json\"?"],
    ),
    ("[edge]\nlog = 3", &["weir.toml:2: edge.log: must be \"combined\" or \"json\", not 3"]),
    ("[edge]\nlog = { json = 1 }", &["weir.toml:2: edge.log.json: must be left empty, not 1"]),
    ("[edge]\ntls = true", &["weir.toml:2: edge.tls: must be a table, not true"]),
    ("edge = 1", &["weir.toml:1: edge: must be a table, not 1"]),
    ("[[edge]]", &["weir.toml:1: edge: must be a table, not a list"]),
    // Elements keep their numbers when one before them is wrong; nothing that follows from a mistake is
    // said.
    (
        r#"[[edge.site]]
[[edge.site]]
name = 1
[[edge.site.location]]
match = 2
[[edge.site.location]]
ttl = "abc"
by_status = { 200 = "1s", "x" = "1s", 404 = [] }
[[edge.site]]
nme = "c"
name = "d"
location = [{ match = "/", tll = "1s" }]
"#,
        &[
            "weir.toml:1: edge.site[0]: `name` is missing",
            "weir.toml:3: edge.site[1].name: must be text, not 1",
            "weir.toml:5: edge.site[1].location[0].match: must be text, not 2",
            "weir.toml:6: edge.site[1].location[1]: `match` is missing",
            "weir.toml:7: edge.site[1].location[1].ttl: must be a time such as \"1s\", \"250ms\" or \"1h30m\", not \"abc\"",
            "weir.toml:8: edge.site[1].location[1].by_status.404: must be a time such as \"1s\", \"250ms\" or \"1h30m\", not a list",
            "weir.toml:8: edge.site[1].location[1].by_status.x: must be a whole number from 0 to 65535, not \"x\"",
            "weir.toml:10: edge.site[2].nme: unknown key `nme`; did you mean `name`?",
            "weir.toml:12: edge.site[2].location[0].tll: unknown key `tll`; did you mean `ttl`?",
        ],
    ),
    (
        "edge.site = [{ name = 'x', location = [\n\
             { match = 'a', ttl = 1 },\n\
             { match = 'b', ttl = { 200 = 1 } },\n\
             { match = 'c', ttl = { 200 = 'x' } },\n\
             { match = 'd', ttl = -1 },\n\
             { match = 'e', ttl = true }] }]",
        &[
            "weir.toml:4: edge.site[0].location[2].ttl.200: must be a time such as \"1s\", \"250ms\" or \"1h30m\", not \"x\"",
            "weir.toml:5: edge.site[0].location[3].ttl: must be a time such as \"1s\", or a table of times, not -1",
            "weir.toml:6: edge.site[0].location[4].ttl: must be a time such as \"1s\", or a table of times, not true",
        ],
    ),
    // Syntax.
    ("[edge\nlisten = 1\n", &["weir.toml:1:6: unclosed table, expected `]`"]),
    (
        "[edge]\nlisten = 0.0.0.0:80\nadmin = 'a'\nadmin = 'b'\n",
        &[
            "weir.toml:2:13: this is no value; text stands in quotes: key = \"text\"",
            "weir.toml:4:1: `admin` is given twice",
        ],
    ),
    ("[edge]\nworkers = 99999999999999999999\n", &["weir.toml:2:11: this number is too large"]),
    (
        "[edge]\n\u{fc}ber = \u{fc}\n",
        &["weir.toml:2:1: invalid unquoted key, expected letters, numbers, `-`, `_`"],
    ),
];

#[test]
fn toml_files() {
    for (text, lines) in TOML_FILES {
        assert_eq!(mistakes_in("weir.toml", text, &[]), *lines, "{text}");
    }
}

#[test]
fn yaml_files() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("edge:\n  listen: ['a:1', {address: 'b:2'}]\n  admin: ~\n", &[]),
        (
            "edge:\n  lsten: []\n  site:\n    - name: a\n      location:\n        - match: /\n          ttl: abc\n    - nme: b\n",
            &[
                "weir.yaml:2: edge.lsten: unknown key `lsten`; did you mean `listen`?",
                "weir.yaml:7: edge.site[0].location[0].ttl: must be a time such as \"1s\", \"250ms\" or \"1h30m\", not \"abc\"",
                "weir.yaml:8: edge.site[1]: `name` is missing",
                "weir.yaml:8: edge.site[1].nme: unknown key `nme`; did you mean `name`?",
            ],
        ),
        (
            "edge:\n  listen:\n  - 'a:1'\n  -\n",
            &[
                "weir.yaml:5: edge.listen[1]: must be an address such as \"0.0.0.0:80\", or a table, not empty",
            ],
        ),
        (
            "edge:\n  workers:\n",
            &["weir.yaml:2: edge.workers: must be a whole number from 0 to 65535, not empty"],
        ),
        ("edge:\n  workers: 1\n  workers: 2\n", &["weir.yaml:3:3: `workers` is given twice"]),
        (
            "edge:\n\tworkers: 1\n",
            &["weir.yaml:2:2: tabs disallowed within this context (block indentation)"],
        ),
        ("edge: [1, 2\n", &["weir.yaml:2:1: while parsing a flow sequence, expected ',' or ']'"]),
        ("edge: {}\n---\nedge: {}\n", &["weir.yaml:2:1: a second document begins here; settings are one"]),
        ("- edge\n", &["weir.yaml:1:1: settings begin with the name of a section, such as \"edge:\""]),
        ("edge\n", &["weir.yaml:1:1: settings begin with the name of a section, such as \"edge:\""]),
    ];
    for (text, lines) in cases {
        assert_eq!(mistakes_in("weir.yaml", text, &[]), *lines, "{text}");
    }
}

#[test]
fn variables_lie_over_the_file() {
    let file = "[edge]\nadmin = 'a'\nlisten = ['a:1', 'b:2']\n[edge.tls]\ncertificate = 'c'\nkey = 'k'\n";
    let cases: &[(&Env, &[&str])] = &[
        (&[("WEIR__EDGE__ADMIN", "b")], &[]),
        (&[("WEIR__EDGE__ADMIN", "9900")], &[]),
        (&[("WEIR__EDGE__ADMIN", ""), ("WEIR_CONFIG", "x"), ("WEIRD", "x"), ("PATH", "x")], &[]),
        (
            &[("WEIR__EDGE__LSTEN", "x")],
            &["WEIR__EDGE__LSTEN: edge.lsten: unknown key `lsten`; did you mean `listen`?"],
        ),
        (
            &[("WEIR__EDGE__LISTEN", "['a:1', 2]")],
            &[
                "WEIR__EDGE__LISTEN: edge.listen[1]: must be an address such as \"0.0.0.0:80\", or a table, not 2",
            ],
        ),
        (
            &[("WEIR__EDGE__LISTEN", "['a:1'")],
            &["WEIR__EDGE__LISTEN: edge.listen: must be a list, not \"['a:1'\""],
        ),
        (
            &[("WEIR__EDGE__TLS__KEY", "[1]")],
            &["WEIR__EDGE__TLS__KEY: edge.tls.key: must be text, not a list"],
        ),
        (
            &[("WEIR__EDGE__WORKERS", "two"), ("WEIR__EDG__X", "1")],
            &[
                "WEIR__EDGE__WORKERS: edge.workers: must be a whole number from 0 to 65535, not \"two\"",
                "WEIR__EDG__X: edg: unknown section `edg`; did you mean `edge`?",
            ],
        ),
        (
            &[("WEIR__EDGE____X", "1")],
            &["WEIR__EDGE____X: edge..x: unknown section `edge..x`; did you mean `edge`?"],
        ),
    ];
    for (env, lines) in cases {
        assert_eq!(mistakes_in("weir.toml", file, env), *lines, "{env:?}");
    }
}

#[test]
fn variables_alone() {
    let (edge, said) = from_env(&[
        ("WEIR__EDGE__LISTEN", r#"["[::]:80", { address = "b:2" }]"#),
        ("WEIR__EDGE__ADMIN", "[::1]:9900"),
        ("WEIR__EDGE__WORKERS", "4"),
        ("WEIR__EDGE__MEMORY", "64k"),
        ("WEIR__EDGE__PEERS", "007"),
        ("WEIR__EDGE__TLS", "{ certificate = 'c', key = 'old' }"),
        ("WEIR__EDGE__TLS__KEY", "0x10"),
    ]);
    assert_eq!(said, "");
    let expected = Edge {
        listen: vec![Listen::Address("[::]:80".into()), Listen::Tls { address: "b:2".into() }],
        admin: Some("[::1]:9900".into()),
        workers: 4,
        memory: Size::kibibytes(64),
        peers: OneOrMany(vec!["007".into()]),
        tls: Some(Tls { certificate: "c".into(), key: "0x10".into() }),
        ..Edge::default()
    };
    assert_eq!(edge, Some(expected));
}

#[test]
fn what_services_find_gets_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    fs::write(&path, "[edge]\nworkers = 'x'\nadmin = 'a'\n[[edge.site]]\nname = 1\n[[cache_node]]\n")
        .unwrap();
    let settings = Settings::load(Some(&path), []).unwrap();
    let mut mistakes = Mistakes::default();
    let edge: Option<Edge> = settings.section("edge", &mut mistakes);
    assert_eq!(edge, Some(Edge { admin: Some("a".into()), ..Edge::default() }), "the rest can be checked");
    mistakes.push("edge.admin", "no port:\n  name one");
    mistakes.push("edge.admin", "no port:\n  name one");
    mistakes.push("edge.memory", "is too small");
    mistakes.push("edge.site", "there must be one");
    let file = path.display();
    let expected = format!(
        "{file}:1: edge.memory: is too small\n\
         {file}:2: edge.workers: must be a whole number from 0 to 65535, not \"x\"\n\
         {file}:3: edge.admin: no port: name one\n\
         {file}:5: edge.site[0].name: must be text, not 1\n"
    );
    assert_eq!(mistakes.to_string(), expected);
    assert!(settings.has("cache_node"));
    assert!(!settings.has("wsgi_adapter"));
}

#[test]
fn a_section_left_out_is_an_empty_table() {
    let settings = Settings::load(None, []).unwrap();
    let mut mistakes = settings.mistakes();
    assert_eq!(settings.section("edge", &mut mistakes), Some(Edge::default()));
    assert!(mistakes.is_empty());
    assert_eq!(settings.section::<Tls>("tls", &mut mistakes), None);
    assert_eq!(mistakes.to_string(), "tls: `certificate` is missing\n");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("binary.toml"), [0xff, 0xfe]).unwrap();
    fs::write(path("large.toml"), vec![b'\n'; 5 * 1024 * 1024]).unwrap();
    let cases = [
        ("none.toml", "there is no such file"),
        ("", "is a folder; name a file"),
        ("binary.toml", "is not UTF-8 text"),
        ("large.toml", "is larger than 4 MiB; is this the settings file?"),
    ];
    for (name, text) in cases {
        let said = Settings::load(Some(&path(name)), []).unwrap_err().to_string();
        assert_eq!(said, format!("{}: {text}\n", path(name).display()));
    }
}

#[test]
fn mistakes_are_bounded() {
    let text = "[edge]\n".to_owned() + &(0..150).map(|n| format!("zzz{n} = 1\n")).collect::<String>();
    assert_eq!(mistakes_in("weir.toml", &text, &[]).len(), mistakes::MOST);
    let mut mistakes = Mistakes::default();
    for n in 0..150 {
        mistakes.push("edge", format!("{n} is wrong"));
    }
    assert_eq!(mistakes.to_string().lines().last(), Some("and 50 more"));
}
