//! One thread with a runtime of its own per core. Each accepts on its own sockets and serves what it accepts
//! to the end, so a hit wakes no other thread. The system distributes connections by chance, so a core that
//! has more of them than others hands new ones on.

use std::io;
use std::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::Edge;
use crate::listen::accept;
use crate::listen::accept::{Door, Guest, Seat};
use crate::metrics::threads;

/// The most connections that may wait for another core to take them over; more are served where they were
/// accepted.
const HANDED: usize = 256;
/// A core hands new connections on if it has this many more than another, plus an eighth.
const SLACK: usize = 4;

/// What all cores know about each.
struct Core {
    connections: AtomicUsize,
    handed: mpsc::Sender<HandedConnection>,
}

/// A connection on its way to another core, whose runtime has to know its socket.
struct HandedConnection {
    stream: net::TcpStream,
    peer: net::SocketAddr,
    port: u16,
    place: Seat,
    door: usize,
}

/// Counts a connection of a core while it exists.
struct CoreSeat(Arc<[Core]>, usize);

impl CoreSeat {
    fn on(cores: &Arc<[Core]>, index: usize) -> Self {
        if let Some(core) = cores.get(index) {
            core.connections.fetch_add(1, Relaxed);
        }
        Self(cores.clone(), index)
    }
}

impl Drop for CoreSeat {
    fn drop(&mut self) {
        if let Some(core) = self.0.get(self.1) {
            core.connections.fetch_sub(1, Relaxed);
        }
    }
}

/// The number of cores.
pub(crate) fn number() -> usize {
    threads::parts()
}

/// Starts the threads. `listeners` has, for each core, one socket per door. The threads serve until all
/// connections have ended, or the process ends.
pub(crate) fn start(
    edge: &Arc<Edge>,
    doors: Vec<Door>,
    listeners: Vec<Vec<net::TcpListener>>,
    room: &Arc<Semaphore>,
) -> io::Result<()> {
    let doors: Arc<[Door]> = doors.into();
    let (senders, receivers): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(HANDED)).unzip();
    let core = |handed| Core { connections: AtomicUsize::new(0), handed };
    let cores: Arc<[Core]> = senders.into_iter().map(core).collect();
    for (index, (listeners, handed)) in listeners.into_iter().zip(receivers).enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let this = Worker { edge: edge.clone(), doors: doors.clone(), cores: cores.clone(), index };
        let room = room.clone();
        thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || runtime.block_on(this.serve(listeners, handed, room)))?;
    }
    Ok(())
}

#[derive(Clone)]
struct Worker {
    edge: Arc<Edge>,
    doors: Arc<[Door]>,
    cores: Arc<[Core]>,
    index: usize,
}

impl Worker {
    async fn serve(
        self,
        listeners: Vec<net::TcpListener>,
        mut handed: mpsc::Receiver<HandedConnection>,
        room: Arc<Semaphore>,
    ) {
        let accepting = listeners.into_iter().enumerate().filter_map(|(door, listener)| {
            let this = self.clone();
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    Some(accept::accept(self.edge.clone(), listener, room.clone(), move |guest| {
                        this.take(door, guest);
                    }))
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    None
                }
            }
        });
        let taking_over = async {
            while let Some(HandedConnection { stream, peer, port, place, door }) = handed.recv().await {
                match TcpStream::from_std(stream) {
                    Ok(stream) => self.begin(door, Guest { stream, peer, port, place }),
                    Err(error) => tracing::warn!(%error, "cannot take over a connection from another core"),
                }
            }
        };
        tokio::select! {
            _ = futures_util::future::join_all(accepting) => {}
            () = taking_over => {}
        }
        // Tasks that were started here need this runtime to their end.
        self.edge.shutdown.finished().await;
    }

    /// Serves the connection here, or hands it to the core with the fewest.
    fn take(&self, door: usize, guest: Guest) {
        let Some(other) = self.lighter() else { return self.begin(door, guest) };
        let Ok(permit) = other.handed.try_reserve() else { return self.begin(door, guest) };
        let Guest { stream, peer, port, place } = guest;
        match stream.into_std() {
            Ok(stream) => permit.send(HandedConnection { stream, peer, port, place, door }),
            Err(error) => tracing::warn!(%error, "cannot hand a connection to another core"),
        }
    }

    fn lighter(&self) -> Option<&Core> {
        let count = |core: &Core| core.connections.load(Relaxed);
        let mine = self.cores.get(self.index).map_or(0, count);
        let other = self.cores.iter().min_by_key(|core| count(core))?;
        (mine > count(other) + SLACK + count(other) / 8).then_some(other)
    }

    fn begin(&self, door: usize, guest: Guest) {
        if let Some(door) = self.doors.get(door) {
            accept::begin(&self.edge, door, guest, CoreSeat::on(&self.cores, self.index));
        }
    }
}
