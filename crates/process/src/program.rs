//! The frame of every program: log and trace, raise the file limit, start, run until told to stop, drain,
//! flush.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::handover::{self, Successor};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, LogFormat, TelemetryError, TelemetryOptions};
use crate::watch::Watch;
use crate::{nofile, service_manager, signals};

/// How long the last spans may take to their collector.
const FLUSH: Duration = Duration::from_secs(2);
/// The client of Redis Clusters has lines to say for each call that fails; we count them, and say ourselves
/// when Redis is lost.
const LOG_FILTER: &str = "info,redis=off";

/// What `start` leaves running.
pub struct Running {
    /// How long work under way may take once the process is told to stop.
    pub grace: Duration,
    /// Called on SIGHUP, and when the watched file has changed.
    pub reload: Box<dyn FnMut()>,
    pub watched: Option<PathBuf>,
}

/// Why a program does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError<E: std::fmt::Display + std::fmt::Debug> {
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    #[error("{0:#}")]
    Start(E),
}

/// Runs the program called `name` ("weir-edge"). `start` is called within the runtime; work that a drain
/// waits for is spawned by the shutdown it is given.
pub fn run<F, S, E>(name: &str, start: S) -> Result<ExitCode, ProgramError<E>>
where
    S: FnOnce(Shutdown) -> F,
    F: Future<Output = Result<Running, E>>,
    E: std::fmt::Display + std::fmt::Debug,
{
    run_with_threads(name, || {}, start)
}

/// Runs a program as [`run`] does. Each thread but the calling one begins with `on_thread`; `start` and
/// reloads are called on the calling one.
pub fn run_with_threads<F, S, E>(
    name: &str,
    on_thread: impl Fn() + Send + Sync + 'static,
    start: S,
) -> Result<ExitCode, ProgramError<E>>
where
    S: FnOnce(Shutdown) -> F,
    F: Future<Output = Result<Running, E>>,
    E: std::fmt::Display + std::fmt::Debug,
{
    let successor = Successor::of_this_process();
    handover::begin();
    let options = TelemetryOptions {
        service_name: name.to_owned(),
        log_format: LogFormat::Text,
        log_filter: LOG_FILTER.to_owned(),
    };
    let telemetry = telemetry::init(&options, std::env::vars())?;
    nofile::raise_nofile();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().on_thread_start(on_thread).build()?;
    let stopped = runtime.block_on(async {
        // Whoever rotates logs signals every process of ours; one that has no log file must not die of it.
        let _not_fatal = signal(SignalKind::user_defined1())?;
        let requests = signals::Requests::listen()?;
        let shutdown = Shutdown::new();
        let Running { grace, reload, watched } =
            start(shutdown.clone()).await.map_err(ProgramError::Start)?;
        service_manager::serves();
        handover::take_over();
        tokio::spawn(service_manager::feed_watchdog());
        let watch = Watch::new(watched);
        let asked = (requests, &successor);
        let stopped = signals::run_until_stopped(&shutdown, grace, reload, watch, asked).await?;
        Ok::<_, ProgramError<E>>(stopped)
    })?;
    // What is still blocked on a disk must not hold the process back.
    runtime.shutdown_timeout(FLUSH);
    telemetry.shutdown(FLUSH);
    Ok(stopped.into())
}
