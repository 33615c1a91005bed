//! The cluster: what can happen in a step, messages under way, and what must hold.

mod events;
mod purging;
mod serving;
mod watching;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use purge::{LogEntry, LogId, Position, Purge, Seq, Subject, Target, tag_hash};

use events::{EdgeMessage, Event, Lease, NodeMessage, PurgeOp, Request, State};

use crate::chance::Chance;
use crate::edge::{Edge, Watch};
use crate::node::Node;
use crate::redis::{BeatResult, Member, Redis};

pub(crate) const GRACE: u64 = 100;
pub(crate) const EDGES: usize = 3;
const NODES: usize = 2;
const PAGES: usize = 3;
/// Steps between two beats, of a node and of an edge.
const BEAT: u64 = 20;
/// How long a node waits for Redis.
const BEAT_TIMEOUT: u64 = 30;
/// Steps a page is fresh for; an edge waits for a node's first answer; a request waits for another's page.
const TTL: u64 = 60;
const PATIENCE: u64 = 25;
const WAIT: u64 = 100;
/// A request's bound: patience, wait, and the application's time, twice where it goes by itself after all.
const BOUND: u64 = PATIENCE + WAIT + 2 * 2 * SLOWEST + 200;
const SLOWEST: u64 = 80;
/// Steps in which all come up.
const CALM: u64 = 100;
/// How long a purge is waited for.
const PURGE_WAIT: u64 = 400;

static START: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_secs(3600));

pub(crate) fn at(step: u64) -> Instant {
    *START + steps(step)
}

pub(crate) fn steps(steps: u64) -> Duration {
    Duration::from_millis(10 * steps)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Grant {
    Logged(Position),
    Until { since: u64, until: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) key: usize,
    /// When the application made it.
    pub(crate) made: u64,
    pub(crate) grant: Grant,
}

static NAMES: LazyLock<Vec<(String, [u64; 1])>> = LazyLock::new(|| {
    (0..PAGES).map(|key| (format!("http://h/{key}"), [tag_hash(tag(key).as_bytes())])).collect()
});

fn tag(key: usize) -> String {
    format!("tag-{}", key % 2)
}

impl Page {
    pub(crate) fn subject(&self) -> Subject<'static> {
        let (url, tags) = &NAMES[self.key];
        Subject { url: url.as_bytes(), tags }
    }
}

/// What happened, so that a model in which nothing does is found out.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    hits: u64,
    purges: u64,
    over: u64,
    stores: u64,
    refused: u64,
    alone: u64,
    failovers: u64,
    logs_lost: u64,
    waited: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.purges += other.purges;
        self.over += other.over;
        self.stores += other.stores;
        self.refused += other.refused;
        self.alone += other.alone;
        self.failovers += other.failovers;
        self.logs_lost += other.logs_lost;
        self.waited += other.waited;
    }

    pub(crate) fn check(&self) {
        let all = [
            self.hits,
            self.purges,
            self.over,
            self.stores,
            self.refused,
            self.alone,
            self.failovers,
            self.logs_lost,
            self.waited,
        ];
        assert!(all.iter().all(|count| *count > 100), "{self:?}");
        assert!(self.over * 2 > self.purges, "most purges come to an end: {self:?}");
    }
}

pub(crate) struct Simulation {
    pub(crate) now: u64,
    pub(crate) broken: Option<String>,
    pub(crate) seen: Tally,
    chance: Chance,
    redis: Redis,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    cut: HashSet<(usize, usize)>,
    cut_redis: HashSet<usize>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    pending: HashMap<u64, Event>,
    last_id: u64,
    requests: HashMap<u64, Request>,
    purges: Vec<PurgeOp>,
    /// The last store that was taken, by page: from when to when its lease was held, and after how many
    /// failovers.
    stored: HashMap<usize, (u64, u64)>,
    failovers: u64,
    tells: bool,
}

