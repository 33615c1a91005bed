//! Idle connections without tasks. A connection that has been silent for a moment gives up its task, its
//! timer and the runtime's entry for its socket. It waits here, as little more than its socket, until its
//! client says something or its time is over.
//!
//! A lot belongs to one runtime: connections are served again where they were parked.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use process::shutdown::Shutdown;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::http1::connection::{Connection, ParkedConnection};
use crate::listen::generation::CurrentGeneration;
use crate::listen::seat::Seat;

/// How often it is checked whose time is over.
const LOOK: Duration = Duration::from_secs(1);
/// Sockets that are asked for at once.
const EVENTS: usize = 256;
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub(crate) struct ParkingLot {
    /// Tells which clients have said something.
    epoll: OwnedFd,
    spaces: Mutex<Spaces>,
}

/// The connections, by the number that epoll knows each by.
#[derive(Default)]
struct Spaces {
    all: Vec<Space>,
    /// Numbers of spaces that are free.
    free: Vec<u32>,
    /// Nothing is parked any more: the process drains.
    is_closed: bool,
}

struct Space {
    until: Instant,
    /// Boxed, so that spaces that are free hold little.
    parked: Option<Box<IdleConnection>>,
}

struct IdleConnection {
    connection: ParkedConnection,
    seat: Seat,
}

/// Serves a connection in a task of its own, on the current runtime. The task ends while it is idle.
pub(crate) fn serve(mut connection: Connection, mut seat: Seat, lot: &Arc<ParkingLot>) {
    let (shutdown, lot) = (connection.shutdown(), lot.clone());
    shutdown.spawn(async move {
        while let Some(until) = connection.serve().await {
            match lot.park(connection, seat, until) {
                None => return,
                Some(refused) => (connection, seat) = refused,
            }
        }
        drop(seat);
    });
}

impl ParkingLot {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Arc::new(Self { epoll, spaces: Mutex::default() }))
    }

    /// Keeps an idle connection. `Some`: it cannot, and this must be served where it was.
    fn park(&self, connection: Connection, seat: Seat, until: Instant) -> Option<(Connection, Seat)> {
        let mut spaces = self.spaces.lock();
        if spaces.is_closed {
            return Some((connection, seat));
        }
        // A socket that fails here has lost its client.
        let connection = connection.park().ok()?;
        let number = spaces.number();
        let added = epoll::add(
            &self.epoll,
            connection.socket(),
            EventData::new_u64(u64::from(number)),
            EventFlags::IN | EventFlags::RDHUP,
        );
        if added.is_err() {
            spaces.free.push(number);
            drop(spaces);
            return connection.resume().ok().map(|connection| (connection, seat));
        }
        if let Some(space) = spaces.all.get_mut(number as usize) {
            *space = Space { until, parked: Some(Box::new(IdleConnection { connection, seat })) };
        }
        None
    }

    /// Serves those whose clients speak, and ends those whose time is over, until the process drains.
    pub(crate) async fn keep(self: Arc<Self>, current: CurrentGeneration, process: Shutdown) {
        let ready = match self.ready() {
            Ok(ready) => ready,
            Err(error) => {
                self.spaces.lock().is_closed = true;
                return tracing::error!(%error, "idle connections keep their tasks");
            }
        };
        let mut look = tokio::time::interval(LOOK);
        let mut generation = current.load_full();
        loop {
            tokio::select! {
                guard = ready.readable() => {
                    self.resume_ready();
                    if let Ok(mut guard) = guard {
                        guard.clear_ready();
                    }
                }
                _ = look.tick() => {
                    let before = std::mem::replace(&mut generation, current.load_full());
                    // After a reload, connections go over to the edge that has replaced theirs.
                    match Arc::ptr_eq(&before, &generation) {
                        true => self.end_overdue(),
                        false => self.resume_all(),
                    }
                }
                () = process.draining() => break,
            }
        }
        self.spaces.lock().is_closed = true;
        self.resume_all();
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe, as a type may lie about its descriptor; this one's does not"
    )]
    fn ready(&self) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
        AsyncFd::with_interest(self.epoll.as_fd(), Interest::READABLE)
    }

    fn resume_ready(self: &Arc<Self>) {
        let mut events = Vec::with_capacity(EVENTS);
        while let Ok(1..) =
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&AT_ONCE))
        {
            for event in events.drain(..) {
                self.resume(event.data.u64());
            }
        }
    }

    fn resume_all(self: &Arc<Self>) {
        let spaces = self.spaces.lock().all.len();
        (0..spaces as u64).for_each(|number| self.resume(number));
    }

    fn resume(self: &Arc<Self>, number: u64) {
        let Some(parked) = self.take(number) else { return };
        let IdleConnection { connection, seat } = *parked;
        // A socket that the runtime does not take is closed.
        if let Ok(connection) = connection.resume() {
            serve(connection, seat, self);
        }
    }

    fn end_overdue(&self) {
        let now = Instant::now();
        let overdue: Vec<u64> = {
            let spaces = self.spaces.lock();
            let overdue = (0..).zip(&spaces.all).filter(|(_, it)| it.parked.is_some() && it.until <= now);
            overdue.map(|(number, _)| number).collect()
        };
        for number in overdue {
            drop(self.take(number));
        }
    }

    /// Takes a connection out of its space.
    fn take(&self, number: u64) -> Option<Box<IdleConnection>> {
        let mut spaces = self.spaces.lock();
        let parked = spaces.all.get_mut(usize::try_from(number).ok()?)?.parked.take()?;
        spaces.free.push(u32::try_from(number).ok()?);
        spaces.shrink();
        drop(spaces);
        let _ = epoll::delete(&self.epoll, parked.connection.socket());
        Some(parked)
    }
}

impl Spaces {
    /// The number of a free space.
    fn number(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(Space { until: Instant::now(), parked: None });
            self.all.len() as u32 - 1
        })
    }

    /// Gives memory back when nothing is parked.
    fn shrink(&mut self) {
        if self.free.len() == self.all.len() {
            (self.all, self.free) = (Vec::new(), Vec::new());
        }
    }
}
