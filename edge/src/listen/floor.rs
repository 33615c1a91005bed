//! Where connections are accepted and served: on the runtime that all share, or on a thread for each core.

use std::io;
use std::sync::Arc;

use process::shutdown::Shutdown;
use tokio::sync::mpsc;

use crate::listen::accept::{self, Guest};
use crate::listen::cores;
use crate::listen::crowd::Crowd;
use crate::listen::generation::{CurrentGeneration, Door, Generation};
use crate::listen::open_socket::OpenSocket;
use crate::listen::parking::ParkingLot;
use crate::settings::Runtime;

/// Sockets that may wait for a core to begin accepting.
const WAITING: usize = 256;

pub(crate) enum Floor {
    Shared {
        current: CurrentGeneration,
        crowd: Arc<Crowd>,
        lot: Arc<ParkingLot>,
    },
    /// One way to each core.
    PerCore(Vec<mpsc::Sender<OpenSocket>>),
}

impl Floor {
    /// Must be called within a runtime.
    pub(crate) fn start(
        runtime: Runtime,
        current: &CurrentGeneration,
        crowd: &Arc<Crowd>,
        process: &Shutdown,
    ) -> io::Result<Self> {
        let (current, crowd) = (current.clone(), crowd.clone());
        Ok(match runtime {
            Runtime::Shared => {
                let lot = ParkingLot::new()?;
                process.spawn(lot.clone().keep(current.clone(), process.clone()));
                Self::Shared { current, crowd, lot }
            }
            Runtime::PerCore => {
                let (senders, receivers): (Vec<_>, Vec<_>) =
                    (0..cores::number()).map(|_| mpsc::channel(WAITING)).unzip();
                cores::start(&current, receivers, &crowd, process)?;
                Self::PerCore(senders)
            }
        })
    }

    /// How many sockets each address needs.
    pub(crate) fn sockets(&self) -> usize {
        match self {
            Self::Shared { .. } => 1,
            Self::PerCore(cores) => cores.len(),
        }
    }

    /// Accepts on the sockets of one address from now on.
    pub(crate) fn open(&self, address: &str, sockets: Vec<std::net::TcpListener>, closing: &Shutdown) {
        let open = sockets.into_iter().map(|listener| OpenSocket {
            listener,
            address: address.into(),
            closing: closing.clone(),
        });
        match self {
            Self::Shared { current, crowd, lot } => {
                for socket in open {
                    tokio::spawn(serve(socket, current.clone(), crowd.clone(), lot.clone()));
                }
            }
            Self::PerCore(cores) => {
                for (core, socket) in cores.iter().zip(open) {
                    if core.try_send(socket).is_err() {
                        tracing::error!("a core does not accept connections at {address}");
                    }
                }
            }
        }
    }
}

async fn serve(socket: OpenSocket, current: CurrentGeneration, crowd: Arc<Crowd>, lot: Arc<ParkingLot>) {
    let OpenSocket { listener, address, closing } = socket;
    let take = |generation: &Generation, door: &Door, guest: Guest| {
        accept::begin(generation, door, guest, &lot);
    };
    accept::accept((listener, &*address, &closing), &current, &crowd, take).await;
}
