//! The services with their settings, at the addresses of the world.

use std::net::{Ipv4Addr, SocketAddrV4};

use admin::{Exposition, Readiness};
use edge::{EdgeServer, Listeners, Peers};
use process::listen;
use process::shutdown::Shutdown;
use serde::de::DeserializeOwned;

use crate::figures::Figures;

/// How many of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    pub edges: u8,
    pub nodes: u8,
    pub adapters: u8,
    /// Each edge knows one node alone, so that edges do not agree on who has a page.
    pub is_split: bool,
}

/// A service, by its kind and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Edge(u8),
    Node(u8),
    Adapter(u8),
    Redis,
    Application,
}

impl Service {
    /// The machine it runs on.
    pub fn machine(self) -> Ipv4Addr {
        match self {
            Self::Edge(n) => Ipv4Addr::new(127, 1, 1, n + 1),
            Self::Node(n) => Ipv4Addr::new(127, 2, 1, n + 1),
            Self::Adapter(n) => Ipv4Addr::new(127, 3, 1, n + 1),
            Self::Redis => Ipv4Addr::new(127, 4, 1, 1),
            Self::Application => Ipv4Addr::new(127, 5, 1, 1),
        }
    }

    /// Where it listens.
    pub fn address(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.machine(), self.port())
    }

    /// Where others reach it, over the network.
    pub fn public(self) -> SocketAddrV4 {
        let [a, b, _, d] = self.machine().octets();
        SocketAddrV4::new(Ipv4Addr::new(a, b, 0, d), self.port())
    }

    fn port(self) -> u16 {
        match self {
            Self::Edge(_) => 80,
            Self::Node(_) => 7101,
            Self::Adapter(_) => 7102,
            Self::Redis => 6379,
            Self::Application => 8000,
        }
    }

    pub fn name(self) -> String {
        match self {
            Self::Edge(n) => format!("edge-{n}"),
            Self::Node(n) => format!("node-{n}"),
            Self::Adapter(n) => format!("adapter-{n}"),
            Self::Redis => "redis".to_owned(),
            Self::Application => "application".to_owned(),
        }
    }
}

/// The lifetime of a page in seconds, and for how long it is served beyond that.
pub const TTL: u64 = 2;
pub const STALE_WHILE_REVALIDATE: u64 = 2;
pub const STALE_IF_ERROR: u64 = 30;

/// What a service is started with.
pub struct Start {
    /// The lines of its settings that leave room for little.
    pub room: String,
    pub shutdown: Shutdown,
    /// Where it shows its metrics.
    pub figures: Figures,
}

fn edge_settings(topology: Topology, number: u8, room: &str) -> String {
    let service = Service::Edge(number);
    let urls = |services: Vec<Service>| {
        let urls = services.into_iter().map(|service| format!("\"http://{}\"", service.public()));
        urls.collect::<Vec<_>>().join(", ")
    };
    let knows = |node: &u8| !topology.is_split || *node == number % topology.nodes;
    let nodes = urls((0..topology.nodes).filter(knows).map(Service::Node).collect());
    let adapters = urls((0..topology.adapters).map(Service::Adapter).collect());
    format!(
        "listen = [{{ address = \"{}\", http2 = true }}]\nadmin = \"off\"\nname = \"{}\"\naccess_log = \"off\"\nerror_log_level = \"warn\"
         purge_allow = [\"127.0.0.0/8\"]\npeers = {{ cache_node = [{nodes}], wsgi_adapter = [{adapters}] }}
         timeouts.application = \"10s\"\n{room}
         [[site]]\nserver_name = [\"site\"]\npool = \"app\"
         [[site.location]]\nmatch = \"/\"\npool = \"app\"
         [site.location.cache]\nttl = \"{TTL}s\"\nstale_while_revalidate = \"{STALE_WHILE_REVALIDATE}s\"
         stale_if_error = \"{STALE_IF_ERROR}s\"",
        service.address(),
        service.name(),
    )
}

fn node_settings(number: u8, has_redis: bool, room: &str) -> String {
    let service = Service::Node(number);
    let redis = match has_redis {
        true => format!("redis = {{ url = \"redis://{}\" }}", Service::Redis.public()),
        false => String::new(),
    };
    format!(
        "listen = \"{}\"\nadmin = \"off\"\nname = \"{}\"\n{redis}\n{room}\n",
        service.address(),
        service.name()
    )
}

fn adapter_settings(number: u8, room: &str) -> String {
    format!(
        "listen = \"{}\"\nadmin = \"off\"
         [[pool]]\nname = \"app\"\nservers = [\"http://{}\"]\nconnect_timeout = \"2s\"\n{room}\n",
        Service::Adapter(number).address(),
        Service::Application.public(),
    )
}

fn read<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    Ok(toml::from_str(text)?)
}

/// Runs an edge until `shutdown` begins.
pub async fn edge(topology: Topology, number: u8, start: Start) -> anyhow::Result<()> {
    let config: edge::Config = read(&edge_settings(topology, number, &start.room))?;
    let listeners = Listeners::bind(&config)?;
    let Some(peers) = &config.peers else { anyhow::bail!("no peers") };
    let peers = Peers::connect(peers)?;
    let server = EdgeServer::new(config, peers, start.shutdown)?;
    start.figures.show(Service::Edge(number), server.metrics().exposition().clone());
    server.serve(listeners, ()).await;
    Ok(())
}

pub async fn node(number: u8, has_redis: bool, start: Start) -> anyhow::Result<()> {
    let config: cache_node::Config = read(&node_settings(number, has_redis, &start.room))?;
    let listener = listen::tokio(&config.listen, "cache_node.listen")?;
    let (metrics, exposition) = (cache_node::Metrics::default(), Exposition::default());
    exposition.add(|registry| metrics.register(registry));
    start.figures.show(Service::Node(number), exposition);
    let handle = cache_node::open(&config, metrics, &start.shutdown)?;
    cache_node::run(handle, config, listener, Readiness::default(), start.shutdown).await?;
    Ok(())
}

pub async fn adapter(number: u8, start: Start) -> anyhow::Result<()> {
    let config: wsgi_adapter::Config = read(&adapter_settings(number, &start.room))?;
    let listener = listen::tokio(&config.listen, "wsgi_adapter.listen")?;
    let pools = wsgi_adapter::Pools::open(&config)?;
    let exposition = Exposition::default();
    exposition.add(|registry| pools.register(registry));
    start.figures.show(Service::Adapter(number), exposition);
    wsgi_adapter::run(pools, None, listener, start.shutdown).await?;
    Ok(())
}