impl Simulation {
    pub(crate) fn new(seed: u64, tells: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut name = || LogId::new(u128::from(chance.next()) << 64 | u128::from(chance.next()));
        let redis = Redis::new(name());
        let nodes = (0..NODES).map(|_| Node::new(name())).collect();
        let edges = (0..EDGES).map(|_| Edge::new()).collect();
        let mut world = Self {
            now: 1,
            broken: None,
            seen: Tally::default(),
            chance,
            redis,
            nodes,
            edges,
            cut: HashSet::new(),
            cut_redis: HashSet::new(),
            events: BinaryHeap::new(),
            pending: HashMap::new(),
            last_id: 0,
            requests: HashMap::new(),
            purges: Vec::new(),
            stored: HashMap::new(),
            failovers: 0,
            tells,
        };
        world.redis.replicate();
        (0..NODES).for_each(|node| world.after(0, Event::NodeBeats(node)));
        world
    }

    pub(crate) fn step(&mut self) {
        self.now += 1;
        while self.events.peek().is_some_and(|Reverse((when, _))| *when <= self.now) {
            let Reverse((_, id)) = self.events.pop().unwrap();
            let event = self.pending.remove(&id).unwrap();
            if self.tells {
                println!("{}: {event:?}", self.now);
            }
            self.happen(event);
        }
        self.connect();
        // A cluster that has come up: all have been in touch once.
        if self.now < CALM {
            return self.redis.replicate();
        }
        self.trouble();
        if self.chance.one_in(3) {
            self.arrive();
        }
        if self.chance.one_in(25) {
            self.purge();
        }
        let late = self.requests.values().find(|request| self.now > request.arrived + BOUND);
        if let Some(request) = late {
            self.broken = Some(format!("a request for {} waits since {}", request.key, request.arrived));
        }
    }

    fn after(&mut self, steps: u64, event: Event) {
        self.last_id += 1;
        self.events.push(Reverse((self.now + steps, self.last_id)));
        self.pending.insert(self.last_id, event);
    }

