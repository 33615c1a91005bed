//! Worlds in which some ask for long pages, which they read slowly or not at all, while there is little
//! memory for bodies and few places at the application.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::aimed::ms;
use super::{Act, Aim, Kind, Schedule, TAKES};
use crate::services::{Service, Topology};
use crate::visitor::Pace;

/// What there is little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scarcity {
    /// Bytes for all bodies at an edge.
    bodies: u64,
    /// Bytes for pages that an edge keeps: with none, each comes from a node.
    l1: u64,
    /// Requests at the application at once.
    in_flight: u64,
    /// Bytes of a reply that wait in an adapter's memory; it has no files.
    reply: u64,
}

/// The pages that nobody can keep whole.
const LONG_PAGES: u64 = 16;

impl Scarcity {
    fn new(chance: &mut StdRng) -> Self {
        let mut one_of = |all: &[u64]| all[chance.random_range(0..all.len())];
        Self {
            bodies: one_of(&[256 << 10, 512 << 10, 1 << 20]),
            l1: one_of(&[0, 0, 8 << 10, 64 << 20]),
            in_flight: one_of(&[8, 32, 100]),
            reply: one_of(&[16 << 10, 64 << 10, 4 << 20]),
        }
    }

    /// The lines of a service's settings that make it so.
    pub(super) fn setting(self, service: Service) -> Option<String> {
        let Self { bodies, l1, in_flight, reply } = self;
        match service {
            Service::Edge(_) => Some(format!(
                "limits = {{ bodies = {bodies} }}\nl1 = {{ memory = {l1} }}\ntimeouts.send = \"5s\""
            )),
            Service::Adapter(_) => {
                Some(format!("max_in_flight = {in_flight}\nreply_buffer = {{ memory = {reply}, file = 0 }}"))
            }
            _ => None,
        }
    }
}

impl Schedule {
    pub(super) fn scarce(chance: &mut StdRng) -> Self {
        let topology = Topology { edges: 2, nodes: chance.random_range(1..=2), adapters: 2, is_split: false };
        let mut schedule = Self {
            topology,
            has_redis: true,
            kind: Kind::Calm,
            aim: Aim::Scarce,
            takes: TAKES,
            strike: None,
            scarcity: Some(Scarcity::new(chance)),
            events: Vec::new(),
        };
        schedule.add_delays(chance);
        schedule.episodes(chance, 900, Self::add_encounter);
        schedule.episodes(chance, 6_000, Self::add_dawdlers);
        schedule.episodes(chance, 2_500, Self::add_unread);
        schedule
    }

    /// Who asks first for a page that nobody has does not read it, and has perhaps no place left at the
    /// application; others come for it in the same moment, there or at the other edge.
    fn add_unread(&mut self, chance: &mut StdRng, start: Duration) {
        let (edge, path) = (chance.random_range(0..2), self.one_page(chance));
        self.add(start, Act::Purge { edge: chance.random_range(0..2), path: path.to_owned() });
        let comes = start + ms(chance, 250, 400);
        let pace = Pace { bytes: 0, lasts: ms(chance, 3_000, 6_000), leaves: chance.random_bool(0.5) };
        self.add(comes, Act::Dawdle { edge, path: path.to_owned(), is_http2: true, pace });
        for _ in 0..chance.random_range(1..=3) {
            let other = if chance.random_bool(0.3) { 1 - edge } else { edge };
            self.add_get(comes + ms(chance, 1, 30), other, path, chance);
        }
    }

    /// Some who do not read what they have asked for, and perhaps one who does.
    fn add_dawdlers(&mut self, chance: &mut StdRng, start: Duration) {
        let is_at_all_edges = chance.random_bool(0.3);
        let edge = chance.random_range(0..2);
        for _ in 0..chance.random_range(8..=24) {
            let edge = if is_at_all_edges { chance.random_range(0..2) } else { edge };
            let path = format!("/p/long/{}", chance.random_range(0..LONG_PAGES));
            let pace = Pace {
                bytes: [0, 0, 0, 100, 4_000, 40_000][chance.random_range(0..6)],
                lasts: ms(chance, 2_000, 9_000),
                leaves: chance.random_bool(0.6),
            };
            let is_http2 = chance.random_bool(0.4);
            self.add(start + ms(chance, 0, 400), Act::Dawdle { edge, path, is_http2, pace });
        }
        if chance.random_bool(0.5) {
            let path = format!("/p/long/{}", chance.random_range(0..LONG_PAGES));
            let act = Act::Get { edge, path, visitor: String::new(), language: "en" };
            self.add(start + ms(chance, 0, 3_000), act);
        }
    }
}
