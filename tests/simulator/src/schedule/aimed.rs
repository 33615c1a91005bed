//! Worlds that make one situation again and again, which those of something of everything hardly ever make.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Aim, Fault, Kind, LENGTH, Schedule, TAKES};
use crate::services::{Service, Topology};

/// When the first visitors come: all has been started by then.
const START: u64 = 2_500;
const PAGES: [&str; 4] = ["/p/1", "/p/2", "/p/big", "/lang/1"];
/// What others do not read concerns pages that say they are for all in another way.
const SCARCE_PAGES: [&str; 6] = ["/p/1", "/p/2", "/p/big", "/lang/1", "/open/1", "/open/big"];

impl Schedule {
    /// Two edges, and two nodes of which each edge knows its own.
    pub(super) fn aimed(aim: Aim, chance: &mut StdRng) -> Self {
        let topology = Topology { edges: 2, nodes: 2, adapters: 2, is_split: true };
        let kind = match aim {
            Aim::Frozen | Aim::Clock => Kind::Storm,
            _ => Kind::Calm,
        };
        let takes = match aim {
            Aim::Split => ms(chance, 1, 4),
            Aim::Slow => ms(chance, 3_200, 4_500),
            _ => TAKES,
        };
        let mut schedule = Self {
            topology,
            has_redis: true,
            kind,
            aim,
            takes,
            strike: None,
            scarcity: None,
            events: Vec::new(),
        };
        match aim {
            Aim::Split if chance.random_bool(0.5) => schedule.add_distant_node(chance),
            Aim::Split | Aim::Slow => {
                schedule.add_delays(chance);
                // Nodes that do not reach Redis in time may each make a page.
                let is_to_redis = |act: &Act| matches!(act, Act::Delay { to: Service::Redis, .. });
                schedule.events.retain(|event| !is_to_redis(&event.act));
            }
            _ => {}
        }
        match aim {
            Aim::Frozen => schedule.episodes(chance, 8_000, Self::add_frozen),
            Aim::Clock => schedule.episodes(chance, 12_000, Self::add_clock),
            Aim::Slow => schedule.episodes(chance, 7_000, Self::add_encounter),
            _ => schedule.episodes(chance, 900, Self::add_encounter),
        }
        schedule
    }

    /// Adds an episode again and again, `every` ms after the last one at most.
    pub(super) fn episodes(
        &mut self,
        chance: &mut StdRng,
        every: u64,
        add: fn(&mut Self, &mut StdRng, Duration),
    ) {
        let mut at = START;
        while at < LENGTH.as_millis() as u64 {
            add(self, chance, Duration::from_millis(at));
            at += chance.random_range(every * 2 / 3..=every);
        }
    }

    /// A page that several may come for at one moment.
    pub(super) fn one_page(&self, chance: &mut StdRng) -> &'static str {
        let pages: &[&str] = if self.aim == Aim::Scarce { &SCARCE_PAGES } else { &PAGES };
        pages[chance.random_range(0..pages.len())]
    }

    /// One node is so far from Redis that the other can make a page while it asks twice; and so near that it
    /// has an answer within 50 ms, also by a new connection and with a script that Redis does not know.
    fn add_distant_node(&mut self, chance: &mut StdRng) {
        let (from, to) = (Service::Node(chance.random_range(0..2)), Service::Redis);
        self.add(Duration::ZERO, Act::Delay { from, to, delay: ms(chance, 3, 5), jitter: ms(chance, 0, 1) });
    }

    /// Some come to both edges within moments, perhaps just when the page is purged.
    pub(super) fn add_encounter(&mut self, chance: &mut StdRng, start: Duration) {
        let path = self.one_page(chance);
        let mut comes = start;
        if chance.random_bool(0.6) {
            self.add(start, Act::Purge { edge: chance.random_range(0..2), path: path.to_owned() });
            comes += ms(chance, 0, 400);
        }
        for _ in 0..chance.random_range(2..=6) {
            let at = comes + Duration::from_micros(chance.random_range(0..40_000));
            self.add_get(at, chance.random_range(0..2), path, chance);
        }
    }

    /// The first edge's node stands still while it has a lease. The page changes, and the other edge gets it
    /// when the lease has ended; then the node goes on with what it was given. The other edge and its node
    /// forget what they had, and ask again: Redis alone knows.
    fn add_frozen(&mut self, chance: &mut StdRng, start: Duration) {
        let path = PAGES[chance.random_range(0..3)];
        let made = start + ms(chance, 3_300, 4_200);
        let slow = Fault::ApplicationSlow(made - start);
        self.add(start, Act::Break { fault: slow, lasts: Duration::from_millis(300) });
        self.add_get(start + ms(chance, 10, 100), 0, path, chance);
        let (freezes, goes_on) = (start + ms(chance, 500, 900), made + ms(chance, 150, 600));
        let fault = Fault::Freeze(Service::Node(0));
        self.add(freezes, Act::Break { fault, lasts: goes_on - freezes });
        self.add(start + ms(chance, 400, 3_000), Act::Change { path: path.to_owned() });
        for _ in 0..chance.random_range(1..=3) {
            self.add_get(made - ms(chance, 0, 250), 1, path, chance);
        }
        let forgets = goes_on + ms(chance, 50, 250);
        for service in [Service::Edge(1), Service::Node(1)] {
            self.add(forgets, Act::Break { fault: Fault::Kill(service), lasts: ms(chance, 100, 200) });
        }
        for _ in 0..chance.random_range(3..=6) {
            self.add_get(forgets + ms(chance, 300, 2_500), chance.random_range(0..2), path, chance);
        }
    }

    /// Redis's time of day is ahead while a page is stored, or a lease given, and right again after the nodes
    /// have come back: none of them has seen the other time.
    fn add_clock(&mut self, chance: &mut StdRng, start: Duration) {
        let path = PAGES[chance.random_range(0..3)];
        let wrong = ms(chance, 1_500, 2_500);
        let by = [3_600, 60, 8][chance.random_range(0..3)];
        self.add(start, Act::Break { fault: Fault::Clock { of: Service::Redis, by }, lasts: wrong });
        let is_lease = chance.random_bool(0.5);
        let asked = start + wrong - ms(chance, 500, 700);
        if is_lease {
            let slow = Fault::ApplicationSlow(ms(chance, 1_500, 2_500));
            self.add(
                asked - ms(chance, 30, 90),
                Act::Break { fault: slow, lasts: Duration::from_millis(200) },
            );
        }
        for edge in 0..2 {
            self.add_get(asked + ms(chance, 0, 20), edge, path, chance);
        }
        let lasts = ms(chance, 500, 900);
        for node in 0..2 {
            let fault = Fault::Kill(Service::Node(node));
            self.add(start + wrong - ms(chance, 60, 250), Act::Break { fault, lasts });
        }
        for _ in 0..chance.random_range(6..=12) {
            self.add_get(start + wrong + ms(chance, 600, 9_000), chance.random_range(0..2), path, chance);
        }
    }

    pub(super) fn add_get(&mut self, at: Duration, edge: u8, path: &str, chance: &mut StdRng) {
        let language = if chance.random_bool(0.5) { "en" } else { "de" };
        let (path, visitor) = (path.to_owned(), String::new());
        self.add(at, Act::Get { edge, path, visitor, language });
    }
}

pub(super) fn ms(chance: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(chance.random_range(least..=most))
}
