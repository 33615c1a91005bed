//! Sites bound to listeners, as nginx chose for the same `listen` and `default_server`.

use super::*;
use crate::metrics::Metrics;

use crate::route::{self, Site, Sites};

fn build(sites: &str) -> Result<Sites, String> {
    let text = format!("listen = [\"0.0.0.0:80\", \"0.0.0.0:443\", \"127.0.0.1:8080\"]\n{sites}");
    let config: Config = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
    let mut mistakes = Mistakes::default();
    let sites = route::build(&config, &config.listen, &Metrics::new(Default::default), &mut mistakes);
    sites.filter(|_| mistakes.is_empty()).ok_or_else(|| mistakes.to_string())
}

/// The roots say which site it is.
const SITES: &str = r#"
[[site]]
server_name = ["a.example"]
listen = [80]
root = "/redirect"
[[site]]
server_name = ["a.example"]
listen = ["0.0.0.0:443"]
root = "/a"
[[site]]
server_name = ["b.example"]
listen = [":443", 8080]
default_server = [443]
root = "/b"
[[site]]
server_name = ["c.example"]
root = "/c"
"#;

fn found_at(site: &Site) -> &str {
    site.otherwise().document_root.constant.as_deref().unwrap()
}

#[test]
fn a_site_answers_on_its_listeners() {
    let sites = build(SITES).unwrap();
    let cases = [
        (0, "a.example", "/redirect"),
        (1, "a.example", "/a"),
        (2, "a.example", "/b"),
        (0, "b.example", "/redirect"),
        (1, "b.example", "/b"),
        (2, "b.example:8080", "/b"),
        (0, "c.example", "/c"),
        (1, "c.example", "/c"),
        (2, "c.example", "/c"),
        (0, "unknown", "/redirect"),
        (1, "unknown", "/b"),
        (2, "unknown", "/b"),
        (1, "", "/b"),
    ];
    for (listener, host, root) in cases {
        assert_eq!(found_at(sites.choose(listener, host)), root, "{listener} {host}");
    }
    let all: Vec<_> = sites.all_of("a.example").map(found_at).collect();
    assert_eq!(all, ["/redirect", "/a", "/b"]);
}

#[test]
fn without_listen_all_listeners_share_one_table() {
    let sites = build("[[site]]\nserver_name = [\"a\"]\nroot = \"/a\"\n").unwrap();
    assert!(Arc::ptr_eq(&sites.names[0], &sites.names[2]));
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        (
            "[[site]]\nlisten = [81]\n",
            "site[0].listen[0]: no listener is at `81`; `edge.listen` has 0.0.0.0:80,",
        ),
        ("[[site]]\nlisten = [\"1.1.1.1:80\"]\n", "no listener is at `1.1.1.1:80`"),
        ("[[site]]\nlisten = [80]\n", "listen[1]: no site answers here"),
        ("[[site]]\nlisten = [80, \"0.0.0.0:80\"]\n[[site]]\n", "listen[1]: is named already"),
        (
            "[[site]]\ndefault_server = true\n[[site]]\ndefault_server = [80]\n",
            "is the default at 0.0.0.0:80 already",
        ),
        ("[[site]]\nlisten = [80]\ndefault_server = [443]\n[[site]]\n", "that the site's `listen` does not"),
        (
            "[[site]]\nserver_name = [\"a\"]\n[[site]]\nlisten = [80]\nserver_name = [\"a\"]\n",
            "an earlier site has this name",
        ),
        ("[[site]]\nlisten = [true]\n", "an address of `edge.listen`, or its port"),
        ("[[site]]\ndefault_server = \"x\"\n", "true, false, or a list of listeners"),
    ];
    for (sites, said) in cases {
        let error = build(sites).err().unwrap_or_default();
        assert!(error.contains(said), "{sites}: {error}");
    }
}
