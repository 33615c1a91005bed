//! nginx, `weir` and the three services, with the features' configurations, before the same files and the
//! same application.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use toml::{Table, Value};
use weir_tests::{AppServer, Nginx, Settings, Setup, Stack, Topology, free_port, repository};

use crate::feature::Feature;
use crate::files;
use crate::identities::Identities;

/// Where one program listens: HTTP/1, HTTP/2 without TLS, HTTP/1 behind the PROXY protocol, TLS.
#[derive(Clone, Copy)]
pub(crate) struct Listeners {
    pub(crate) http1: SocketAddr,
    pub(crate) http2: SocketAddr,
    pub(crate) proxied: SocketAddr,
    /// Both over TLS, for clients that may show a certificate.
    pub(crate) secure: SocketAddr,
}

/// One program, and what it writes.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) listeners: Listeners,
    pub(crate) directory: TempDir,
}

pub(crate) struct Servers {
    pub(crate) nginx: Server,
    /// In one process, and as three services.
    pub(crate) weir: [Server; 2],
    /// What clients show; `None`: no feature is about that.
    pub(crate) identities: Option<Identities>,
    program: Nginx,
    stacks: [Stack; 2],
    _files: TempDir,
    _http: AppServer,
    _php: Option<AppServer>,
}

impl Servers {
    pub(crate) fn start(features: &[Feature]) -> Self {
        let files = TempDir::new().unwrap();
        files::write(files.path());
        let http_port = free_port();
        let http = AppServer::waitress(http_port, &["--threads=8"]);
        let http_app = format!("127.0.0.1:{http_port}");
        let php_port = free_port();
        let has_php = features.iter().any(|feature| feature.nginx.contains("@FPM@"));
        let php = has_php.then(|| AppServer::php_fpm(php_port));
        let php_app = format!("127.0.0.1:{php_port}");
        let identities = identities(files.path(), features);
        let mut all = merged(features);
        let mut weir = Vec::new();
        let mut stacks = Vec::new();
        for (name, topology) in [("weir", Topology::OneProcess), ("services", Topology::Split)] {
            let server = Server::new(name);
            let words = [("@FILES@", shown(files.path())), ("@DIR@", shown(server.directory.path()))];
            let mut settings = replaced(&all, &words).replace("@HTTP@", &format!("http://{http_app}"));
            settings = settings.replace("@UWSGI@", "$APP").replace("@FPM@", &php_app);
            let listen = server.listen(features, files.path());
            let settings = Settings::parse(&settings).with("edge.listen", listen);
            stacks.push(Stack::start(topology, Setup::from(settings)));
            weir.push(server);
        }
        let nginx = Server::new("nginx");
        let uwsgi = stacks[0].app.address().trim_start_matches("uwsgi://").to_owned();
        let words = [
            ("@LISTEN@", nginx.listeners.of_nginx()),
            ("@PROXIED@", nginx.listeners.proxied.to_string()),
            ("@SECURE@", nginx.listeners.secure.to_string()),
            ("@FILES@", shown(files.path())),
            ("@DIR@", shown(nginx.directory.path())),
            ("@UWSGI@", uwsgi),
            ("@HERE@", shown(&repository().join("tests/side-by-side"))),
            ("@HTTP@", http_app),
            ("@FPM@", php_app),
        ];
        let usual = repository().join("tests/side-by-side/http.conf");
        all = fs::read_to_string(usual).unwrap();
        features.iter().for_each(|feature| all.push_str(&feature.nginx));
        let start = match features.iter().any(|feature| feature.words.newer) {
            true => Nginx::start_newer_http,
            false => Nginx::start_http,
        };
        let program = start(&replaced(&all, &words), nginx.listeners.http1);
        let (Ok(weir), Ok(stacks)) = (weir.try_into(), stacks.try_into()) else {
            unreachable!("there are two")
        };
        Self { nginx, weir, identities, program, stacks, _files: files, _http: http, _php: php }
    }

    pub(crate) fn expect_no_panic(&self) {
        for stack in &self.stacks {
            assert!(!stack.log().contains("panicked at"), "a task panicked");
        }
        assert!(!self.program.log().contains("[emerg]"), "{}", self.program.log());
    }
}

