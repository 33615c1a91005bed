//! One world from its start to the rest after its end: machines, services, network, visitors, and what the
//! schedule does to them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use process::shutdown::Shutdown;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::TcpListener;

use crate::application::{Application, Mood, UPLOAD};
use crate::clock;
use crate::figures::Figures;
use crate::history::{FaultRecord, History, PurgeRecord, Remains, Reply, Visit};
use crate::hosts::{self, Host};
use crate::network::Network;
use crate::redis::RedisTwin;
use crate::schedule::{Act, Event, Fault, LENGTH, Schedule};
use crate::script_faults::ScriptFault;
use crate::services::{self, Service, Start};
use crate::strike::Strike;
use crate::visitor::{self, Outcome, PATIENCE, Question};

/// Between the last fault's mending and the visits that must go well.
const RECOVERY: Duration = Duration::from_secs(10);
/// All that is idle has been closed by then.
const REST: Duration = Duration::from_secs(8);

/// The first machines.
const NETWORK: usize = 0;
const VISITORS: usize = 1;
/// Those who read slowly have another address than all others.
const DAWDLERS: usize = 2;

/// What is left of a world.
#[derive(Debug)]
pub struct End {
    pub history: History,
    /// A hash of all that happened and when: one world has one.
    pub trace: u64,
    /// The pieces, or sockets, of which one might have failed.
    pub counted: u64,
}

struct Simulation {
    schedule: Schedule,
    hosts: Vec<Host>,
    at: BTreeMap<Service, usize>,
    shutdowns: BTreeMap<Service, Shutdown>,
    network: Network,
    redis: RedisTwin,
    application: Application,
    history: Arc<Mutex<History>>,
    figures: Figures,
    chance: StdRng,
    trace: DefaultHasher,
    start: Duration,
    /// What is to be mended when.
    broken: Vec<(Duration, usize, Fault)>,
}

/// Plays a schedule. The process must run below `kernel.c`.
pub fn play(schedule: Schedule, seed: u64, fault: Option<ScriptFault>) -> End {
    let strike = schedule.strike;
    let mut world = Simulation::new(schedule, seed, fault);
    world.run();
    let Simulation { history, application, trace, network, .. } = world;
    let counted = network.pieces().max(clock::sockets());
    let mut history = std::mem::take(&mut *history.lock());
    let struck = network.struck();
    history.has_struck = match strike {
        Some(Strike::Message(..)) => struck.is_some(),
        Some(Strike::Descriptor(number)) => clock::sockets() >= number,
        Some(Strike::Limit(..)) => true,
        None => false,
    };
    history.has_struck_application = struck == Some(Service::Application.address().into());
    history.calls = application.with(|memory| std::mem::take(&mut memory.calls));
    End { history, trace: trace.finish(), counted }
}

impl Simulation {
    fn new(schedule: Schedule, seed: u64, fault: Option<ScriptFault>) -> Self {
        let mut world = Self {
            hosts: vec![
                Host::new("network", Ipv4Addr::new(127, 9, 0, 1)),
                Host::new("visitors", Ipv4Addr::new(127, 8, 0, 1)),
            ],
            at: BTreeMap::new(),
            shutdowns: BTreeMap::new(),
            network: Network::default(),
            redis: RedisTwin::new(fault),
            application: Application::default(),
            history: Arc::default(),
            figures: Figures::default(),
            chance: StdRng::seed_from_u64(seed ^ 0x5eed),
            trace: DefaultHasher::new(),
            start: clock::now(),
            broken: Vec::new(),
            schedule,
        };
        world.application.with(|memory| memory.takes = world.schedule.takes);
        if let Some(strike @ Strike::Limit(..)) = world.schedule.strike {
            let (began, ended) = (Duration::ZERO, Duration::MAX - RECOVERY);
            world.history.lock().faults.push(FaultRecord { fault: Fault::Strike(strike), began, ended });
        }
        if world.schedule.scarcity.is_some() {
            world.hosts.push(Host::new("dawdlers", Ipv4Addr::new(127, 8, 0, 2)));
        }
        for service in world.schedule.services() {
            if !matches!(service, Service::Edge(_)) {
                world.hosts[NETWORK].spawn(world.network.clone().carry(service.public(), service.address()));
            }
            world.at.insert(service, world.hosts.len());
            world.hosts.push(Host::new(service.name(), service.machine()));
            world.begin(service);
        }
        world
    }

