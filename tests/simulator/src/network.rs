//! The network between machines: each service is reached at an address of the network's own, which carries
//! bytes to the service's true one, late, or not at all, or loses them with their connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::strike::MessageLoss;

/// Pieces on their way in one direction of a connection: then whoever sends has to wait.
const ON_THE_WAY: usize = 64;
const PIECE: usize = 16 * 1024;
/// How late a piece is that is late.
const LATE: Duration = Duration::from_secs(3);

/// How a machine reaches a service at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// How long bytes take, at least, and how much longer by chance.
    pub delay: Duration,
    pub jitter: Duration,
    /// Bytes to the service stay where they are; those from it do.
    pub cut_there: bool,
    pub cut_back: bool,
    /// Connections of another number are lost.
    pub connections: u64,
}

/// From which machine to the public address of which service.
pub type Ends = (Ipv4Addr, SocketAddrV4);

/// All links, made when they are first used. Cheap to clone.
#[derive(Clone, Default)]
pub struct Network {
    links: Arc<Mutex<BTreeMap<Ends, watch::Sender<LinkState>>>>,
    toll: Arc<Mutex<Toll>>,
}

/// Counts pieces, to let one of them fail.
#[derive(Default)]
struct Toll {
    awaited: Option<(MessageLoss, u64)>,
    pieces: u64,
    /// The service that the one that failed came from, or was for.
    struck: Option<SocketAddr>,
}

impl Network {
    /// Changes a link.
    pub fn change(&self, ends: Ends, change: impl FnOnce(&mut LinkState)) {
        self.link(ends).send_modify(change);
    }

    /// The n-th piece from now on is to fail; `None`: none.
    pub fn await_piece(&self, awaited: Option<(MessageLoss, u64)>) {
        self.toll.lock().awaited = awaited;
    }

    /// The pieces that were counted while one was awaited.
    pub fn pieces(&self) -> u64 {
        self.toll.lock().pieces
    }

    /// The service that the piece that failed came from, or was for.
    pub fn struck(&self) -> Option<SocketAddr> {
        self.toll.lock().struck
    }

    /// What is to become of a piece on its way to or from a service.
    fn loss(&self, service: SocketAddr) -> Option<MessageLoss> {
        let mut toll = self.toll.lock();
        let (loss, number) = toll.awaited?;
        toll.pieces += 1;
        if toll.pieces != number {
            return None;
        }
        toll.struck = Some(service);
        Some(loss)
    }

    /// All links are as they were at the start; connections last.
    pub fn heal(&self) {
        for link in self.links.lock().values() {
            link.send_modify(|state| {
                *state = LinkState { connections: state.connections, ..LinkState::default() };
            });
        }
    }

    fn link(&self, ends: Ends) -> watch::Sender<LinkState> {
        self.links.lock().entry(ends).or_insert_with(|| watch::Sender::new(LinkState::default())).clone()
    }

    /// Carries what comes to a public address to the service's true one, for ever.
    pub async fn carry(self, public: SocketAddrV4, to: SocketAddrV4) {
        let Ok(listener) = TcpListener::bind(public).await else { return };
        loop {
            let Ok((stream, peer)) = listener.accept().await else { continue };
            let IpAddr::V4(from) = peer.ip() else { continue };
            tokio::spawn(connection(stream, to.into(), self.link((from, public)), self.clone()));
        }
    }
}

/// One connection to its end.
async fn connection(near: TcpStream, to: SocketAddr, link: watch::Sender<LinkState>, network: Network) {
    let (network, torn) = (&network, &Notify::new());
    let connections = link.borrow().connections;
    let mut lost = link.subscribe();
    let carried = async {
        wait(&mut link.subscribe(), |state| !state.cut_there && !state.cut_back).await;
        let Ok(far) = TcpStream::connect(to).await else { return };
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        // A connection whose one direction has ended may go on in the other.
        tokio::join!(
            direction(
                near_in,
                far_out,
                link.subscribe(),
                Direction { is_cut: |state| state.cut_there, network, service: to, torn }
            ),
            direction(
                far_in,
                near_out,
                link.subscribe(),
                Direction { is_cut: |state| state.cut_back, network, service: to, torn }
            ),
        );
    };
    tokio::select! {
        () = carried => {}
        () = wait(&mut lost, |state| state.connections != connections) => {}
        () = torn.notified() => {}
    }
}

/// What befalls one direction of a connection.
#[derive(Clone, Copy)]
struct Direction<'a> {
    is_cut: fn(&LinkState) -> bool,
    network: &'a Network,
    service: SocketAddr,
    /// The connection is lost.
    torn: &'a Notify,
}

async fn wait(link: &mut watch::Receiver<LinkState>, until: impl Fn(&LinkState) -> bool) {
    // The sender lives as long as the connection.
    let _ = link.wait_for(|state| until(state)).await;
}

async fn direction(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    link: watch::Receiver<LinkState>,
    way: Direction<'_>,
) {
    let (sent, arriving) = mpsc::channel(ON_THE_WAY);
    tokio::join!(send(from, sent, link.clone()), deliver(to, arriving, link, way));
}

async fn send(
    mut from: OwnedReadHalf,
    sent: mpsc::Sender<(Instant, Bytes)>,
    link: watch::Receiver<LinkState>,
) {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        let is_end = !matches!(from.read_buf(&mut piece).await, Ok(1..));
        let state = *link.borrow();
        let arrives = Instant::now() + state.delay + state.jitter.mul_f64(rand::random());
        if sent.send((arrives, piece.freeze())).await.is_err() || is_end {
            return;
        }
    }
}

async fn deliver(
    mut to: OwnedWriteHalf,
    mut arriving: mpsc::Receiver<(Instant, Bytes)>,
    mut link: watch::Receiver<LinkState>,
    way: Direction<'_>,
) {
    while let Some((at, mut piece)) = arriving.recv().await {
        sleep_until(at).await;
        wait(&mut link, |state| !(way.is_cut)(state)).await;
        let loss = if piece.is_empty() { None } else { way.network.loss(way.service) };
        match loss {
            None => {}
            Some(MessageLoss::Late) => sleep(LATE).await,
            Some(MessageLoss::Lost) => piece.clear(),
            Some(MessageLoss::Torn) => piece.truncate(piece.len() / 2),
        }
        let is_over = piece.is_empty() || to.write_all(&piece).await.is_err();
        if matches!(loss, Some(MessageLoss::Lost | MessageLoss::Torn)) {
            way.torn.notify_one();
        }
        if is_over {
            return;
        }
    }
}
