//! A Redis in memory that runs the scripts of the cache-node as they are, by the Lua that Redis has. It can
//! fail over to a copy that is a second behind. The cache-node's own contract of stores is held against it.

mod commands;
mod database;
mod resp;
mod scripts;
mod streams;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use database::Database;
use resp::Reply;
use scripts::Scripts;

use crate::script_faults::ScriptFault;

/// How often a copy is made, and how many are kept: the oldest is a second old.
const COPY_EVERY: Duration = Duration::from_millis(250);
const COPIES: usize = 4;

/// What the commands work on.
#[derive(Default)]
struct Server {
    database: Mutex<Database>,
    copies: Mutex<VecDeque<Database>>,
    subscribers: Mutex<Vec<Subscriber>>,
    commands: AtomicUsize,
}

struct Subscriber {
    connection: usize,
    channel: Bytes,
    told: mpsc::UnboundedSender<Reply>,
}

/// A server that may be lost and come back. Cheap to clone.
#[derive(Clone)]
pub struct RedisTwin {
    server: Arc<Server>,
    scripts: Arc<Mutex<Scripts>>,
    /// Changes when all connections are to end.
    generation: watch::Sender<u64>,
    connections: Arc<AtomicUsize>,
    fault: Option<ScriptFault>,
}

impl RedisTwin {
    /// `fault` stands in the scripts that it runs.
    pub fn new(fault: Option<ScriptFault>) -> Self {
        let server = Arc::new(Server::default());
        Self {
            scripts: Arc::new(Mutex::new(Scripts::new(server.clone(), fault))),
            server,
            generation: watch::Sender::new(0),
            connections: Arc::default(),
            fault,
        }
    }

    /// Serves for ever.
    pub async fn serve(self, listener: TcpListener) {
        let copying = self.clone();
        tokio::spawn(async move {
            loop {
                sleep(COPY_EVERY).await;
                copying.copy();
            }
        });
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                let mut ended = this.generation.subscribe();
                tokio::select! {
                    () = this.answer(stream) => {}
                    _ = ended.changed() => {}
                }
            });
        }
    }

    /// The copy takes over: the last second is forgotten, and all connections and scripts are.
    pub fn fail_over(&self) {
        let oldest = self.server.copies.lock().drain(..).next();
        if let Some(oldest) = oldest {
            *self.server.database.lock() = oldest;
        }
        self.lose_connections();
    }

    /// Comes back with nothing.
    pub fn empty(&self) {
        *self.server.database.lock() = Database::default();
        self.server.copies.lock().clear();
        self.lose_connections();
    }

    /// The commands that were obeyed.
    pub fn commands(&self) -> usize {
        self.server.commands.load(Relaxed)
    }

    /// The leases that somebody holds.
    pub fn leases(&self) -> usize {
        self.server.database.lock().leases()
    }

    fn lose_connections(&self) {
        self.server.subscribers.lock().clear();
        *self.scripts.lock() = Scripts::new(self.server.clone(), self.fault);
        self.generation.send_modify(|generation| *generation += 1);
    }

    fn copy(&self) {
        let mut copies = self.server.copies.lock();
        if copies.len() >= COPIES {
            copies.pop_front();
        }
        copies.push_back(self.server.database.lock().clone());
    }

    /// Obeys what comes over one connection until it ends.
    async fn answer(&self, mut stream: TcpStream) {
        let connection = self.connections.fetch_add(1, Relaxed);
        let _ = stream.set_nodelay(true);
        let (told, mut news) = mpsc::unbounded_channel();
        let mut input = BytesMut::new();
        loop {
            let mut output = Vec::new();
            while let Some(command) = resp::command(&mut input) {
                let Ok(command) = command else { return };
                self.obey(connection, &command, &told).write(&mut output);
            }
            if stream.write_all(&output).await.is_err() {
                break;
            }
            tokio::select! {
                read = stream.read_buf(&mut input) => if !matches!(read, Ok(1..)) { break },
                Some(message) = news.recv() => {
                    let mut output = Vec::new();
                    message.write(&mut output);
                    if stream.write_all(&output).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.server.subscribers.lock().retain(|known| known.connection != connection);
    }

    fn obey(&self, connection: usize, command: &[Bytes], told: &mpsc::UnboundedSender<Reply>) -> Reply {
        self.server.commands.fetch_add(1, Relaxed);
        let Some((name, arguments)) = command.split_first() else { return Reply::error("ERR empty") };
        match name.to_ascii_uppercase().as_slice() {
            b"EVAL" => self.scripts.lock().eval(arguments),
            b"EVALSHA" => self.scripts.lock().eval_known(arguments),
            b"SUBSCRIBE" => {
                let channel = arguments.first().cloned().unwrap_or_default();
                let known = Subscriber { connection, channel: channel.clone(), told: told.clone() };
                self.server.subscribers.lock().push(known);
                Reply::Array(vec![Reply::bulk("subscribe"), Reply::Bulk(channel), Reply::Number(1)])
            }
            _ => self.server.obey(command),
        }
    }
}

impl Server {
    /// A command that a script may give, too.
    fn obey(&self, command: &[Bytes]) -> Reply {
        if let [name, channel, message] = command
            && name.eq_ignore_ascii_case(b"PUBLISH")
        {
            return Reply::Number(self.publish(channel, message));
        }
        self.database.lock().obey(command)
    }

    fn publish(&self, channel: &Bytes, message: &Bytes) -> i64 {
        let subscribers = self.subscribers.lock();
        let mut count = 0;
        for subscriber in subscribers.iter().filter(|subscriber| subscriber.channel == channel) {
            let message =
                vec![Reply::bulk("message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())];
            count += i64::from(subscriber.told.send(Reply::Array(message)).is_ok());
        }
        count
    }
}
