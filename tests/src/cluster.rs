//! Several edges and cache-nodes on one Redis, before one application: processes of their own, each with a
//! settings file of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{
    App, Client, FaultProxy, Oracle, Process, Redis, Response, Settings, Uwsgi, binary, faketime, free_port,
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

const POOL: &str = r#"
[[pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
queue = { length = 5000, timeout = "30s" }
"#;

/// What the processes of a cluster have in their settings besides addresses.
struct Plan {
    edge: Settings,
    node: Settings,
    /// Lines of the pool.
    pool: String,
    directory: TempDir,
}

impl Plan {
    #[track_caller]
    fn of(sites: &str) -> Self {
        let (edge, node) = (Settings::parse(sites), Settings::default());
        Self { edge, node, pool: POOL.to_owned(), directory: TempDir::new().unwrap() }
    }

    /// No call of Redis is given up because the machine is slow.
    fn waits_for_redis(mut self) -> Self {
        let redis = "cache_node.redis";
        let node = self.node.with(&format!("{redis}.timeout"), "5s");
        self.node = node.with(&format!("{redis}.connect_timeout"), "5s");
        self
    }
}

impl Cluster {
    /// `edges` edges and `nodes` cache-nodes with these sites, before the oracle. Returns when all have been
    /// in touch.
    #[track_caller]
    pub fn start(edges: usize, nodes: usize, sites: &str) -> Self {
        Self::by(edges, nodes, Plan::of(sites))
    }

    /// A cluster where the clock of each edge and node, and of Redis, can be stepped.
    #[track_caller]
    pub fn with_clocks(edges: usize, nodes: usize, sites: &str) -> Self {
        let plan = Plan::of(sites).waits_for_redis();
        let names = (0..edges).map(|n| format!("edge-{n}")).chain((0..nodes).map(|n| format!("node-{n}")));
        let names = names.chain(["redis".to_owned()]);
        names.for_each(|name| faketime::make(&plan.directory.path().join(name).with_extension("clock")));
        Self::by(edges, nodes, plan)
    }

    /// Sets the clock of an edge or node, or of "redis", this far from the true time, in seconds.
    pub fn step_clock(&self, name: &str, seconds: i64) {
        faketime::set(&self.directory.path().join(name).with_extension("clock"), seconds);
    }

    /// A cluster where no deadline passes because the machine is slow: what is exact is so while it builds
    /// and tests at once, too.
    #[track_caller]
    pub fn patient(edges: usize, nodes: usize, sites: &str) -> Self {
        Self::patient_with(edges, nodes, sites, "")
    }

    /// Such a cluster, with these lines more in the settings of each cache-node.
    #[track_caller]
    pub fn patient_with(edges: usize, nodes: usize, sites: &str, lines: &str) -> Self {
        let mut plan = Self::patient_plan(sites);
        plan.node = plan.node.with_all("cache_node", &Settings::parse(lines).into_table());
        Self::by(edges, nodes, plan)
    }

    fn patient_plan(sites: &str) -> Plan {
        let mut plan = Plan::of(sites).waits_for_redis();
        let edge = plan.edge.with("edge.watch_grace", "20s").with("edge.timeouts.cache", "10s");
        plan.edge = edge.with("edge.timeouts.wait", "90s");
        plan.node = plan.node.with("cache_node.watch_grace", "20s").with("cache_node.max_wait", "100s");
        plan.pool = plan.pool.replace("timeout = \"30s\"", "timeout = \"90s\"");
        plan
    }

    /// A patient cluster before an application with only so many places.
    #[track_caller]
    pub fn crowded(edges: usize, nodes: usize, sites: &str, places: usize) -> Self {
        let plan = Self::patient_plan(sites);
        let pool = format!("{}max_in_flight = {places}\n", plan.pool);
        Self::by(edges, nodes, Plan { pool, ..plan })
    }

    fn by(edges: usize, nodes: usize, plan: Plan) -> Self {
        let Plan { edge, node, pool, directory } = plan;
        let (redis, app) = (Redis::by_clock(&directory.path().join("redis.clock")), App::Oracle.start());
        let adapter_at = address();
        let pool = Settings::parse(&pool.replace("$APP", &app.address())).into_table();
        let settings = Settings::default()
            .with_all("wsgi_adapter", &pool)
            .with("wsgi_adapter.listen", adapter_at.to_string())
            .with("wsgi_adapter.admin", "off");
        let adapter = start(&directory, "wsgi-adapter", "wsgi-adapter", &settings);
        adapter.wait_until("accepts connections", || TcpStream::connect(adapter_at).is_ok());
        let node = node.with("cache_node.redis.url", redis.url());
        let node_addresses: Vec<SocketAddr> = (0..nodes).map(|_| address()).collect();
        let node_admins: Vec<SocketAddr> = (0..nodes).map(|_| address()).collect();
        let start_node = |n: usize| start_node(&directory, n, &node, [node_addresses[n], node_admins[n]]);
        let nodes = (0..nodes).map(start_node).collect();
        let edge = edge
            .with("edge.access_log", "off")
            .with("edge.peers.wsgi_adapter", format!("http://{adapter_at}"));
        let edges = (0..edges).map(|n| Edge::start(&directory, n, &node_addresses, edge.clone())).collect();
        let oracle = Oracle::of(&app);
        Self { edges, nodes, node_admins, redis, oracle, app, adapter, directory }
    }

    /// What all cache-nodes have counted of this: see `figure`.
    pub fn of_nodes(&self, name: &str, labels: &[&str]) -> f64 {
        (0..self.nodes.len()).map(|n| self.of_node(n, name, labels)).sum()
    }

    /// What one cache-node has counted of this.
    pub fn of_node(&self, n: usize, name: &str, labels: &[&str]) -> f64 {
        figure(self.node_admins[n], name, labels)
    }

    /// What all edges have counted of this.
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
    fn start(directory: &TempDir, n: usize, nodes: &[SocketAddr], settings: Settings) -> Self {
        let (http, admin, name) = (address(), address(), format!("edge-{n}"));
        let links: Vec<FaultProxy> = nodes.iter().map(|node| FaultProxy::start(*node)).collect();
        let urls: Vec<String> = links.iter().map(|link| format!("http://{}", link.address())).collect();
        let settings = settings
            .with("edge.name", name.as_str())
            .with("edge.listen", vec![http.to_string()])
            .with("edge.admin", admin.to_string())
            .with("edge.peers.cache_node", urls);
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

fn start_node(directory: &TempDir, n: usize, settings: &Settings, [at, admin]: [SocketAddr; 2]) -> Process {
    let settings = settings
        .clone()
        .with("cache_node.name", format!("node-{n}"))
        .with("cache_node.listen", at.to_string())
        .with("cache_node.admin", admin.to_string());
    let node = start(directory, "cache-node", &format!("node-{n}"), &settings);
    node.wait_until("accepts connections", || TcpStream::connect(at).is_ok());
    node
}

fn start(directory: &TempDir, program: &str, name: &str, settings: &Settings) -> Process {
    let file = directory.path().join(format!("{name}.toml"));
    settings.write(&file);
    Process::start(name, &mut command(program, &file), directory.path())
}

fn command(program: &str, settings: &Path) -> Command {
    let mut command = Command::new(binary(program));
    command.arg("--config").arg(settings).env("NO_COLOR", "1");
    faketime::obey(&mut command, &settings.with_extension("clock"));
    command
}

/// The sum of a metric's lines that have all these labels, as in `answer="fresh"`.
pub(crate) fn figure(admin: SocketAddr, name: &str, labels: &[&str]) -> f64 {
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
