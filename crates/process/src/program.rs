//! The frame of every program: log and trace, raise the file limit, start, run until told to stop, drain,
//! flush.

use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::control::ControlOrders;
use crate::handover::{self, Successor, sockets};
use crate::reload::ReloadReport;
use crate::settings::{LoadedSection, Mistakes, SettingsTree};
use crate::shutdown::Shutdown;
use crate::signals::{self, DrainEnd, ProgramHandle, Signals};
use crate::telemetry::{self, LogFormat, TelemetryError, TelemetryOptions};
use crate::{legacy, listen, nofile, service_manager};

/// How long the last spans may take to their collector.
const FLUSH: Duration = Duration::from_secs(2);
/// The client of Redis Clusters has lines to say for each call that fails; we count them, and say ourselves
/// when Redis is lost.
const LOG_FILTER: &str = "info,redis=off";

/// How long calls under way to a service behind the edge may take at shutdown.
const SERVICE_GRACE: Duration = Duration::from_secs(30);

impl ProgramHandle {
    /// A service behind the edge.
    pub fn service(reload: impl FnMut() -> ReloadReport + 'static, orders: ControlOrders) -> Self {
        Self {
            grace: SERVICE_GRACE,
            reload: Box::new(reload),
            watched: None,
            orders: Some(orders),
            legacy: None,
        }
    }
}

/// The settings; or `None`, once their mistakes are told on stderr, and to the process that this one was to
/// replace.
pub fn settings<C>(loaded: Result<C, Mistakes>) -> Option<C> {
    let told = |mistakes: &Mistakes| {
        eprint!("{mistakes}");
        handover::report(mistakes);
    };
    loaded.inspect_err(told).ok()
}

/// What to do on a reload: `load` reads the settings again, and `take_over` changes everything or nothing.
/// `tree` is what the process runs by, and `fixed` names the keys that only a new one takes over.
pub fn reloader<T>(
    mut tree: SettingsTree,
    fixed: Vec<&'static str>,
    load: impl Fn() -> Result<LoadedSection<T>, String> + 'static,
    mut take_over: impl FnMut(T) -> Result<(), String> + 'static,
) -> impl FnMut() -> ReloadReport + 'static {
    move || {
        let taken = load().and_then(|loaded| take_over(loaded.section).map(|()| loaded.tree));
        match taken {
            Ok(new) => {
                let report = ReloadReport::taken_over(tree.changes(&new), &fixed);
                tree = new.with_fixed(&tree, &fixed);
                report
            }
            Err(why) => ReloadReport::refused(&why),
        }
    }
}

/// Serves as work that a drain waits for. If it ends with an error, the process ends.
pub fn serve<E: std::fmt::Display>(
    name: &'static str,
    serving: impl Future<Output = Result<(), E>> + Send + 'static,
    shutdown: &Shutdown,
) {
    let stopping = shutdown.clone();
    shutdown.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("{name} stopped: {error}");
            stopping.begin();
        }
    });
}

/// Waits on this thread for what needs no more than one: a sub-command.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
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
    F: Future<Output = Result<ProgramHandle, E>>,
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
    F: Future<Output = Result<ProgramHandle, E>>,
    E: std::fmt::Display + std::fmt::Debug,
{
    legacy::begin();
    let successor = Successor::of_this_process();
    sockets::begin();
    run_program(name, on_thread, start, &successor).inspect_err(|error| handover::report(error))
}

fn run_program<F, S, E>(
    name: &str,
    on_thread: impl Fn() + Send + Sync + 'static,
    start: S,
    successor: &Successor,
) -> Result<ExitCode, ProgramError<E>>
where
    S: FnOnce(Shutdown) -> F,
    F: Future<Output = Result<ProgramHandle, E>>,
    E: std::fmt::Display + std::fmt::Debug,
{
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
        let mut signals = Signals::listen()?;
        let shutdown = Shutdown::new();
        let running = tokio::select! {
            running = start(shutdown.clone()) => running.map_err(ProgramError::Start)?,
            name = signals.told_to_stop() => {
                tracing::info!(signal = name, "told to stop before it was ready");
                return Ok(DrainEnd::Drained);
            }
        };
        service_manager::serves();
        handover::take_over();
        tokio::spawn(service_manager::feed_watchdog());
        Ok::<_, ProgramError<E>>(
            signals::run_until_stopped(&mut signals, &shutdown, running, successor).await,
        )
    })?;
    listen::remove_files();
    // What is still blocked on a disk must not hold the process back.
    runtime.shutdown_timeout(FLUSH);
    telemetry.shutdown(FLUSH);
    Ok(stopped.into())
}