    fn run(&mut self) {
        let events = std::mem::take(&mut self.schedule.events);
        for event in events {
            self.go_on_to(self.start + event.at);
            self.act(event);
            if self.schedule.scarcity.is_some() {
                let mut history = self.history.lock();
                history.most_bodies = history.most_bodies.max(self.figures.bodies());
            }
        }
        self.go_on_to(self.start + LENGTH);
        while let Some(due) = self.broken.iter().map(|broken| broken.0).max() {
            self.go_on_to(due);
        }
        self.network.heal();
        self.go_on_to(clock::now() + RECOVERY);
        let rest = self.visit_all();
        let before = self.tasks(rest);
        let rest = self.visit_all();
        let after = self.tasks(rest);
        let remains = before.into_iter().zip(after).map(|((service, before), (_, after))| Remains {
            service,
            before,
            after,
        });
        let mut history = self.history.lock();
        history.remains = remains.collect();
        history.held = self.figures.held();
        history.leases = self.redis.leases();
        format!("{history:?}").hash(&mut self.trace);
        self.redis.commands().hash(&mut self.trace);
    }

    /// Every page at every edge, when all has been mended. Returns until when to wait for rest.
    fn visit_all(&mut self) -> Duration {
        for edge in 0..self.schedule.topology.edges {
            for path in ["/p/1", "/p/2", "/p/big", "/lang/1", "/me/1"] {
                let visitor = if path == "/me/1" { "last".to_owned() } else { String::new() };
                self.get(edge, path.to_owned(), visitor, "en");
            }
        }
        clock::now() + REST
    }

    /// The tasks of all services that run, at rest.
    fn tasks(&mut self, rest: Duration) -> Vec<(Service, usize)> {
        self.go_on_to(rest);
        self.at.iter().map(|(service, index)| (*service, self.hosts[*index].tasks())).collect()
    }

    /// Lets time pass, and mends what is due meanwhile.
    fn go_on_to(&mut self, until: Duration) {
        loop {
            let next = hosts::settle(&mut self.hosts, &mut self.chance);
            let mend = self.broken.iter().map(|broken| broken.0).min();
            let next = [next, mend, Some(until)].into_iter().flatten().min().unwrap_or(until);
            clock::now().hash(&mut self.trace);
            if next > clock::now() {
                clock::set(next);
            }
            self.mend();
            if clock::now() >= until {
                hosts::settle(&mut self.hosts, &mut self.chance);
                return;
            }
        }
    }

    fn act(&mut self, event: Event) {
        match event.act {
            Act::Get { edge, path, visitor, language } => self.get(edge, path, visitor, language),
            Act::Upload { edge, path } => {
                let question = Question { method: "POST", body: &UPLOAD, ..Question::page(edge, &path) };
                self.visit(VISITORS, edge, question);
            }
            Act::Stream { edge, path } => {
                let visitor = if path.starts_with("/me/") { "last" } else { "" }.to_owned();
                let question = Question { visitor, is_http2: true, ..Question::page(edge, &path) };
                self.visit(VISITORS, edge, question);
            }
            Act::Dawdle { edge, path, is_http2, pace } => {
                let question = Question { is_http2, pace: Some(pace), ..Question::page(edge, &path) };
                self.visit(DAWDLERS, edge, question);
            }
            Act::Purge { edge, path } => self.purge(edge, path),
            Act::Change { path } => {
                self.application.change(&path);
            }
            Act::Delay { from, to, delay, jitter } => {
                self.network.change((from.machine(), to.public()), |link| {
                    (link.delay, link.jitter) = (delay, jitter);
                });
                self.hosts[NETWORK].touch();
            }
            Act::Break { fault, lasts } => self.break_by(fault, lasts),
        }
    }

    fn get(&mut self, edge: u8, path: String, visitor: String, language: &'static str) {
        self.visit(VISITORS, edge, Question { visitor, language, ..Question::page(edge, &path) });
    }

    fn visit(&mut self, from: usize, edge: u8, question: Question) {
        let history = self.history.clone();
        history.lock().waiting += 1;
        self.hosts[from].spawn(async move {
            let began = clock::now();
            let (reply, cache_status) = Reply::of(visitor::ask(&question).await);
            let ended = clock::now();
            let Question { path, visitor, language, pace, .. } = question;
            let visit = Visit { edge, path, visitor, language, pace, began, ended, reply, cache_status };
            let mut history = history.lock();
            history.visits.push(visit);
            history.waiting -= 1;
        });
    }

    fn purge(&mut self, edge: u8, path: String) {
        let version = self.application.change(&path);
        let question = Question { method: "PURGE", ..Question::page(edge, &path) };
        let history = self.history.clone();
        history.lock().waiting += 1;
        self.hosts[VISITORS].spawn(async move {
            let began = clock::now();
            let is_complete = matches!(visitor::ask(&question).await, Outcome::Reply { status: 200, .. });
            let ended = clock::now();
            let mut history = history.lock();
            history.purges.push(PurgeRecord { edge, path, version, began, ended, is_complete });
            history.waiting -= 1;
        });
    }

