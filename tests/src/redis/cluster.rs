//! A Redis Cluster: masters only, with the slots spread over them; slots can be moved.

use std::net::TcpListener;

use super::{Redis, Reply, TlsFiles};
use crate::{free_port, until};

const SLOTS: u16 = 16_384;
/// Nodes talk to each other on a port that is so much higher.
const BUS: u16 = 10_000;
/// Above it the bus is out of the way of the ports that tests are given.
const LOWEST_PORT: u16 = 22_001;
const SETTINGS: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-config-file",
    "nodes.conf",
    "--cluster-node-timeout",
    "2000",
    // One lost node takes its own slots along and no others.
    "--cluster-require-full-coverage",
    "no",
];

pub struct RedisCluster {
    /// Reached without TLS, also where clients come with it.
    pub nodes: Vec<Redis>,
    tls_ports: Vec<u16>,
}

impl RedisCluster {
    /// Ready: every node knows all, and all slots are served.
    pub fn start(masters: u16) -> Self {
        let nodes = (0..masters).map(|_| {
            let port = port_with_bus();
            Redis::on(port, &["--port", &port.to_string()], SETTINGS)
        });
        Self::join(nodes.collect(), Vec::new())
    }

    /// The nodes speak TLS with each other and with clients.
    pub fn start_with_tls(masters: u16, tls: &TlsFiles) -> Self {
        let files = tls.settings();
        let mut settings = SETTINGS.to_vec();
        settings.extend(["--tls-cluster", "yes", "--tls-auth-clients", "no"]);
        settings.extend(files.iter().map(String::as_str));
        let (nodes, tls_ports) = (0..masters)
            .map(|_| {
                let (port, tls_port) = (free_port(), port_with_bus());
                let listens = ["--port", &port.to_string(), "--tls-port", &tls_port.to_string()];
                (Redis::on(port, &listens, &settings), tls_port)
            })
            .unzip();
        Self::join(nodes, tls_ports)
    }

    fn join(nodes: Vec<Redis>, tls_ports: Vec<u16>) -> Self {
        let masters = nodes.len() as u16;
        for (n, node) in (0..masters).zip(&nodes) {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
            let first = |n: u16| (u32::from(SLOTS) * u32::from(n) / u32::from(masters)) as u16;
            let slots: Vec<_> = (first(n)..first(n + 1)).map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            node.ask(&command);
        }
        // The bus is beside the port that other nodes come by.
        let ports: Vec<_> = match tls_ports.is_empty() {
            true => nodes.iter().map(|node| node.port).collect(),
            false => tls_ports.clone(),
        };
        for port in ports.iter().skip(1) {
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port.to_string()]);
        }
        let cluster = Self { nodes, tls_ports };
        let known = format!("cluster_known_nodes:{masters}\r");
        until("the cluster is whole", || {
            let whole = |node: &Redis| {
                let info = node.ask(&["CLUSTER", "INFO"]).text();
                info.contains("cluster_state:ok") && info.contains(&known)
            };
            (cluster.nodes.iter().all(whole) && cluster.agrees()).then_some(())
        });
        cluster
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    pub fn tls_urls(&self) -> Vec<String> {
        self.tls_ports.iter().map(|port| format!("rediss://127.0.0.1:{port}")).collect()
    }

    pub fn slot_of(&self, key: &str) -> u16 {
        self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).text().parse().unwrap()
    }

    /// Which node serves the slot.
    pub fn owner_of(&self, slot: u16) -> usize {
        let slot = i64::from(slot);
        let ranges = self.nodes[0].ask(&["CLUSTER", "SLOTS"]).list();
        for range in ranges.into_iter().map(Reply::list) {
            if let [Reply::Number(first), Reply::Number(last), Reply::List(master), ..] = range.as_slice()
                && (*first..=*last).contains(&slot)
            {
                let port = master[1].text();
                return self.nodes.iter().position(|node| node.port.to_string() == port).unwrap();
            }
        }
        panic!("nobody serves slot {slot}");
    }

    /// Announces that the slot goes to another node: from now on keys may be on either.
    pub fn begin_to_move(&self, slot: u16, to: usize) {
        let (from, to) = (&self.nodes[self.owner_of(slot)], &self.nodes[to]);
        let slot = slot.to_string();
        to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    }

    /// Moves the slot's keys, and then the slot.
    pub fn finish_moving(&self, slot: u16, to: usize) {
        let (from, to) = (&self.nodes[self.owner_of(slot)], &self.nodes[to]);
        let slot = slot.to_string();
        // Keys may still be made while others are moved.
        loop {
            let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).list();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                from.ask(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &key.text(), "0", "5000"]);
            }
        }
        let new = id(to);
        to.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
        from.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
    }

    /// Both steps.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.begin_to_move(slot, to);
        self.finish_moving(slot, to);
    }

    /// Whether all nodes name the same owners.
    fn agrees(&self) -> bool {
        let ranges = |node: &Redis| {
            let mut ranges: Vec<_> = node
                .ask(&["CLUSTER", "SLOTS"])
                .list()
                .into_iter()
                .map(|range| format!("{:?}", range.list().get(..3)))
                .collect();
            ranges.sort();
            ranges
        };
        let first = ranges(&self.nodes[0]);
        first.len() == self.nodes.len() && self.nodes.iter().all(|node| ranges(node) == first)
    }
}

fn port_with_bus() -> u16 {
    let bus_is_free = |port: &u16| TcpListener::bind(("127.0.0.1", port + BUS)).is_ok();
    let mut ports = std::iter::repeat_with(free_port).take(usize::from(u16::MAX));
    ports.find(|port| *port >= LOWEST_PORT && bus_is_free(port)).expect("a port and its bus are free")
}

fn id(node: &Redis) -> String {
    node.ask(&["CLUSTER", "MYID"]).text()
}
