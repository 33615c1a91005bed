//! What is under way: messages, requests, purges.

use super::*;

#[derive(Debug)]
pub(super) enum Event {
    NodeBeats(usize),
    Nudge(usize),
    BeatAtRedis { node: usize, member: Member, read: Position, sent: u64 },
    BeatIsBack { node: usize, read: Box<BeatResult>, sent: u64 },
    EdgeBeats(usize, usize, u64),
    ToNode { edge: usize, node: usize, session: u64, said: NodeMessage },
    ToEdge { edge: usize, node: usize, session: u64, said: EdgeMessage },
    Asked(u64, usize),
    Impatient(u64),
    LookAgain(u64),
    Leased { request: u64, lease: Lease },
    Found { request: u64, page: Page },
    Made { request: u64 },
    Fetched { request: u64, made: u64 },
    Stored { page: Page, lease: Lease },
    PurgeAtRedis(usize),
    LookAtPurge(usize),
    NodeIsBack(usize),
    EdgeIsBack(usize),
}

#[derive(Debug)]
pub(super) enum NodeMessage {
    Hello(Option<Position>),
    Beat { sent: u64, acknowledged: Seq },
}

#[derive(Debug)]
pub(super) enum EdgeMessage {
    News { log: LogId, floor: Seq, purges: Vec<Arc<LogEntry>> },
    Echo { sent: u64, left: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) node: usize,
    pub(super) key: usize,
    pub(super) token: u64,
    pub(super) grant: Grant,
    pub(super) granted: u64,
    pub(super) failovers: u64,
    pub(super) in_redis: bool,
}

pub(super) struct Request {
    pub(super) edge: usize,
    pub(super) key: usize,
    pub(super) arrived: u64,
    /// When it asked the node last.
    pub(super) asked: u64,
    pub(super) state: State,
}

pub(super) enum State {
    Asking,
    Waiting(usize),
    /// Whether, and by what right, the page is kept.
    Making(Option<Lease>, Grant),
    Passing,
}

pub(super) struct PurgeOp {
    pub(super) node: usize,
    pub(super) reached: Vec<usize>,
    pub(super) targets: Vec<Target>,
    pub(super) asked: u64,
    pub(super) place: Option<Position>,
    /// Since when the others' records stand still.
    pub(super) silent: HashMap<usize, (Member, u64)>,
    pub(super) over: Option<u64>,
}
