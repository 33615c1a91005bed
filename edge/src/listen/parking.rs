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
            if let Some(mut idle) = self.take(number) {
                idle.connection.say_end();
            }
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

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use bytes::BytesMut;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::connection::stream::Stream;
    use crate::listen::crowd::Crowd;
    use crate::listen::generation::Generation;
    use crate::listen::tls::Tickets;
    use crate::metrics::GaugeGuard;
    use crate::request::Via;
    use crate::settings::{Config, SiteConfig};
    use crate::{CacheNodes, Edge, Peers, WsgiAdapters};

    fn parked(lot: &ParkingLot) -> usize {
        lot.spaces.lock().all.iter().filter(|space| space.parked.is_some()).count()
    }

    async fn until_parked(lot: &ParkingLot, number: usize) {
        for _ in 0..500 {
            if parked(lot) == number {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} are parked, not {number}", parked(lot));
    }

    fn edge(shutdown: &Shutdown) -> Arc<Edge> {
        let settings = Config { site: vec![SiteConfig::default()], ..Config::default() };
        let peers = Peers {
            cache_nodes: CacheNodes::Connected(Vec::new()),
            wsgi_adapters: WsgiAdapters::Connected(Vec::new()),
        };
        Edge::new(settings, peers, shutdown.clone()).unwrap()
    }

    /// A connection of a client, and that client.
    async fn connect(edge: &Arc<Edge>) -> (TcpStream, Connection, Seat) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let via = Via::accepted((peer, 80), 0, 1);
        let connection = Connection::new(Stream::Plain(stream.into()), via, BytesMut::new(), edge.clone());
        let active = GaugeGuard::enter(&edge.metrics.connections_active);
        let place = Arc::new(Crowd::new(1)).enter(peer, &[]).unwrap();
        (client, connection, Seat::new(place, active))
    }

    #[tokio::test]
    async fn a_silent_connection_waits_without_a_task_until_its_client_speaks_or_a_drain_begins() {
        let shutdown = Shutdown::new();
        let edge = edge(&shutdown);
        let generation = Generation::new(edge.clone(), &Tickets::new().unwrap()).unwrap();
        let lot = ParkingLot::new().unwrap();
        tokio::spawn(lot.clone().keep(Arc::new(ArcSwap::from_pointee(generation)), shutdown.clone()));
        let (mut client, connection, seat) = connect(&edge).await;
        serve(connection, seat, &lot);
        let mut buffer = [0; 4096];
        for _ in 0..3 {
            until_parked(&lot, 1).await;
            client.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let read = client.read(&mut buffer).await.unwrap();
            assert!(buffer[..read].starts_with(b"HTTP/1.1 404"));
        }
        until_parked(&lot, 1).await;
        assert_eq!(edge.metrics.connections_active.get(), 1);
        shutdown.begin();
        while client.read(&mut buffer).await.unwrap() > 0 {}
        assert_eq!(parked(&lot), 0);
    }

    #[tokio::test]
    async fn a_connection_whose_time_is_over_ends_and_gives_its_place_back() {
        let edge = edge(&Shutdown::new());
        let lot = ParkingLot::new().unwrap();
        let soon = Instant::now() + Duration::from_secs(60);
        let (_first, connection, seat) = connect(&edge).await;
        assert!(lot.park(connection, seat, soon).is_none());
        let (mut second, connection, seat) = connect(&edge).await;
        assert!(lot.park(connection, seat, Instant::now()).is_none());
        assert_eq!((parked(&lot), edge.metrics.connections_active.get()), (2, 2));
        lot.end_overdue();
        assert_eq!((parked(&lot), edge.metrics.connections_active.get()), (1, 1));
        assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
        // The last one gives the spaces back.
        drop(lot.take(0));
        assert_eq!((lot.spaces.lock().all.capacity(), edge.metrics.connections_active.get()), (0, 0));
    }
}
