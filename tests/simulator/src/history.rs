//! What visitors asked and got, and what went wrong meanwhile.

use std::time::Duration;

use crate::application::{Call, Page};
use crate::schedule::Fault;
use crate::services::Service;
use crate::visitor::{Outcome, Pace};

/// How a visit ended, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Page(Page),
    /// Another status than 200.
    Status(u16),
    /// 200, and not all of a page.
    Nonsense,
    /// The connection broke, and what had come was right.
    Broken,
    /// The visitor left.
    Left,
    Hung,
}

impl Reply {
    /// What a visit came to, and what the edge said of its cache.
    pub fn of(outcome: Outcome) -> (Self, String) {
        match outcome {
            Outcome::Reply { status: 200, cache_status, body } => {
                (Page::read(&body).map_or(Self::Nonsense, Self::Page), cache_status)
            }
            Outcome::Reply { status, cache_status, .. } => (Self::Status(status), cache_status),
            Outcome::Broken(_) => (Self::Broken, String::new()),
            Outcome::Left => (Self::Left, String::new()),
            Outcome::Hung => (Self::Hung, String::new()),
        }
    }
}

/// One visit.
#[derive(Clone, Debug)]
pub struct Visit {
    pub edge: u8,
    pub path: String,
    pub visitor: String,
    pub language: &'static str,
    /// If the visitor reads slowly.
    pub pace: Option<Pace>,
    pub began: Duration,
    pub ended: Duration,
    pub reply: Reply,
    pub cache_status: String,
}

/// One purge of a page.
#[derive(Clone, Debug)]
pub struct PurgeRecord {
    pub edge: u8,
    pub path: String,
    /// What is older was to be purged.
    pub version: u64,
    pub began: Duration,
    pub ended: Duration,
    pub is_complete: bool,
}

/// One fault from its beginning until it was mended.
#[derive(Clone, Debug)]
pub struct FaultRecord {
    pub fault: Fault,
    pub began: Duration,
    pub ended: Duration,
}

/// What is still there after all visitors have left.
#[derive(Clone, Debug)]
pub struct Remains {
    pub service: Service,
    /// Tasks at rest before the first visitor, and after the last.
    pub before: usize,
    pub after: usize,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub visits: Vec<Visit>,
    pub purges: Vec<PurgeRecord>,
    pub faults: Vec<FaultRecord>,
    pub calls: Vec<Call>,
    pub remains: Vec<Remains>,
    /// What services hold at rest, by the names of their metrics.
    pub held: Vec<String>,
    /// The most that bodies held at one edge, where memory for them is scarce.
    pub most_bodies: u64,
    /// The leases that Redis knows at rest.
    pub leases: usize,
    /// What was to fail in a scene has failed.
    pub has_struck: bool,
    /// The piece that failed was the application's, or for it.
    pub has_struck_application: bool,
    /// Services that ended by themselves, and why.
    pub ended: Vec<String>,
    /// Visitors who wait although their patience is over.
    pub waiting: usize,
}

impl History {
    /// The faults that lasted at some moment of a time, or had been mended less than `after` before it.
    pub fn faults_within(
        &self,
        began: Duration,
        ended: Duration,
        after: Duration,
    ) -> impl Iterator<Item = &FaultRecord> {
        self.faults.iter().filter(move |fault| fault.began <= ended && fault.ended + after >= began)
    }
}
