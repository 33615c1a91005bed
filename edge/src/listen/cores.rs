//! One thread with a runtime of its own per core. Each accepts on its own sockets and serves what it accepts
//! to the end, so a hit wakes no other thread. The system distributes connections by chance, so a core that
//! has more of them than others hands new ones on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use process::shutdown::Shutdown;
use tokio::sync::mpsc;

use crate::listen::accept;
use crate::listen::accept::Guest;
use crate::listen::crowd::Crowd;
use crate::listen::generation::{CurrentGeneration, Door, Generation};
use crate::listen::open_socket::OpenSocket;
use crate::listen::parking::ParkingLot;
use crate::listen::seat::CoreCounts;
use crate::metrics::threads;

/// The most connections that may wait for another core to take them over; more are served where they were
/// accepted.
const HANDED: usize = 256;
/// A core hands new connections on if it has this many more than another, plus an eighth.
const SLACK: usize = 4;

/// A connection on its way to another core, and the address of `listen` that accepted it.
type HandedConnection = (Guest, Arc<str>);

/// The number of cores.
pub(crate) fn number() -> usize {
    threads::parts()
}

/// Starts a thread for each of `sockets`, which bring what it accepts on. The threads serve until all
/// connections have ended, or the process ends.
pub(crate) fn start(
    current: &CurrentGeneration,
    sockets: Vec<mpsc::Receiver<OpenSocket>>,
    crowd: &Arc<Crowd>,
    process: &Shutdown,
) -> io::Result<()> {
    let (senders, receivers): (Vec<_>, Vec<_>) = sockets.iter().map(|_| mpsc::channel(HANDED)).unzip();
    let counts: CoreCounts = senders.iter().map(|_| AtomicUsize::new(0)).collect();
    let cores: Arc<[mpsc::Sender<HandedConnection>]> = senders.into();
    for (index, (sockets, handed)) in sockets.into_iter().zip(receivers).enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let this = Worker {
            current: current.clone(),
            counts: counts.clone(),
            cores: cores.clone(),
            lot: ParkingLot::new()?,
            index,
            crowd: crowd.clone(),
            process: process.clone(),
        };
        thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || runtime.block_on(this.serve(sockets, handed)))?;
    }
    Ok(())
}

#[derive(Clone)]
struct Worker {
    current: CurrentGeneration,
    counts: CoreCounts,
    cores: Arc<[mpsc::Sender<HandedConnection>]>,
    lot: Arc<ParkingLot>,
    index: usize,
    crowd: Arc<Crowd>,
    process: Shutdown,
}

impl Worker {
    async fn serve(
        self,
        mut sockets: mpsc::Receiver<OpenSocket>,
        mut handed: mpsc::Receiver<HandedConnection>,
    ) {
        let mut accepting = FuturesUnordered::new();
        self.process.spawn(self.lot.clone().keep(self.current.clone(), self.process.clone()));
        loop {
            tokio::select! {
                Some(socket) = sockets.recv() => accepting.push(self.clone().accept(socket)),
                Some(()) = accepting.next() => {}
                Some((guest, address)) = handed.recv() => self.begin(&self.current.load(), &address, guest),
                () = self.process.draining() => break,
            }
        }
        drop(accepting);
        // Tasks that were started here need this runtime to their end.
        self.process.finished().await;
    }

    async fn accept(self, OpenSocket { listener, address, closing }: OpenSocket) {
        let take = |generation: &Generation, _: &Door, guest: Guest| self.take(generation, &address, guest);
        accept::accept((listener, &*address, &closing), &self.current, &self.crowd, take).await;
    }

    /// Serves the connection here, or hands it to the core with the fewest.
    fn take(&self, generation: &Generation, address: &Arc<str>, guest: Guest) {
        let Some(other) = self.lighter() else { return self.begin(generation, address, guest) };
        let Ok(permit) = other.try_reserve() else { return self.begin(generation, address, guest) };
        permit.send((guest, address.clone()));
    }

    fn lighter(&self) -> Option<&mpsc::Sender<HandedConnection>> {
        let count = |core: &AtomicUsize| core.load(Relaxed);
        let mine = self.counts.get(self.index).map_or(0, count);
        let (other, theirs) =
            self.cores.iter().zip(self.counts.iter().map(count)).min_by_key(|(_, of)| *of)?;
        (mine > theirs + SLACK + theirs / 8).then_some(other)
    }

    fn begin(&self, generation: &Generation, address: &str, guest: Guest) {
        if let Some(door) = generation.door(address) {
            let seat = guest.seat.on(&self.counts, self.index);
            accept::begin(generation, door, Guest { seat, ..guest }, &self.lot);
        }
    }
}
