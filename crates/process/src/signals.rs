//! The life of a process from outside: SIGTERM, SIGQUIT and SIGINT drain, SIGHUP reloads, SIGUSR2 starts the
//! process that replaces this one.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::control::{self, ControlOrders};
use crate::handover::{Successor, socket_files, sockets};
use crate::legacy::Legacy;
use crate::reload::ReloadReport;
use crate::service_manager;
use crate::shutdown::Shutdown;
use crate::watch::Watch;

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainEnd {
    /// All work was finished.
    Drained,
    /// The grace ran out with so much work left.
    Cut(usize),
    /// A second signal came first.
    Forced,
}

/// The exit codes of all our programs: 0 all work was done, 1 failed or some was cut off. 2, wrong use, is
/// clap's.
impl From<DrainEnd> for ExitCode {
    fn from(stopped: DrainEnd) -> Self {
        match stopped {
            DrainEnd::Drained => Self::SUCCESS,
            DrainEnd::Cut(_) | DrainEnd::Forced => Self::FAILURE,
        }
    }
}

/// What a program has started.
pub struct ProgramHandle {
    /// How long work under way may take once the process is told to stop.
    pub grace: Duration,
    /// Called on SIGHUP, when the watched file has changed, and when it is ordered.
    pub reload: Box<dyn FnMut() -> ReloadReport>,
    pub watched: Option<PathBuf>,
    /// Orders from inside the process.
    pub orders: Option<ControlOrders>,
    /// What it leaves to the process that replaces it.
    pub legacy: Option<Box<dyn Legacy>>,
}

/// The signals of this process. From `listen` on none is lost and none is fatal, also while the program
/// starts.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    replace: Signal,
}

impl Signals {
    /// `Err` where the system refuses to deliver signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined2())?,
        })
    }

    /// The name of the signal that tells the process to stop.
    pub async fn told_to_stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => QUIT,
        }
    }
}

/// Waits until the process is told to stop, by SIGTERM, SIGQUIT, SIGINT or somebody's `shutdown.begin()`;
/// then drains for at most `grace`.
///
/// SIGHUP, a change that `watch` sees and an order call `on_reload`, except during the drain. SIGUSR2 and an
/// order start `successor`, which sends SIGQUIT once it serves. A second signal to stop ends the drain at
/// once.
pub async fn run_until_stopped(
    signals: &mut Signals,
    shutdown: &Shutdown,
    running: ProgramHandle,
    successor: &Successor,
) -> DrainEnd {
    let ProgramHandle { grace, reload: mut on_reload, watched, mut orders, mut legacy } = running;
    let mut watch = Watch::new(watched);
    let told = loop {
        let order = tokio::select! {
            _ = signals.hangup.recv() => Order::Reload,
            _ = signals.replace.recv() => Order::Replace,
            _ = signals.terminate.recv() => Order::Stop("SIGTERM"),
            _ = signals.interrupt.recv() => Order::Stop("SIGINT"),
            _ = signals.quit.recv() => Order::Stop(QUIT),
            () = shutdown.draining() => Order::Stop(""),
            () = watch.changed() => Order::Reload,
            order = next(&mut orders) => Order::Inside(order),
        };
        match order {
            Order::Reload => reload(&mut on_reload).log(),
            Order::Inside(control::Order::Reload(answer)) => {
                let report = reload(&mut on_reload);
                report.log();
                // Whoever asked may have left.
                let _ = answer.send(report);
            }
            Order::Replace => successor.start(None, legacy.as_deref_mut()),
            Order::Inside(control::Order::Upgrade(answer)) => {
                successor.start(Some(answer), legacy.as_deref_mut());
            }
            Order::Stop(told) => break told,
        }
    };
    if !told.is_empty() {
        tracing::info!(signal = told, "draining");
    }
    sockets::end();
    if told == QUIT && successor.runs() {
        // First, so that a purge which the pages left behind do not know is ordered at the new process too.
        shutdown.hand_over();
        socket_files::leave();
        successor.serves(legacy.as_deref_mut());
    } else {
        service_manager::drains();
    }
    shutdown.begin();
    tokio::select! {
        left = shutdown.finish(grace) => match left {
            0 => DrainEnd::Drained,
            left => {
                tracing::warn!(left, ?grace, "the grace ran out before the work did");
                DrainEnd::Cut(left)
            }
        },
        name = signals.told_to_stop() => {
            tracing::warn!(signal = name, "stopping at once");
            DrainEnd::Forced
        }
    }
}

/// What a successor sends.
const QUIT: &str = "SIGQUIT";

async fn next(orders: &mut Option<ControlOrders>) -> control::Order {
    match orders {
        Some(orders) => orders.next().await,
        None => std::future::pending().await,
    }
}

/// Keeps systemd informed about it.
fn reload(on_reload: &mut dyn FnMut() -> ReloadReport) -> ReloadReport {
    let mut report = ReloadReport::default();
    service_manager::reloads(|| report = on_reload());
    report
}

enum Order {
    Reload,
    Replace,
    Inside(control::Order),
    /// Told by this signal; empty: from inside.
    Stop(&'static str),
}