    fn break_by(&mut self, fault: Fault, lasts: Duration) {
        match &fault {
            Fault::Cut { from, to, there, back } => {
                self.network.change((from.machine(), to.public()), |link| {
                    link.cut_there |= there;
                    link.cut_back |= back;
                });
                self.hosts[NETWORK].touch();
            }
            Fault::Lose { from, to } => {
                self.network.change((from.machine(), to.public()), |link| link.connections += 1);
                self.hosts[NETWORK].touch();
            }
            Fault::Kill(service) => self.kill(*service),
            Fault::Stop(service) => {
                if let Some(shutdown) = self.shutdowns.get(service) {
                    shutdown.begin();
                }
                self.host(*service).touch();
            }
            Fault::Strike(strike) => self.strike(Some(*strike)),
            Fault::Freeze(service) => self.host(*service).is_frozen = true,
            Fault::FailOver => self.redis.fail_over(),
            Fault::Empty => self.redis.empty(),
            Fault::Clock { of, by } => self.host(*of).ahead = *by,
            Fault::ApplicationFails => self.application.with(|memory| memory.mood = Mood::Failing),
            Fault::ApplicationBreaks => self.application.with(|memory| memory.mood = Mood::Breaking),
            Fault::ApplicationSlow(takes) => self.application.with(|memory| memory.takes = *takes),
        }
        if matches!(fault, Fault::FailOver | Fault::Empty) {
            self.host(Service::Redis).touch();
        }
        let record = FaultRecord { fault: fault.clone(), began: clock::now(), ended: Duration::MAX };
        let mut history = self.history.lock();
        history.faults.push(record);
        self.broken.push((clock::now() + lasts, history.faults.len() - 1, fault));
    }

    fn mend(&mut self) {
        let now = clock::now();
        let (due, left) = std::mem::take(&mut self.broken).into_iter().partition(|broken| broken.0 <= now);
        self.broken = left;
        for (_, number, fault) in Vec::from_iter::<Vec<_>>(due) {
            self.history.lock().faults[number].ended = now;
            match fault {
                Fault::Cut { from, to, .. } => {
                    self.network.change((from.machine(), to.public()), |link| {
                        (link.cut_there, link.cut_back) = (false, false);
                    });
                    self.hosts[NETWORK].touch();
                }
                Fault::Kill(service) | Fault::Stop(service) => {
                    self.kill(service);
                    self.begin(service);
                }
                Fault::Strike(_) => self.strike(None),
                Fault::Freeze(service) => {
                    self.host(service).is_frozen = false;
                    self.host(service).touch();
                }
                Fault::Clock { of, .. } => self.host(of).ahead = 0,
                Fault::ApplicationFails | Fault::ApplicationBreaks => {
                    self.application.with(|memory| memory.mood = Mood::Well);
                }
                Fault::ApplicationSlow(_) => {
                    let takes = self.schedule.takes;
                    self.application.with(|memory| memory.takes = takes);
                }
                Fault::Lose { .. } | Fault::FailOver | Fault::Empty => {}
            }
        }
    }

    /// Lets something fail from now on, or nothing any more.
    fn strike(&mut self, strike: Option<Strike>) {
        self.network.await_piece(match strike {
            Some(Strike::Message(loss, number)) => Some((loss, number)),
            _ => None,
        });
        clock::refuse_socket(match strike {
            Some(Strike::Descriptor(number)) => number,
            _ => 0,
        });
    }

    fn host(&mut self, service: Service) -> &mut Host {
        &mut self.hosts[self.at[&service]]
    }

    fn kill(&mut self, service: Service) {
        self.shutdowns.remove(&service);
        self.host(service).kill();
    }

    /// Switches the service's machine on, if it is off, and starts the service.
    fn begin(&mut self, service: Service) {
        let shutdown = Shutdown::new();
        self.shutdowns.insert(service, shutdown.clone());
        let Schedule { topology, has_redis, .. } = self.schedule;
        let (redis, application) = (self.redis.clone(), self.application.clone());
        let (history, draining) = (self.history.clone(), shutdown.clone());
        let start = Start { room: self.schedule.room(service), shutdown, figures: self.figures.clone() };
        let host = self.host(service);
        if !host.is_on() {
            host.start();
        }
        host.spawn(async move {
            let ended = match service {
                Service::Edge(n) => services::edge(topology, n, start).await,
                Service::Node(n) => services::node(n, has_redis, start).await,
                Service::Adapter(n) => services::adapter(n, start).await,
                Service::Redis => listen(service, |listener| redis.serve(listener)).await,
                Service::Application => listen(service, |listener| application.serve(listener)).await,
            };
            if !draining.is_draining() || ended.is_err() {
                history.lock().ended.push(format!("{}: {ended:?}", service.name()));
            }
        });
    }
}

async fn listen<F: Future<Output = ()>>(
    service: Service,
    serve: impl FnOnce(TcpListener) -> F,
) -> anyhow::Result<()> {
    serve(TcpListener::bind(service.address()).await?).await;
    Ok(())
}

/// No visit may last longer.
pub const LONGEST_VISIT: Duration = Duration::from_secs(PATIENCE.as_secs() / 2);
