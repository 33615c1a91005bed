//! Several edges and cache-nodes on one Redis, before one application: processes of their own, each with a settings file of its own.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{
    Client, FaultProxy, Oracle, Process, Redis, Response, Setup, Uwsgi, binary, faketime, free_port,
};

pub struct Cluster {
    pub edges: Vec<Edge>,
    pub nodes: Vec<Process>,
    /// Their admin listeners.
    pub node_admins: Vec<SocketAddr>,
    pub redis: Redis,
    pub oracle: Oracle,
    pub app: Uwsgi,
    pub adapter: Process,
    directory: TempDir,
}

/// One edge. It reaches each cache-node by a proxy of its own.
pub struct Edge {
    pub name: String,
    pub process: Process,
    pub links: Vec<FaultProxy>,
    http: SocketAddr,
    admin: SocketAddr,
}

const POOL: &str = "[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"$APP\"]\nbuffer_size = \"32KiB\"\nqueue = { length = 5000, timeout = \"30s\" }\n";

impl Cluster {
    /// `edges` edges and `nodes` cache-nodes with these sites, before the oracle. Returns when all have been in touch.
    pub fn start(edges: usize, nodes: usize, sites: &str) -> Self {
        Self::with(edges, nodes, sites, "", "", TempDir::new().unwrap())
    }

    /// The same, where the clock of each edge and node, and of Redis, can be stepped.
    pub fn with_clocks(edges: usize, nodes: usize, sites: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let names = (0..edges).map(|n| format!("edge-{n}")).chain((0..nodes).map(|n| format!("node-{n}")));
        let names = names.chain(["redis".to_owned()]);
        names.for_each(|name| faketime::make(&directory.path().join(name).with_extension("clock")));
        let node = ", timeout = \"5s\", connect_timeout = \"5s\" }\n";
        Self::with(edges, nodes, sites, "", node, directory)
    }

    /// Sets the clock of an edge or node, or of "redis", this far from the true time, in seconds.
    pub fn step_clock(&self, name: &str, seconds: i64) {
        faketime::set(&self.directory.path().join(name).with_extension("clock"), seconds);
    }

    /// The same, where nobody is given up for being slow: what is exact is so on a machine that builds and tests at once, too.
    pub fn patient(edges: usize, nodes: usize, sites: &str) -> Self {
        Self::patient_with(edges, nodes, sites, "")
    }

    /// The same, with these lines more in the settings of each cache-node.
    pub fn patient_with(edges: usize, nodes: usize, sites: &str, lines: &str) -> Self {
        let edge = "watch_grace = \"20s\"\ntimeouts = { cache = \"10s\", wait = \"30s\" }\n";
        let node = format!(", timeout = \"5s\", connect_timeout = \"5s\" }}\nwatch_grace = \"20s\"\n{lines}");
        Self::with(edges, nodes, sites, edge, &node, TempDir::new().unwrap())
    }

    fn with(edges: usize, nodes: usize, sites: &str, edge: &str, node: &str, directory: TempDir) -> Self {
        let end_of_node = if node.is_empty() { " }\n" } else { node };
        let (redis, app) =
            (Redis::by_clock(&directory.path().join("redis.clock")), Setup::from("").app.start());
        let adapter_at = address();
        let pool = POOL.replace("$APP", &app.address());
        let settings = format!("[wsgi_adapter]\nlisten = \"{adapter_at}\"\nadmin = \"off\"\n{pool}");
        let adapter = start(&directory, "wsgi-adapter", "wsgi-adapter", &settings);
        adapter.wait_until("accepts connections", || TcpStream::connect(adapter_at).is_ok());
        let node_addresses: Vec<SocketAddr> = (0..nodes).map(|_| address()).collect();
        let node_admins: Vec<SocketAddr> = (0..nodes).map(|_| address()).collect();
        let nodes: Vec<Process> = node_addresses
            .iter()
            .enumerate()
            .map(|(n, at)| {
                let settings = format!(
                    "[cache_node]\nname = \"node-{n}\"\nlisten = \"{at}\"\nadmin = \"{}\"\nredis = {{ url = \"{}\"{end_of_node}",
                    node_admins[n],
                    redis.url()
                );
                let node = start(&directory, "cache-node", &format!("node-{n}"), &settings);
                node.wait_until("accepts connections", || TcpStream::connect(at).is_ok());
                node
            })
            .collect();
        let start_edge = |n| Edge::start(&directory, n, &node_addresses, adapter_at, (edge, sites));
        let edges = (0..edges).map(start_edge).collect();
        let oracle = Oracle::of(&app);
        Self { edges, nodes, node_admins, redis, oracle, app, adapter, directory }
    }

