//! Worlds with something of everything: pages that are few, and what goes wrong at any time.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Aim, Fault, Kind, LENGTH, Schedule, TAKES};
use crate::services::{Service, Topology};

impl Schedule {
    pub(super) fn mixed(chance: &mut StdRng) -> Self {
        let topology = Topology {
            edges: chance.random_range(1..=2),
            nodes: chance.random_range(1..=2),
            adapters: chance.random_range(1..=2),
            is_split: false,
        };
        let has_redis = topology.nodes > 1 || chance.random_bool(0.5);
        let kind = match chance.random_range(0..4) {
            0 => Kind::Calm,
            1 | 2 => Kind::SingleFaults,
            _ => Kind::Storm,
        };
        let mut schedule = Self {
            topology,
            has_redis,
            kind,
            aim: Aim::Mixed,
            takes: TAKES,
            strike: None,
            scarcity: None,
            events: Vec::new(),
        };
        schedule.add_delays(chance);
        schedule.add_visits(chance);
        schedule.add_faults(chance);
        schedule
    }

    pub(super) fn add_delays(&mut self, chance: &mut StdRng) {
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
}
