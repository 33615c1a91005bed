//! A TCP proxy that does to connections what networks do: latency, one byte at a time, silence, a cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// What happens to bytes on their way, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkFault {
    #[default]
    None,
    /// Each piece is so late.
    Latency(Duration),
    /// Each byte is a packet of its own.
    OneByteAtATime,
    /// Nothing gets through, and nobody is told. What was on its way comes when the silence ends.
    Silence,
    /// All connections end, and new ones end at once.
    Cut,
}

pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    fault: NetworkFault,
    ended: bool,
    /// How often all connections were ended.
    cuts: u32,
}

/// How long a change of the fault may take to be seen.
const LOOK: Duration = Duration::from_millis(5);
const PIECE: usize = 16 * 1024;

impl FaultProxy {
    /// On a free port, before `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let accepting = spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.lock().unwrap_or_else(PoisonError::into_inner).ended {
                    return;
                }
                carry(client, target, &shared);
            }
        });
        Self { address, state, accepting: Some(accepting) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, fault: NetworkFault) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).fault = fault;
    }

    /// Ends the connections that there are; new ones are carried as before.
    pub fn end_connections(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).cuts += 1;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Both ways, each in a thread that ends with the connection or the proxy.
fn carry(client: TcpStream, target: SocketAddr, state: &Arc<Mutex<State>>) {
    let cuts = state.lock().unwrap_or_else(PoisonError::into_inner).cuts;
    if now(state, cuts) == Some(NetworkFault::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(target) else { return };
    let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
    for (from, to) in [(client, to_server), (server, to_client)] {
        let state = state.clone();
        spawn(move || {
            pump(&from, &to, &state, cuts);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, state: &Mutex<State>, cuts: u32) {
    let _ = from.set_read_timeout(Some(LOOK));
    let _ = to.set_nodelay(true);
    let mut piece = [0; PIECE];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) => return,
        };
        let bytes = &piece[..length];
        let fault = loop {
            match now(state, cuts) {
                None | Some(NetworkFault::Cut) => return,
                Some(NetworkFault::Silence) => sleep(LOOK),
                Some(fault) => break fault,
            }
        };
        let written = match fault {
            NetworkFault::Latency(time) if length > 0 => {
                sleep(time);
                to.write_all(bytes)
            }
            NetworkFault::OneByteAtATime => bytes.chunks(1).try_for_each(|byte| to.write_all(byte)),
            _ => to.write_all(bytes),
        };
        if written.is_err() {
            return;
        }
    }
}

/// The fault for a connection that was begun after this number of cuts. `None`: it is to end, or the proxy
/// has.
fn now(state: &Mutex<State>, cuts: u32) -> Option<NetworkFault> {
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    (!state.ended && state.cuts == cuts).then_some(state.fault)
}
