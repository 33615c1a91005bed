//! Keeps the connections that HTTP servers leave open between requests, bounded in number, age and use. A
//! watcher closes them when their time is over, or when the server closes them or sends what nobody asked
//! for. A server may take few connections at once: a request that waits on a new one closes one of these.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::KeepaliveConfig;
use crate::exchange::connect::Socket;
use crowd::CrowdCount;

mod crowd;

/// A new connection on which nothing has come for this long may wait for its turn to be accepted.
const UNHEARD: Duration = Duration::from_millis(50);

/// A connection to a server, and what it has behind it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    made: Instant,
    requests: u32,
}

impl Connection {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, made: Instant::now(), requests: 0 }
    }
}

/// A pool's connections that wait for their next request.
#[derive(Debug)]
pub(crate) struct IdleConnections {
    limits: KeepaliveConfig,
    state: Arc<Mutex<IdleState>>,
}

#[derive(Debug, Default)]
struct IdleState {
    /// The connections of each server; the one that was used last is the last.
    parked: HashMap<String, Vec<IdleConnection>>,
    /// Servers that may not have accepted all of their connections.
    crowds: HashMap<String, CrowdCount>,
    is_watched: bool,
    /// The watcher's task.
    watcher: Option<Waker>,
}

/// A request that is counted as unheard, as long as this lives.
struct UnheardRequest<'a> {
    idle: &'a IdleConnections,
    server: &'a str,
}

impl Drop for UnheardRequest<'_> {
    fn drop(&mut self) {
        self.idle.state.lock().is_heard(self.server);
    }
}

#[derive(Debug)]
struct IdleConnection {
    connection: Connection,
    until: Instant,
}

impl IdleConnections {
    pub(crate) fn new(limits: &KeepaliveConfig) -> Self {
        Self { limits: limits.clone(), state: Arc::default() }
    }

    /// Takes the connection that was used last, if the server has not closed it meanwhile.
    pub(crate) fn take(&self, server: &str) -> Option<Connection> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let parked = state.parked.get_mut(server)?;
        std::iter::from_fn(|| parked.pop())
            .find(|parked| now < parked.until && parked.connection.socket.is_quiet())
            .map(|parked| parked.connection)
    }

    /// Closes the connection that has waited longest: a new one takes its place, so that there are never more
    /// of them than there were requests at once.
    pub(crate) fn make_room(&self, server: &str) {
        let oldest = self.state.lock().take_oldest(server);
        drop(oldest);
    }

    /// Does this work on a new connection to a server, to its end. While that lasts, another connection is
    /// closed for it at once, or instead of being kept; and again, at longer and longer intervals.
    pub(crate) async fn beside<T>(&self, server: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let (mut pause, mut unheard) = (UNHEARD, None);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep(pause) => {}
            }
            pause *= 2;
            let again = unheard.is_some();
            unheard.get_or_insert_with(|| UnheardRequest { idle: self, server });
            let closed = self.state.lock().is_unheard(server, again);
            drop(closed);
        }
    }

    /// Keeps a connection after a request that left it clean. Must be called within a runtime.
    pub(crate) fn park(&self, server: &str, mut connection: Connection) {
        let (now, limits) = (Instant::now(), &self.limits);
        connection.requests += 1;
        let left = limits.age.0.saturating_sub(now.saturating_duration_since(connection.made));
        let wait = limits.timeout.0.min(left);
        if limits.connections == 0 || connection.requests >= limits.requests || wait.is_zero() {
            return;
        }
        let far = Duration::from_secs(86_400 * 365);
        let parked = IdleConnection { connection, until: now + wait.min(far) };
        let mut state = self.state.lock();
        if state.crowds.get_mut(server).is_some_and(CrowdCount::gives_up_one) {
            return;
        }
        let others = state.parked.entry(server.to_owned()).or_default();
        if others.len() >= limits.connections {
            return;
        }
        others.push(parked);
        let watcher = state.watcher.take();
        let is_watched = std::mem::replace(&mut state.is_watched, true);
        drop(state);
        if let Some(watcher) = watcher {
            watcher.wake();
        }
        if !is_watched {
            tokio::spawn(watch(Arc::downgrade(&self.state)));
        }
    }
}

impl Drop for IdleConnections {
    fn drop(&mut self) {
        let watcher = self.state.lock().watcher.take();
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }
}

/// Closes connections as they end, until there are none.
async fn watch(state: Weak<Mutex<IdleState>>) {
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        let Some(state) = state.upgrade() else { return Poll::Ready(()) };
        let mut state = state.lock();
        loop {
            let Some(next) = state.close_ended(context) else {
                state.is_watched = false;
                return Poll::Ready(());
            };
            timer.as_mut().reset(next);
            if timer.as_mut().poll(context).is_pending() {
                state.watcher = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
    })
    .await;
}

impl IdleState {
    fn take_oldest(&mut self, server: &str) -> Option<IdleConnection> {
        let parked = self.parked.get_mut(server).filter(|parked| !parked.is_empty())?;
        Some(parked.remove(0))
    }

    /// Counts a request on a new connection that has heard nothing yet, and takes a connection off for it.
    /// `again`: it has been counted.
    fn is_unheard(&mut self, server: &str, again: bool) -> Option<IdleConnection> {
        let oldest = self.take_oldest(server);
        let crowd = self.crowds.entry(server.to_owned()).or_default();
        if again {
            crowd.still_unheard();
        } else {
            crowd.one_unheard();
        }
        if oldest.is_some() {
            crowd.one_given_up();
        }
        oldest
    }

    fn is_heard(&mut self, server: &str) {
        let Some(crowd) = self.crowds.get_mut(server) else { return };
        crowd.one_heard();
        if crowd.is_over() {
            self.crowds.remove(server);
        }
    }

    /// Closes what is over. When the next one is, if there is one; `context` is woken when a server says
    /// something before that.
    fn close_ended(&mut self, context: &mut Context<'_>) -> Option<Instant> {
        let now = Instant::now();
        self.parked.retain(|_, parked| {
            parked.retain(|parked| now < parked.until && parked.connection.socket.poll_quiet(context));
            !parked.is_empty()
        });
        self.parked.values().flatten().map(|parked| parked.until).min()
    }
}