    /// What all cache-nodes have counted of this: see `figure`.
    pub fn of_nodes(&self, name: &str, labels: &[&str]) -> f64 {
        (0..self.nodes.len()).map(|n| self.of_node(n, name, labels)).sum()
    }

    /// The same of one.
    pub fn of_node(&self, n: usize, name: &str, labels: &[&str]) -> f64 {
        figure(self.node_admins[n], name, labels)
    }

    /// The same of all edges.
    pub fn of_edges(&self, name: &str, labels: &[&str]) -> f64 {
        self.edges.iter().map(|edge| figure(edge.admin, name, labels)).sum()
    }

    /// Purges by what the JSON text says, at one edge.
    #[track_caller]
    pub fn purge(&self, edge: usize, order: &str) -> Response {
        self.edges[edge].purge(order)
    }

    /// After its end.
    pub fn start_node_again(&self, n: usize) {
        let file = self.directory.path().join(format!("node-{n}.toml"));
        self.nodes[n].start_again(&mut command("cache-node", &file));
    }
}

impl Edge {
    fn start(
        directory: &TempDir,
        n: usize,
        nodes: &[SocketAddr],
        adapter: SocketAddr,
        (settings, sites): (&str, &str),
    ) -> Self {
        let (http, admin, name) = (address(), address(), format!("edge-{n}"));
        let links: Vec<FaultProxy> = nodes.iter().map(|node| FaultProxy::start(*node)).collect();
        let urls: Vec<String> = links.iter().map(|link| format!("\"http://{}\"", link.address())).collect();
        let settings = format!(
            "[edge]\nname = \"{name}\"\nlisten = [\"{http}\"]\nadmin = \"{admin}\"\naccess_log = \"off\"\n{settings}\
             [edge.peers]\ncache_node = [{}]\nwsgi_adapter = \"http://{adapter}\"\n{sites}",
            urls.join(", ")
        );
        let process = start(directory, "edge", &name, &settings);
        process.wait_until("is ready", || {
            TcpStream::connect(admin).is_ok() && Client::connect(admin).get("/readyz").status == 200
        });
        Self { name, process, links, http, admin }
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        Client::connect(self.http).get(target)
    }

    /// Purges by what the JSON text says.
    #[track_caller]
    pub fn purge(&self, order: &str) -> Response {
        let length = order.len().to_string();
        let mut admin = Client::connect(self.admin);
        admin.ask("POST", "/api/v1/purge", &[("Content-Length", &length)], order.as_bytes())
    }
}

fn start(directory: &TempDir, program: &str, name: &str, settings: &str) -> Process {
    let file = directory.path().join(format!("{name}.toml"));
    fs::write(&file, settings).unwrap();
    Process::start(name, &mut command(program, &file), directory.path())
}

fn command(program: &str, settings: &Path) -> Command {
    let mut command = Command::new(binary(program));
    command.arg("--config").arg(settings).env("NO_COLOR", "1");
    faketime::obey(&mut command, &settings.with_extension("clock"));
    command
}

/// The sum of a metric's lines that have all these labels, as in `answer="fresh"`.
fn figure(admin: SocketAddr, name: &str, labels: &[&str]) -> f64 {
    let text = Client::connect(admin).get("/metrics").expect(200).text();
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}
