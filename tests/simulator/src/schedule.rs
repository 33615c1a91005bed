//! What happens in one world, and when: all of it drawn from a seed before it begins, so that any part of it
//! can be left out.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::services::{Service, Topology};

/// How long visitors come.
pub const LENGTH: Duration = Duration::from_secs(16);

/// The world of a seed.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub topology: Topology,
    pub has_redis: bool,
    pub kind: Kind,
    /// In the order of their times.
    pub events: Vec<Event>,
}

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: bytes are late.
    Calm,
    /// One thing at a time, each mended long before the next.
    SingleFaults,
    /// Anything at any time.
    Storm,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Duration,
    pub act: Act,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Get {
        edge: u8,
        path: String,
        visitor: String,
        language: &'static str,
    },
    /// The page changes, and is purged at once.
    Purge {
        edge: u8,
        path: String,
    },
    /// Bytes of a link are late from now on.
    Delay {
        from: Service,
        to: Service,
        delay: Duration,
        jitter: Duration,
    },
    /// A fault begins, and ends after a while.
    Break {
        fault: Fault,
        lasts: Duration,
    },
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    Cut {
        from: Service,
        to: Service,
        there: bool,
        back: bool,
    },
    /// All connections of a link are lost.
    Lose {
        from: Service,
        to: Service,
    },
    /// A service dies, and comes back with nothing.
    Kill(Service),
    /// A service is told to stop, has the time to do it, and comes back.
    Stop(Service),
    /// Redis's copy takes over, a second behind.
    FailOver,
    /// Redis comes back empty.
    Empty,
    /// The time of day of a machine is set, in seconds.
    Clock {
        of: Service,
        by: i64,
    },
    ApplicationFails,
    ApplicationBreaks,
    ApplicationSlow(Duration),
}

impl Fault {
    /// Whether the application itself is out of order.
    pub fn is_the_applications(&self) -> bool {
        matches!(
            self,
            Self::ApplicationFails
                | Self::ApplicationBreaks
                | Self::ApplicationSlow(_)
                | Self::Kill(Service::Application)
        )
    }
}

impl Schedule {
    pub fn new(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let topology = Topology {
            edges: chance.random_range(1..=2),
            nodes: chance.random_range(1..=2),
            adapters: chance.random_range(1..=2),
        };
        let has_redis = topology.nodes > 1 || chance.random_bool(0.5);
        let kind = match chance.random_range(0..4) {
            0 => Kind::Calm,
            1 | 2 => Kind::SingleFaults,
            _ => Kind::Storm,
        };
        let mut schedule = Self { topology, has_redis, kind, events: Vec::new() };
        schedule.add_delays(&mut chance);
        schedule.add_visits(&mut chance);
        schedule.add_faults(&mut chance);
        schedule.events.sort_by_key(|event| event.at);
        schedule
    }

    /// Only the events of these numbers.
    pub fn keep(&mut self, kept: &[usize]) {
        let mut number = 0;
        self.events.retain(|_| {
            number += 1;
            kept.contains(&(number - 1))
        });
    }

    fn add_delays(&mut self, chance: &mut StdRng) {
        for (from, to) in self.links() {
            let ms = |most: u64, chance: &mut StdRng| Duration::from_millis(chance.random_range(0..=most));
            let (delay, jitter) = match chance.random_range(0..4) {
                0 => continue,
                1 | 2 => (ms(3, chance), ms(5, chance)),
                // Redis has 50 ms for an answer, both ways and a connection.
                _ if to == Service::Redis => (ms(5, chance), ms(10, chance)),
                _ => (ms(15, chance), ms(40, chance)),
            };
            self.add(Duration::ZERO, Act::Delay { from, to, delay, jitter });
        }
    }

    /// Pages are few, so that visitors meet; they come in bursts.
    fn add_visits(&mut self, chance: &mut StdRng) {
        let pages = ["/p/1", "/p/2", "/p/big", "/lang/1"];
        for _ in 0..chance.random_range(6..=14) {
            let start = Duration::from_millis(chance.random_range(2_500..LENGTH.as_millis() as u64));
            let path = pages[chance.random_range(0..pages.len())];
            for _ in 0..chance.random_range(1..=8) {
                let at = start + Duration::from_micros(chance.random_range(0..400_000));
                let edge = chance.random_range(0..self.topology.edges);
                let language = if chance.random_bool(0.5) { "en" } else { "de" };
                let is_known = chance.random_bool(0.2);
                let visitor =
                    if is_known { format!("v{}", chance.random_range(0..3)) } else { String::new() };
                let path = if is_known && chance.random_bool(0.5) { "/me/1" } else { path };
                self.add(at, Act::Get { edge, path: path.to_owned(), visitor, language });
            }
            if chance.random_bool(0.6) {
                let at = start + Duration::from_micros(chance.random_range(0..500_000));
                let edge = chance.random_range(0..self.topology.edges);
                self.add(at, Act::Purge { edge, path: path.to_owned() });
            }
        }
    }

    fn add_faults(&mut self, chance: &mut StdRng) {
        let mut at = Duration::from_millis(chance.random_range(3_500..6_000));
        while self.kind != Kind::Calm && at < LENGTH {
            let lasts = Duration::from_millis(chance.random_range(50..4_000));
            let fault = self.fault(chance);
            self.add(at, Act::Break { fault, lasts });
            at += match self.kind {
                Kind::Storm => Duration::from_millis(chance.random_range(0..3_000)),
                _ => lasts + Duration::from_millis(chance.random_range(7_000..9_000)),
            };
        }
    }

    fn fault(&self, chance: &mut StdRng) -> Fault {
        let links = self.links();
        let (from, to) = links[chance.random_range(0..links.len())];
        let services = self.services();
        let service = services[chance.random_range(0..services.len())];
        match chance.random_range(0..16) {
            0..4 => {
                let (there, back) = [(true, true), (true, false), (false, true)][chance.random_range(0..3)];
                Fault::Cut { from, to, there, back }
            }
            4..6 => Fault::Lose { from, to },
            6..10 => Fault::Kill(service),
            10 if !matches!(service, Service::Redis | Service::Application) => Fault::Stop(service),
            11 if self.has_redis => Fault::FailOver,
            12 if self.has_redis => Fault::Empty,
            13 => {
                let by = [-3_600, -5, 5, 3_600][chance.random_range(0..4)];
                Fault::Clock { of: service, by }
            }
            14 if chance.random_bool(0.5) => Fault::ApplicationFails,
            14 => Fault::ApplicationBreaks,
            _ => Fault::ApplicationSlow(Duration::from_millis(chance.random_range(100..3_000))),
        }
    }

    fn add(&mut self, at: Duration, act: Act) {
        self.events.push(Event { at, act });
    }

    pub fn services(&self) -> Vec<Service> {
        let Topology { edges, nodes, adapters } = self.topology;
        let ours = (0..edges).map(Service::Edge);
        let ours = ours.chain((0..nodes).map(Service::Node)).chain((0..adapters).map(Service::Adapter));
        ours.chain(self.has_redis.then_some(Service::Redis)).chain([Service::Application]).collect()
    }

    /// Who speaks with whom.
    pub fn links(&self) -> Vec<(Service, Service)> {
        let all = self.services();
        let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        let speaks = |(from, to): &(Service, Service)| {
            matches!(
                (from, to),
                (Service::Edge(_), Service::Node(_) | Service::Adapter(_))
                    | (Service::Node(_), Service::Redis)
                    | (Service::Adapter(_), Service::Application)
            )
        };
        pairs.filter(speaks).collect()
    }
}
