//! A Redis Cluster: masters only, with the slots spread over them; slots can be moved.

use std::net::TcpListener;

use super::{Redis, Reply};
use crate::{free_port, until};

const SLOTS: u16 = 16_384;
/// Nodes talk to each other on a port that is so much higher.
const BUS: u16 = 10_000;
/// Above it the bus is out of the way of the ports that tests are given.
const LOWEST_PORT: u16 = 22_001;

pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Ready: every node knows all, and all slots are served.
    pub fn start(masters: u16) -> Self {
        let nodes: Vec<_> = (0..masters).map(|_| node()).collect();
        for (n, node) in (0..masters).zip(&nodes) {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
            let first = |n: u16| (u32::from(SLOTS) * u32::from(n) / u32::from(masters)) as u16;
            let slots: Vec<_> = (first(n)..first(n + 1)).map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            node.ask(&command);
        }
        for other in nodes.iter().skip(1) {
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]);
        }
        let cluster = Self { nodes };
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

fn node() -> Redis {
    let bus_is_free = |port: &u16| TcpListener::bind(("127.0.0.1", port + BUS)).is_ok();
    let mut ports = std::iter::repeat_with(free_port).take(usize::from(u16::MAX));
    let port =
        ports.find(|port| *port >= LOWEST_PORT && bus_is_free(port)).expect("a port and its bus are free");
    let cluster = [
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
    Redis::on(port, &["--port", &port.to_string()], &cluster)
}

fn id(node: &Redis) -> String {
    node.ask(&["CLUSTER", "MYID"]).text()
}
