//! The machines of the world: each a runtime of one thread, which runs until it would sleep. All share the
//! one thread of the process, and time goes on when all of them sleep.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::task::{Poll, Waker};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::runtime::{Builder, Runtime};

use crate::clock::{self, Sleep};

/// The time of day at the start of the world, less what the other clock says then.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);
/// More rounds than this without a step of the clock: something spins.
const MAX_ROUNDS: usize = 100_000;

thread_local! {
    /// Wakes the turn that is being run.
    static TURN: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// A machine, on or off.
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
    runtime: Option<Runtime>,
    epoll: i32,
    sleep: Sleep,
    /// Has to be run although nothing has come.
    is_touched: bool,
    /// Nothing runs there, although it is on.
    pub is_frozen: bool,
    /// How far its time of day is ahead, in seconds.
    pub ahead: i64,
}

impl Host {
    pub fn new(name: impl Into<String>, address: Ipv4Addr) -> Self {
        let mut host = Self {
            name: name.into(),
            address,
            runtime: None,
            epoll: -1,
            sleep: Sleep::ForEver,
            is_touched: false,
            is_frozen: false,
            ahead: 0,
        };
        host.start();
        host
    }

    /// Switches it on, with nothing that runs.
    pub fn start(&mut self) {
        let built = Builder::new_current_thread().enable_all().on_thread_unpark(end_turn).build();
        // Out of file descriptors: there is no world then.
        let runtime = built.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        (self.runtime, self.sleep, self.is_touched) = (Some(runtime), Sleep::ForEver, true);
    }

    /// Takes its power away: whatever ran there is gone, and its connections are reset.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            self.set_time_of_day();
            runtime.shutdown_background();
        }
        (self.sleep, self.is_touched, self.is_frozen) = (Sleep::ForEver, false, false);
    }

    pub fn is_on(&self) -> bool {
        self.runtime.is_some()
    }

    fn runs(&self) -> bool {
        self.is_on() && !self.is_frozen
    }

    pub fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
            self.is_touched = true;
        }
    }

    /// The tasks that run there.
    pub fn tasks(&self) -> usize {
        self.runtime.as_ref().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// Something outside has changed that its tasks may wait for.
    pub fn touch(&mut self) {
        self.is_touched = true;
    }

    fn is_due(&self) -> bool {
        let timer = matches!(self.sleep, Sleep::Until(at) if at <= clock::now());
        self.runs() && (self.is_touched || timer || self.epoll >= 0 && clock::is_ready(self.epoll))
    }

    /// Runs it until it would sleep.
    fn turn(&mut self) {
        self.is_touched = false;
        self.set_time_of_day();
        clock::set_host(self.address);
        let Some(runtime) = &self.runtime else { return };
        clock::wake();
        self.sleep = runtime.block_on(poll_fn(|context| {
            if let Some(sleep) = clock::sleep() {
                return Poll::Ready(sleep);
            }
            TURN.set(Some(context.waker().clone()));
            Poll::Pending
        }));
        TURN.take();
        self.epoll = clock::events().1;
    }

    fn set_time_of_day(&self) {
        let now = EPOCH + clock::now();
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        clock::set_time_of_day(if self.ahead < 0 { now.saturating_sub(ahead) } else { now + ahead });
    }
}

/// Called when a runtime comes back from where it would have slept.
fn end_turn() {
    if clock::sleep().is_some() {
        TURN.with_borrow(|waker| waker.iter().for_each(Waker::wake_by_ref));
    }
}

/// Runs all that is to be done at this moment, hosts in an order of chance; says when the next moment is.
/// `None`: nothing will ever happen again.
pub fn settle(hosts: &mut [Host], chance: &mut StdRng) -> Option<Duration> {
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    for _ in 0..MAX_ROUNDS {
        order.shuffle(chance);
        let mut was_busy = false;
        for &index in &order {
            if hosts[index].is_due() {
                hosts[index].turn();
                was_busy = true;
            }
        }
        if !was_busy {
            let timers = hosts.iter().filter(|host| host.runs()).filter_map(|host| match host.sleep {
                Sleep::Until(at) => Some(at),
                Sleep::ForEver => None,
            });
            return timers.min();
        }
    }
    panic!("something spins at {:?}", clock::now());
}
