//! One scene of visitors in which one thing fails (`strike`), always the same: how the n-th thing is reached.

use std::time::Duration;

use super::{Act, Aim, Fault, Kind, Schedule, TAKES};
use crate::services::Topology;
use crate::strike::Strike;

/// What visitors do while something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A page that the node has is asked for at an edge that does not have it.
    Hit,
    /// Some ask for a page that nobody has.
    Miss,
    /// Some ask for a page that is stale, and it is made again.
    Refresh,
    /// A page is purged, and asked for.
    Purge,
    /// A request with a body.
    Upload,
    /// Two requests over HTTP/2.
    Http2,
}

impl Scene {
    pub const ALL: [Self; 6] = [Self::Hit, Self::Miss, Self::Refresh, Self::Purge, Self::Upload, Self::Http2];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Refresh => "refresh",
            Self::Purge => "purge",
            Self::Upload => "upload",
            Self::Http2 => "http2",
        }
    }
}

/// How long the scene goes on.
const LASTS: Duration = Duration::from_secs(1);
/// When it begins: before, pages were stored, and have become stale.
const BEGINS: u64 = 5_500;

impl Schedule {
    pub(super) fn scene(scene: Scene, strike: Option<Strike>) -> Self {
        let topology = Topology { edges: 2, nodes: 1, adapters: 2, is_split: false };
        let aim = Aim::Scene(scene);
        let mut schedule = Self {
            topology,
            has_redis: true,
            kind: Kind::SingleFaults,
            aim,
            takes: TAKES,
            strike,
            scarcity: None,
            events: Vec::new(),
        };
        if let Some(strike) = strike.filter(|strike| !matches!(strike, Strike::Limit(..))) {
            schedule.add_at(BEGINS, Act::Break { fault: Fault::Strike(strike), lasts: LASTS });
        }
        schedule.add_scene(scene);
        schedule
    }

    fn add_scene(&mut self, scene: Scene) {
        match scene {
            Scene::Hit => {
                self.add_page(BEGINS - 300, 0, "/p/1");
                self.add_page(BEGINS + 10, 1, "/p/1");
                self.add_page(BEGINS + 12, 1, "/p/1");
            }
            Scene::Miss => (0..6).for_each(|n| self.add_page(BEGINS + 10 + n, (n % 2) as u8, "/p/1")),
            Scene::Refresh => {
                (0..2).for_each(|edge| self.add_page(BEGINS - 2_500, edge, "/p/1"));
                (0..6).for_each(|n| self.add_page(BEGINS + 10 + 20 * n, (n % 2) as u8, "/p/1"));
            }
            Scene::Purge => {
                (0..2).for_each(|edge| self.add_page(BEGINS - 500, edge, "/p/1"));
                self.add_at(BEGINS + 10, Act::Purge { edge: 0, path: "/p/1".to_owned() });
                (0..8).for_each(|n| self.add_page(BEGINS + 20 + 40 * n, (n % 2) as u8, "/p/1"));
            }
            Scene::Upload => {
                (0..3).for_each(|edge| {
                    let act = Act::Upload { edge: edge % 2, path: "/up/1".to_owned() };
                    self.add_at(BEGINS + 10, act);
                });
            }
            Scene::Http2 => {
                for path in ["/p/1", "/p/big", "/me/1"] {
                    self.add_at(BEGINS + 10, Act::Stream { edge: 0, path: path.to_owned() });
                }
            }
        }
        // The page is asked for again while the fault may be felt.
        (0..4).for_each(|n| self.add_page(BEGINS + 1_000 + 700 * n, (n % 2) as u8, "/p/1"));
    }

    fn add_page(&mut self, at: u64, edge: u8, path: &str) {
        let (path, visitor) = (path.to_owned(), String::new());
        self.add_at(at, Act::Get { edge, path, visitor, language: "en" });
    }

    fn add_at(&mut self, at: u64, act: Act) {
        self.add(Duration::from_millis(at), act);
    }
}
