//! The application's own server, as a child of weir: started, restarted when it ends, replaced on a reload
//! without losing a request, and stopped with weir.
//!
//! Each generation of it has a socket of its own. Weir connects to `app.sock`, a symbolic link to the socket
//! of the one in use. A reload starts the next generation, waits until it answers, and turns the link; then
//! the one before finishes its requests. If the next one fails, the one in use goes on.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::{mpsc, oneshot};

use super::answers::{answers, answers_in_time};
use super::changes::Changes;
use super::environment::Environment;
use super::orphans::Orphans;
use super::server::Server;
use crate::private_directory::PrivateDirectory;

const TICK: Duration = Duration::from_millis(50);
/// The service manager's words with weir alone: gunicorn and uWSGI would say that they are ready when weir is
/// not.
const OF_WEIR_ALONE: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(180);
/// How long it may take for its requests in progress when it is replaced, and at weir's end, when weir has
/// drained already.
const REPLACED: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(10);
/// A request that found the link before it was turned has connected by then.
const TURNED: Duration = Duration::from_millis(250);
/// Pauses before a server that ended is started again: doubled each time, and the first one again after it
/// has run for `STEADY`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
const STEADY: Duration = Duration::from_secs(60);

/// Stops the server when it is dropped.
pub(super) struct Application {
    orders: Sender<ServerOrder>,
    keeper: Option<JoinHandle<()>>,
}

enum ServerOrder {
    Reload,
    Stop,
    /// It may answer nobody any more.
    Doubt,
    /// The generation of this number does not answer.
    Replace(u64),
}

impl Application {
    /// Starts it, and waits until it answers; whoever does not wait for that stops it. `directory` is ours
    /// alone. Each reload sends a message, once the new generation answers instead of the old one.
    pub(super) async fn start(
        server: Server,
        directory: PrivateDirectory,
        environment: Environment,
        watched: bool,
    ) -> anyhow::Result<(Self, mpsc::Receiver<()>)> {
        let (orders, received) = channel();
        let own_orders = orders.clone();
        let (begun, beginning) = oneshot::channel();
        // One message that waits stands for all.
        let (renewed, renewals) = mpsc::channel(1);
        // A child gets its signal when the thread that started it ends, so one thread starts them all.
        let keeper = thread::Builder::new().name("application".into()).spawn(move || {
            let here = watched.then(|| std::env::current_dir().ok()).flatten();
            let changes = here.map(|here| Changes::watch(here, server.sources()));
            let mut keeper = Keeper {
                server,
                directory,
                environment,
                orders: received,
                own_orders,
                stopped: false,
                due: false,
                renewed,
                changes,
                count: 0,
                leaving: Vec::new(),
            };
            match keeper.next() {
                Ok(first) => {
                    let _ = begun.send(Ok(()));
                    keeper.keep(first);
                }
                Err(error) => drop(begun.send(Err(error))),
            }
        })?;
        let started = Self { orders, keeper: Some(keeper) };
        beginning.await.context("the thread of the application has ended")??;
        Ok((started, renewals))
    }

    /// What SIGHUP calls.
    pub(super) fn reloader(&self) -> impl FnMut() + use<> {
        let orders = self.orders.clone();
        move || drop(orders.send(ServerOrder::Reload))
    }

    /// What is called where nobody has got an answer for a while.
    pub(super) fn doubter(&self) -> impl Fn() + Send + use<> {
        let orders = self.orders.clone();
        move || drop(orders.send(ServerOrder::Doubt))
    }

