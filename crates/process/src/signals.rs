//! The life of a process from outside: SIGTERM, SIGQUIT and SIGINT drain, SIGHUP reloads, SIGUSR2 starts the
//! process that replaces this one.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::handover::{self, Successor};
use crate::service_manager;
use crate::shutdown::Shutdown;
use crate::watch::Watch;

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// All work was finished.
    Drained,
    /// The grace ran out with so much work left.
    Cut(usize),
    /// A second signal came first.
    Forced,
}

/// The exit codes of all our programs: 0 all work was done, 1 failed or some was cut off. 2, wrong use, is
/// clap's.
impl From<Stopped> for ExitCode {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Drained => Self::SUCCESS,
            Stopped::Cut(_) | Stopped::Forced => Self::FAILURE,
        }
    }
}

/// What a process that serves may be asked for, and must not end by. Made before it serves, so that nothing
/// that comes early is lost.
pub struct Requests {
    hangup: Signal,
    replace: Signal,
}

impl Requests {
    /// `Err` where the system refuses to deliver signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, replace: signal(SignalKind::user_defined2())? })
    }
}

/// Waits until the process is told to stop, by SIGTERM, SIGQUIT, SIGINT or somebody's `shutdown.begin()`;
/// then drains for at most `grace`.
///
/// SIGHUP and a change that `watch` sees call `on_reload`, except during the drain. SIGUSR2 starts
/// `successor`, which sends SIGQUIT once it serves. A second signal to stop ends the drain at once. `Err`
/// where the system refuses to deliver signals.
pub async fn run_until_stopped(
    shutdown: &Shutdown,
    grace: Duration,
    mut on_reload: impl FnMut(),
    mut watch: Watch,
    (mut requests, successor): (Requests, &Successor),
) -> io::Result<Stopped> {
    let mut stop = Stop {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        quit: signal(SignalKind::quit())?,
    };
    let told = loop {
        tokio::select! {
            name = stop.told() => {
                tracing::info!(signal = name, "draining");
                break name;
            }
            () = shutdown.draining() => break "",
            Some(()) = requests.hangup.recv() => service_manager::reloads(&mut on_reload),
            () = watch.changed() => service_manager::reloads(&mut on_reload),
            Some(()) = requests.replace.recv() => successor.start(),
        }
    };
    handover::end();
    if told == QUIT && successor.runs() {
        shutdown.hand_over();
    } else {
        service_manager::drains();
    }
    shutdown.begin();
    tokio::select! {
        left = shutdown.finish(grace) => match left {
            0 => Ok(Stopped::Drained),
            left => {
                tracing::warn!(left, ?grace, "the grace ran out before the work did");
                Ok(Stopped::Cut(left))
            }
        },
        name = stop.told() => {
            tracing::warn!(signal = name, "stopping at once");
            Ok(Stopped::Forced)
        }
    }
}

/// What a successor sends.
const QUIT: &str = "SIGQUIT";

struct Stop {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Stop {
    async fn told(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => QUIT,
        }
    }
}