    fn soon(&mut self, event: Event) {
        let delay = self.chance.delay();
        self.after(delay, event);
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{}: {}", self.now, what());
        }
    }

    /// Whether the edge and the node reach each other.
    fn linked(&self, edge: usize, node: usize) -> bool {
        !self.cut.contains(&(edge, node)) && self.nodes[node].alive && self.edges[edge].alive
    }

    fn has_redis(&self, node: usize) -> bool {
        self.redis.up && !self.cut_redis.contains(&node) && self.nodes[node].alive
    }

    /// What goes wrong by itself.
    fn trouble(&mut self) {
        if self.chance.one_in(5) {
            self.redis.replicate();
        }
        let (edge, node) =
            (self.chance.below(EDGES as u64) as usize, self.chance.below(NODES as u64) as usize);
        match self.chance.below(2_000) {
            0..4 => drop(self.cut.insert((edge, node))),
            4..10 => drop(self.cut.remove(&(edge, node))),
            10..13 => drop(self.cut_redis.insert(node)),
            13..20 => drop(self.cut_redis.remove(&node)),
            20 => self.redis.up = false,
            21..30 => self.redis.up = true,
            30..32 => {
                self.tell(|| "failover".to_owned());
                self.failovers += 1;
                self.seen.failovers += 1;
                self.redis.fail_over();
            }
            32 if self.nodes[node].alive => {
                self.tell(|| format!("node {node} dies"));
                self.nodes[node].alive = false;
                self.after(50, Event::NodeIsBack(node));
            }
            33..35 if self.edges[edge].alive => {
                self.tell(|| format!("edge {edge} dies"));
                self.edges[edge].alive = false;
                self.requests.retain(|_, request| request.edge != edge);
                self.after(30, Event::EdgeIsBack(edge));
            }
            _ => {}
        }
        for edge in 0..EDGES {
            for node in 0..NODES {
                // Either end notices that the other is gone, sooner or later, and not both at once.
                if !self.linked(edge, node) && self.chance.one_in(10) {
                    self.edges[edge].watches.remove(&node);
                }
            }
        }
    }

    /// Edges watch every node they reach.
    fn connect(&mut self) {
        for edge in 0..EDGES {
            for node in 0..NODES {
                if self.edges[edge].watches.contains_key(&node)
                    || !self.linked(edge, node)
                    || !self.chance.one_in(10)
                {
                    continue;
                }
                self.last_id += 1;
                let session = self.last_id;
                let log = self.nodes[node].place().log;
                let had = self.edges[edge].place(log);
                self.edges[edge].watches.insert(node, Watch { session, log: None });
                self.soon(Event::ToNode { edge, node, session, said: NodeMessage::Hello(had) });
                self.after(1, Event::EdgeBeats(edge, node, session));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::NodeBeats(node) => {
                self.node_beats(node);
                self.after(BEAT, Event::NodeBeats(node));
            }
            Event::Nudge(node) => self.node_beats(node),
            Event::BeatAtRedis { node, member, read, sent } if self.has_redis(node) => {
                let read = Box::new(self.redis.beat(node, member, read));
                self.soon(Event::BeatIsBack { node, read, sent });
            }
            Event::BeatIsBack { node, read, sent } if self.has_redis(node) => {
                self.beat_is_back(node, &read, sent)
            }
            Event::EdgeBeats(edge, node, session) => self.edge_beats(edge, node, session),
            Event::ToNode { edge, node, session, said } => self.at_node(edge, node, session, said),
            Event::ToEdge { edge, node, session, said } => self.at_edge(edge, node, session, said),
            Event::Asked(id, node) => self.look_up(id, node),
            Event::Impatient(id) => {
                if self.requests.get(&id).is_some_and(|request| matches!(request.state, State::Asking)) {
                    self.make_alone(id);
                }
            }
            Event::LookAgain(id) => self.look_again(id),
            Event::Leased { request, lease } => self.leased(request, lease),
            Event::Found { request, page } => self.found(request, page),
            Event::Made { request } => {
                let rest = self.chance.below(SLOWEST / 4);
                self.after(rest, Event::Fetched { request, made: now });
            }
            Event::Fetched { request: id, made } => self.fetched(id, made),
            Event::Stored { page, lease } => self.store(page, lease),
            Event::PurgeAtRedis(n) => self.purge_at_redis(n),
            Event::LookAtPurge(n) => self.look_at_purge(n),
            Event::NodeIsBack(node) => {
                let log = LogId::new(u128::from(self.chance.next()));
                self.nodes[node] = Node::new(log);
            }
            Event::EdgeIsBack(edge) => self.edges[edge] = Edge::new(),
            // Lost on the way.
            Event::BeatAtRedis { .. } | Event::BeatIsBack { .. } => {}
        }
    }

    fn look_again(&mut self, id: u64) {
        let Some(request) = self.requests.get(&id) else { return };
        let State::Waiting(node) = request.state else { return };
        if self.now > request.arrived + WAIT {
            self.pass(id);
        } else if self.linked(request.edge, node) {
            self.look_up(id, node);
        } else {
            self.make_alone(id);
        }
    }

    fn leased(&mut self, id: u64, lease: Lease) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        // The edge had no patience any more: the stream is closed, and the lease free.
        if !matches!(request.state, State::Asking | State::Waiting(_)) {
            return;
        }
        let grant = self.edges[request.edge].takes(lease.grant, request.asked);
        request.state = State::Making(Some(lease), grant);
        self.fetch(id);
    }

    fn found(&mut self, id: u64, page: Page) {
        let Some(request) = self.requests.get(&id) else { return };
        if !matches!(request.state, State::Asking | State::Waiting(_)) {
            return;
        }
        let (edge, asked) = (request.edge, request.asked);
        let grant = self.edges[edge].takes(page.grant, asked);
        self.edges[edge].pages.insert(page.key, Page { grant, ..page });
        self.serve(id, page.made);
    }

    fn purge_at_redis(&mut self, n: usize) {
        let node = self.purges[n].node;
        if !self.has_redis(node) {
            return;
        }
        let purge = Purge::new(self.purges[n].targets.clone(), false).unwrap();
        self.purges[n].place = Some(self.redis.append(purge, self.now));
        (0..NODES).for_each(|node| self.soon(Event::Nudge(node)));
        self.soon(Event::LookAtPurge(n));
    }
}