    /// Whether its keeper has ended by itself, and the server with it.
    pub(super) fn is_lost(&self) -> bool {
        self.keeper.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.orders.send(ServerOrder::Stop);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// The socket that Weir connects to.
pub(super) fn socket(directory: &Path) -> PathBuf {
    directory.join("app.sock")
}

struct Keeper {
    server: Server,
    directory: PrivateDirectory,
    environment: Environment,
    orders: Receiver<ServerOrder>,
    /// Whoever asks whether the server answers tells it here.
    own_orders: Sender<ServerOrder>,
    /// An order to stop has come.
    stopped: bool,
    /// An order to reload came while a generation started, which may have read older code.
    due: bool,
    renewed: mpsc::Sender<()>,
    changes: Option<Changes>,
    count: u64,
    leaving: Vec<DrainingServer>,
}

struct Generation {
    child: Child,
    socket: PathBuf,
    since: Instant,
}

/// A server that was told to finish.
struct DrainingServer {
    generation: Generation,
    told: bool,
    at: Instant,
}

impl Keeper {
    fn keep(mut self, first: Generation) {
        let (mut current, mut pause) = (first, FIRST_PAUSE);
        let mut orphans = Orphans::new();
        while !self.stopped {
            let due = std::mem::take(&mut self.due);
            if due || self.is_told_to_reload(TICK) || self.changes.as_mut().is_some_and(Changes::noticed) {
                self.reload(&mut current);
            }
            self.see_off();
            let leaving = self.leaving.iter().map(|leaving| leaving.generation.child.id());
            orphans.reap(&leaving.chain([current.child.id()]).collect::<Vec<_>>());
            let Ok(Some(status)) = current.child.try_wait() else { continue };
            kill_group(&current.child, Signal::KILL);
            if current.since.elapsed() > STEADY {
                pause = FIRST_PAUSE;
            }
            match self.again(status, &mut pause) {
                Some(next) => current = next,
                None => break,
            }
        }
        self.stop(current);
    }

    /// Starts a server in place of one that ended. `None`: told to stop.
    fn again(&mut self, mut ended: ExitStatus, pause: &mut Duration) -> Option<Generation> {
        loop {
            tracing::error!("the application's server has ended ({ended}); it is started again in {pause:?}");
            *pause = match self.is_told_to_reload(*pause) {
                true => FIRST_PAUSE,
                false => (*pause * 2).min(LAST_PAUSE),
            };
            if self.stopped {
                return None;
            }
            match self.next() {
                Ok(next) => return Some(next),
                Err(_) if self.stopped => return None,
                Err(error) => tracing::error!("{error:#}"),
            }
            ended = ExitStatus::default();
        }
    }

    /// Waits for an order, at most this long. One to stop is remembered.
    fn is_told_to_reload(&mut self, at_most: Duration) -> bool {
        match self.orders.recv_timeout(at_most) {
            Ok(ServerOrder::Reload) => return true,
            Ok(ServerOrder::Replace(count)) if count == self.count => {
                tracing::error!("the application's server answers nobody; it is replaced");
                return true;
            }
            Ok(ServerOrder::Doubt) => self.ask(),
            Ok(ServerOrder::Replace(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(ServerOrder::Stop) | Err(RecvTimeoutError::Disconnected) => self.stopped = true,
        }
        false
    }

    /// Asks the server whether it answers, in a thread of its own: it may not even take the connection.
    fn ask(&self) {
        let (socket, orders) = (socket(self.directory.path()), self.own_orders.clone());
        let (uwsgi, host, count) = (self.server.speaks_uwsgi(), self.server.host().to_owned(), self.count);
        let asking = thread::Builder::new().name("asking".into()).spawn(move || {
            if !answers_in_time(socket, uwsgi, host) {
                let _ = orders.send(ServerOrder::Replace(count));
            }
        });
        if let Err(error) = asking {
            tracing::warn!("it is not asked whether the application's server answers: {error}");
        }
    }

    fn reload(&mut self, current: &mut Generation) {
        tracing::info!("reloading the application");
        match self.next() {
            Ok(next) => {
                let generation = std::mem::replace(current, next);
                self.leaving.push(DrainingServer { generation, told: false, at: Instant::now() });
                let _ = self.renewed.try_send(());
                tracing::info!("the application is reloaded");
            }
            Err(_) if self.stopped => {}
            Err(error) => {
                tracing::error!("the application is not reloaded, the one before goes on: {error:#}")
            }
        }
    }

    /// Starts the next generation, waits until it answers, and turns the link to it.
    fn next(&mut self) -> anyhow::Result<Generation> {
        self.count += 1;
        let socket = self.directory.path().join(format!("{}.sock", self.count));
        let mut command = self.server.command(&socket, self.directory.path())?;
        self.environment.give(&mut command)?;
        for name in OF_WEIR_ALONE {
            command.env_remove(name);
        }
        // A group of its own: Ctrl-C is weir's, which stops it in its turn.
        command.process_group(0);
        let child = command.spawn().context("the application's server does not start")?;
        let mut next = Generation { child, socket, since: Instant::now() };
        match self.wait_for(&mut next).and_then(|()| self.turn(&next.socket)) {
            Ok(()) => Ok(next),
            Err(error) => {
                end(&mut next, Duration::ZERO);
                Err(error)
            }
        }
    }

    fn wait_for(&mut self, next: &mut Generation) -> anyhow::Result<()> {
        while !self.answers(next) {
            if let Some(status) = next.child.try_wait()? {
                anyhow::bail!("the application's server ended before it answered ({status})");
            }
            if next.since.elapsed() > START {
                anyhow::bail!("the application's server did not answer within {} s", START.as_secs());
            }
            self.due |= self.is_told_to_reload(TICK);
            anyhow::ensure!(!self.stopped, "weir was told to stop");
        }
        Ok(())
    }

    fn answers(&self, next: &Generation) -> bool {
        next.socket.exists() && answers(&next.socket, self.server.speaks_uwsgi(), self.server.host())
    }

    fn turn(&self, to: &Path) -> anyhow::Result<()> {
        let new = self.directory.path().join("app.sock.new");
        let _ = std::fs::remove_file(&new);
        symlink(to, &new)?;
        Ok(std::fs::rename(new, socket(self.directory.path()))?)
    }

    /// Tells replaced servers to finish, and kills those that do not.
    fn see_off(&mut self) {
        self.leaving.retain_mut(|leaving| {
            if !leaving.told && leaving.at.elapsed() > TURNED {
                leaving.told = true;
                terminate(&leaving.generation.child);
            }
            let ended = matches!(leaving.generation.child.try_wait(), Ok(Some(_)));
            if ended || leaving.at.elapsed() > REPLACED {
                end(&mut leaving.generation, Duration::ZERO);
                return false;
            }
            true
        });
    }

    fn stop(&mut self, mut current: Generation) {
        for leaving in &self.leaving {
            terminate(&leaving.generation.child);
        }
        end(&mut current, END);
        for leaving in &mut self.leaving {
            end(&mut leaving.generation, END);
        }
    }
}

/// Ends it, within `grace` if it can, and everything that it started.
fn end(generation: &mut Generation, grace: Duration) {
    terminate(&generation.child);
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline && matches!(generation.child.try_wait(), Ok(None)) {
        thread::sleep(TICK);
    }
    kill_group(&generation.child, Signal::KILL);
    let _ = generation.child.kill();
    let _ = generation.child.wait();
    let _ = std::fs::remove_file(&generation.socket);
}

/// SIGTERM to the server itself, which passes it on to its workers in its own way.
fn terminate(child: &Child) {
    let _ = rustix::process::kill_process(Pid::from_child(child), Signal::TERM);
}

fn kill_group(child: &Child, signal: Signal) {
    let _ = kill_process_group(Pid::from_child(child), signal);
}
