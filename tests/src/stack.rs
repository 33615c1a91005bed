//! The product before an application: in one process, or as three services with a real Redis. Tests do not
//! see which.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use crate::cluster::figure;
use crate::{
    Certificate, Client, Demo, FaultProxy, Oracle, Process, Redis, Response, Settings, Setup, Uwsgi, binary,
    free_port,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// `weir run`.
    OneProcess,
    /// edge, cache-node and wsgi-adapter.
    Split,
}

pub struct Stack {
    pub topology: Topology,
    /// `weir`, or the edge.
    pub edge: Process,
    pub cache_node: Option<Process>,
    pub wsgi_adapter: Option<Process>,
    pub redis: Option<Redis>,
    pub app: Uwsgi,
    /// What the application remembers, if it is the oracle.
    pub oracle: Oracle,
    /// `$PORT` of the settings.
    pub port: u16,
    http: SocketAddr,
    admin: SocketAddr,
    node: Option<SocketAddr>,
    adapter: Option<SocketAddr>,
    /// The admin listener of the process that has the pools.
    pools: SocketAddr,
    directory: TempDir,
}

const POOL: &str = "[[pool]]\nname = \"app\"\nservers = [\"$APP\"]\nbuffer_size = \"32KiB\"\n";

/// Runs one test on one topology. Afterwards no process may have panicked.
pub fn check(topology: Topology, setup: impl Into<Setup>, test: impl FnOnce(&Stack)) {
    let stack = Stack::start(topology, setup);
    test(&stack);
    for process in stack.processes() {
        assert!(!process.log().contains("panicked at"), "a task panicked");
    }
}

impl Stack {
    pub fn one_process(setup: impl Into<Setup>) -> Self {
        Self::start(Topology::OneProcess, setup)
    }

    pub fn split(setup: impl Into<Setup>) -> Self {
        Self::start(Topology::Split, setup)
    }

    pub fn start(topology: Topology, setup: impl Into<Setup>) -> Self {
        let setup = setup.into();
        let (directory, app, port) = (TempDir::new().unwrap(), setup.app.start(), free_port());
        let (http, admin) = (address(free_port()), address(free_port()));
        let mut settings =
            setup.settings().or("edge.listen", vec!["$HTTP"]).with("edge.admin", admin.to_string());
        if !settings.holds("[[wsgi_adapter.pool]]") {
            settings = settings.with_all("wsgi_adapter", &Settings::parse(POOL).into_table());
        }
        let (mut node, mut adapter, mut redis, mut pools) = (None, None, None, admin);
        if topology == Topology::Split {
            let peers = [address(free_port()), address(free_port())];
            pools = address(free_port());
            redis = setup.redis.is_none().then(Redis::start);
            settings = with_peers(settings, &setup, peers, directory.path())
                .with("wsgi_adapter.admin", pools.to_string());
            let table =
                redis.as_ref().map(|redis| setup.redis_at(&redis.url())).or_else(|| setup.redis.clone());
            settings = settings.with("cache_node.redis", table.unwrap());
            [node, adapter] = peers.map(Some);
        }
        let words = [
            ("$HTTP", http.to_string()),
            ("$APP", app.address()),
            ("$DIR", directory.path().display().to_string()),
            ("$STATIC", demo_static(&settings)),
            ("$PORT", port.to_string()),
        ];
        let file = directory.path().join("weir.toml");
        fs::write(&file, settings.text(&words)).unwrap();
        let env = &setup.env;
        let cache_node = node.map(|at| service("cache-node", at, &file, env));
        let wsgi_adapter = adapter.map(|at| service("wsgi-adapter", at, &file, env));
        let edge = match topology {
            Topology::OneProcess => start("weir", &["run"], &file, env),
            Topology::Split => start("edge", &[], &file, env),
        };
        edge.wait_until("is ready", || {
            TcpStream::connect(admin).is_ok() && Client::connect(admin).get("/readyz").status == 200
        });
        let oracle = Oracle::of(&app);
        Self {
            topology,
            edge,
            cache_node,
            wsgi_adapter,
            redis,
            app,
            oracle,
            port,
            http,
            admin,
            node,
            adapter,
            pools,
            directory,
        }
    }

    /// A second edge by the same settings, and where it is.
    pub fn another_edge(&self) -> (Process, SocketAddr) {
        self.edge_with(&[])
    }

    /// One whose connections to the wsgi-adapter go through a proxy.
    pub fn edge_over_proxy(&self) -> (Process, SocketAddr, FaultProxy) {
        let proxy = FaultProxy::start(self.adapter.expect("there is a wsgi-adapter"));
        let url = format!("http://{}", proxy.address());
        let (edge, at) = self.edge_with(&[("WEIR__EDGE__PEERS__WSGI_ADAPTER", &url)]);
        (edge, at, proxy)
    }

