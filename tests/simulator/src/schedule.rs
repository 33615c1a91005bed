//! What happens in one world, and when: all of it drawn from a seed before it begins, so that any part of it
//! can be left out.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::services::{Service, Topology};
use crate::strike::Strike;
use crate::visitor::Pace;

pub use scarce::Scarcity;
pub use scene::Scene;

mod aimed;
mod mixed;
mod scarce;
mod scene;

/// How long visitors come.
pub const LENGTH: Duration = Duration::from_secs(16);

/// How long a page takes to make, if the application is well.
pub const TAKES: Duration = Duration::from_millis(40);

/// The world of a seed.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub topology: Topology,
    pub has_redis: bool,
    pub kind: Kind,
    pub aim: Aim,
    /// How long a page takes to make, if the application is well.
    pub takes: Duration,
    /// What fails in a scene.
    pub strike: Option<Strike>,
    /// What there is little of.
    pub scarcity: Option<Scarcity>,
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

/// What a world is made to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aim {
    /// Something of everything.
    #[default]
    Mixed,
    /// Two edges, each of which knows another node, are asked for the same pages at one moment.
    Split,
    /// Likewise, and nothing is late.
    Prompt,
    /// Likewise, and a page takes longer to make than a lease lasts unless it is renewed.
    Slow,
    /// A node stands still in the middle of a page, and goes on when another has made it.
    Frozen,
    /// Redis's time of day is set, and set back while nodes are dead.
    Clock,
    /// Memory for bodies and places at the application are scarce, and some ask for long pages and read them
    /// slowly, or not at all.
    Scarce,
    /// A scene in which one thing fails.
    Scene(Scene),
}

impl Aim {
    /// Those that are drawn from seeds.
    pub const DRAWN: [Self; 7] =
        [Self::Mixed, Self::Split, Self::Prompt, Self::Slow, Self::Frozen, Self::Clock, Self::Scarce];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Split => "split",
            Self::Prompt => "prompt",
            Self::Slow => "slow",
            Self::Frozen => "frozen",
            Self::Clock => "clock",
            Self::Scarce => "scarce",
            Self::Scene(scene) => scene.name(),
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        let scenes = Scene::ALL.into_iter().map(Self::Scene);
        Self::DRAWN.into_iter().chain(scenes).find(|aim| aim.name() == name)
    }
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
    /// A request with a body.
    Upload {
        edge: u8,
        path: String,
    },
    /// A page over HTTP/2.
    Stream {
        edge: u8,
        path: String,
    },
    /// A page that is read slowly, or not.
    Dawdle {
        edge: u8,
        path: String,
        is_http2: bool,
        pace: Pace,
    },
    /// The page changes, and nobody is told.
    Change {
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
    /// One of many things fails in a scene.
    Strike(Strike),
    /// A machine stands still, and goes on where it stood.
    Freeze(Service),
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
    /// Whether nothing but a node, or what it shares with others, is out of order.
    pub fn is_of_nodes_alone(&self) -> bool {
        match self {
            Self::Cut { to, .. } | Self::Lose { to, .. } => matches!(to, Service::Node(_) | Service::Redis),
            Self::Kill(of) | Self::Stop(of) | Self::Freeze(of) => {
                matches!(of, Service::Node(_) | Service::Redis)
            }
            _ => false,
        }
    }

    /// Whether the application itself is out of order.
    pub fn is_the_applications(&self) -> bool {
        matches!(
            self,
            Self::ApplicationFails
                | Self::ApplicationBreaks
                | Self::ApplicationSlow(_)
                | Self::Kill(Service::Application)
                | Self::Freeze(Service::Application)
        )
    }
}

impl Schedule {
    pub fn new(seed: u64, aim: Aim, strike: Option<Strike>) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut schedule = match aim {
            Aim::Mixed => Self::mixed(&mut chance),
            Aim::Scarce => Self::scarce(&mut chance),
            Aim::Scene(scene) => Self::scene(scene, strike),
            aim => Self::aimed(aim, &mut chance),
        };
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

    /// The lines of a service's settings that leave room for little; an adapter's are its pool's.
    pub fn room(&self, service: Service) -> String {
        let struck = self.strike.and_then(|strike| strike.setting(service));
        let scarce = self.scarcity.and_then(|scarcity| scarcity.setting(service));
        struck.or(scarce).unwrap_or_default()
    }

    fn add(&mut self, at: Duration, act: Act) {
        self.events.push(Event { at, act });
    }

    pub fn services(&self) -> Vec<Service> {
        let Topology { edges, nodes, adapters, .. } = self.topology;
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