impl Server {
    fn new(name: &'static str) -> Self {
        let [http1, http2, proxied, secure] =
            [(); 4].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let listeners = Listeners { http1, http2, proxied, secure };
        Self { name, listeners, directory: TempDir::new().unwrap() }
    }

    /// `listen` of Weir's settings.
    fn listen(&self, features: &[Feature], files: &Path) -> Value {
        let Listeners { http1, http2, proxied, secure } = self.listeners;
        let entry = |address: SocketAddr, key: &str, on: bool| {
            let pairs = [("address", Value::from(address.to_string())), (key, Value::from(on))];
            Value::Table(Table::from_iter(pairs.map(|(key, value)| (key.to_owned(), value))))
        };
        let mut all = vec![entry(http1, "http2", false), entry(http2, "http2", true)];
        if features.iter().any(|feature| feature.nginx.contains("@PROXIED@")) {
            all.push(entry(proxied, "proxy_protocol", true));
        }
        if let Some(feature) = features.iter().find(|feature| !feature.words.certificates.is_empty()) {
            let (verify, files) = (&feature.words.verify, files.display());
            let tls = format!(
                "address = \"{secure}\"\ntls = {{ certificate = \"{files}/server.pem\", key = \"{files}/server.key\", \
                 client = {{ verify = \"{verify}\", ca = \"{files}/ca.pem\" }} }}"
            );
            all.push(Value::Table(tls.parse().unwrap()));
        }
        Value::Array(all)
    }
}

impl Listeners {
    fn of_nginx(self) -> String {
        format!("listen {}; listen {} http2", self.http1, self.http2)
    }

    /// The ports, each with a name that is the same for all programs.
    pub(crate) fn ports(self) -> [(u16, &'static str); 4] {
        let Self { http1, http2, proxied, secure } = self;
        [(http1, "PORT1"), (http2, "PORT2"), (proxied, "PORT3"), (secure, "PORT4")]
            .map(|(address, name)| (address.port(), name))
    }
}

/// What clients show to features that ask for it.
fn identities(files: &Path, features: &[Feature]) -> Option<Identities> {
    let words = &features.iter().find(|feature| !feature.words.certificates.is_empty())?.words;
    let hosts: Vec<&str> = words.hosts.iter().map(String::as_str).collect();
    let names: Vec<&str> = words.certificates.iter().map(String::as_str).collect();
    Some(Identities::write(files, &hosts, &names))
}

/// The settings of all features as one file: lists one after another, tables together.
fn merged(features: &[Feature]) -> String {
    let usual = fs::read_to_string(repository().join("tests/side-by-side/weir.toml")).unwrap();
    let mut all: Table = usual.parse().unwrap();
    let types = fs::read_to_string(repository().join("tests/side-by-side/types.toml")).unwrap();
    let types: Table = types.parse().unwrap();
    for feature in features {
        let mut table: Table =
            feature.settings.parse().unwrap_or_else(|error| panic!("{}/weir.toml: {error}", feature.name));
        if !feature.settings.contains("types") {
            for site in sites(&mut table).filter(|site| !has_default_types(site)) {
                site.insert("types".to_owned(), types.clone().into());
            }
        }
        merge(&mut all, table, &feature.name);
    }
    toml::to_string(&all).unwrap()
}

fn sites(settings: &mut Table) -> impl Iterator<Item = &mut Table> {
    let sites = settings.get_mut("edge").and_then(|edge| edge.get_mut("site")).and_then(Value::as_array_mut);
    sites.into_iter().flatten().filter_map(Value::as_table_mut)
}

/// Whether some location has a type for all that has no other.
fn has_default_types(site: &Table) -> bool {
    site.get("location").is_some_and(|locations| locations.to_string().contains("default_type"))
}

fn merge(into: &mut Table, from: Table, name: &str) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            (Some(Value::Table(known)), Value::Table(more)) => merge(known, more, name),
            (Some(known), value) => assert_eq!(*known, value, "{name}/weir.toml: {key}"),
        }
    }
}

fn replaced(text: &str, words: &[(&str, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