    fn edge_with(&self, settings: &[(&str, &str)]) -> (Process, SocketAddr) {
        let [http, admin] = [address(free_port()), address(free_port())];
        let mut command = Command::new(binary("edge"));
        command.arg("--config").arg(self.directory().join("weir.toml")).env("NO_COLOR", "1");
        command.env("WEIR__EDGE__LISTEN", format!("[\"{http}\"]"));
        command.env("WEIR__EDGE__ADMIN", admin.to_string()).envs(settings.iter().copied());
        let edge = Process::start("another-edge", &mut command, self.directory());
        edge.wait_until("accepts connections", || TcpStream::connect(http).is_ok());
        (edge, http)
    }

    /// A connection of its own.
    pub fn connect(&self) -> Client {
        Client::connect(self.http)
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The address of the cache-node, where it is a service of its own.
    pub fn node_address(&self) -> SocketAddr {
        self.node.expect("there is a cache-node")
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// One GET with these fields.
    #[track_caller]
    pub fn get_with(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.connect().ask("GET", target, fields, b"")
    }

    /// This many GETs at the same time, each on a connection of its own.
    pub fn at_once(&self, visitors: usize, target: &str) -> Vec<Response> {
        let together = Barrier::new(visitors);
        thread::scope(|scope| {
            let visitor = || {
                let mut client = self.connect();
                together.wait();
                client.get(target)
            };
            let visitors: Vec<_> = (0..visitors).map(|_| scope.spawn(visitor)).collect();
            visitors.into_iter().map(|visitor| visitor.join().unwrap()).collect()
        })
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
        self.connect().ask(method, target, fields, body)
    }

    /// GET at the admin listener.
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        Client::connect(self.admin).get(target)
    }

    /// What the process with the admin listener has counted of this: see `figure`.
    #[track_caller]
    pub fn counted(&self, name: &str, labels: &[&str]) -> f64 {
        figure(self.admin, name, labels)
    }

    /// The metrics of the process that has the pools: `weir`, or the wsgi-adapter.
    #[track_caller]
    pub fn metrics_of_pools(&self) -> String {
        Client::connect(self.pools).get("/metrics").text()
    }

    /// One request at the admin listener, with a JSON body and the token that the process has made.
    #[track_caller]
    pub fn ask_admin(&self, method: &str, target: &str, body: &str) -> Response {
        let (length, shown) = (body.len().to_string(), format!("Bearer {}", self.token()));
        let fields = [
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
            ("Authorization", shown.as_str()),
        ];
        Client::connect(self.admin).ask(method, target, &fields, body.as_bytes())
    }

    /// The token that the process with the admin listener has made at its start.
    pub fn token(&self) -> String {
        let name = format!("admin-{}.token", self.admin.to_string().replace(':', "_"));
        let token = fs::read_to_string(self.directory().join(name)).unwrap_or_default();
        token.trim().to_owned()
    }

    /// `$DIR` of the settings.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What our processes have logged.
    pub fn log(&self) -> String {
        self.processes().map(Process::log).collect()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        [Some(&self.edge), self.cache_node.as_ref(), self.wsgi_adapter.as_ref()].into_iter().flatten()
    }
}

/// The settings with where the services are that the edge asks, and TLS between them if the setup says so.
fn with_peers(
    settings: Settings,
    setup: &Setup,
    [node, adapter]: [SocketAddr; 2],
    directory: &Path,
) -> Settings {
    let scheme = if setup.secure { "https" } else { "http" };
    let settings = settings
        .with("edge.peers.cache_node", format!("{scheme}://{node}"))
        .with("edge.peers.wsgi_adapter", format!("{scheme}://{adapter}"))
        .with("cache_node.listen", node.to_string())
        .with("cache_node.admin", "off")
        .with("wsgi_adapter.listen", adapter.to_string());
    if !setup.secure {
        return settings;
    }
    let tls = Certificate::write(directory, &["127.0.0.1"]).mutual();
    ["edge.peers.tls", "cache_node.tls", "wsgi_adapter.tls"]
        .iter()
        .fold(settings, |settings, path| settings.with(path, tls.clone()))
}

fn service(name: &str, at: SocketAddr, settings: &Path, env: &[(&str, String)]) -> Process {
    let process = start(name, &[], settings, env);
    process.wait_until("accepts connections", || TcpStream::connect(at).is_ok());
    process
}

fn start(name: &str, arguments: &[&str], settings: &Path, env: &[(&str, String)]) -> Process {
    let mut command = Command::new(binary(name));
    command.args(arguments).arg("--config").arg(settings).env("NO_COLOR", "1");
    command.envs(env.iter().map(|(name, value)| (name, value)));
    Process::start(name, &mut command, settings.parent().unwrap())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// `$STATIC`: the demo site's static files, made only for settings that name them.
fn demo_static(settings: &Settings) -> String {
    match settings.holds("$STATIC") {
        true => Demo::static_files().display().to_string(),
        false => String::new(),
    }
}
