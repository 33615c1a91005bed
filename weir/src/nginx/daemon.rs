//! The process that serves an nginx.conf: leaves the terminal, writes its pid file, and obeys nginx's
//! signals.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nginx_front::Program;
use process::program;
use process::reload::ReloadReport;
use process::shutdown::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::Arguments;
use super::files::{self, Configuration};
use super::load;
use super::user;
use crate::run;
use crate::settings::ServiceSettings;

/// Tells the process that has left the terminal that it has.
const LEFT: &str = "WEIR_NGINX_DAEMON";
const PID_FILE: &str = "/run/nginx.pid";
/// How long the process that leaves the terminal may take to serve.
const START: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long replies that are nearly sent may take when nginx would stop at once.
const STOP: Duration = Duration::from_millis(200);

pub(super) fn pid_file(program: &Program) -> String {
    program.pid.clone().unwrap_or_else(|| PID_FILE.to_owned())
}

/// Serves until a signal.
pub(super) fn run(arguments: Arguments, configuration: Configuration) -> anyhow::Result<ExitCode> {
    let has_left = std::env::var_os(LEFT).is_some();
    let outcome = load::settings(&configuration, arguments.lenient);
    let lines: Vec<String> = outcome.lines().cloned().collect();
    if !has_left {
        lines.iter().for_each(|line| eprintln!("nginx: {line}"));
    }
    let Some((loaded, program)) = outcome.into_running() else { return Ok(ExitCode::FAILURE) };
    if program.daemon && !has_left {
        return leave_terminal(&program);
    }
    if has_left {
        // The process may have been made leader of a session before; then nothing is to be left.
        let _ = rustix::process::setsid();
    }
    let log = ProcessLog::default();
    let mut terminal = None;
    if let Some(path) = error_log(&arguments, &program, &configuration) {
        terminal = Some(File::from(std::io::stderr().as_fd().try_clone_to_owned()?));
        log.prepare(path).map_err(anyhow::Error::msg)?;
        log.take_over();
        lines.iter().for_each(|line| eprintln!("{line}"));
    }
    let user = user::of(&program).map_err(anyhow::Error::msg)?;
    let on_thread = move || {
        if let Some(Err(error)) = user.as_ref().map(user::User::take_on) {
            eprintln!("nginx: [emerg] setuid() failed: {error}");
            std::process::exit(1);
        }
    };
    let pid = pid_file(&program);
    let code = program::run_with_threads("weir", on_thread, async |shutdown| {
        let started = run::start(loaded, again(arguments, log.clone()), shutdown.clone(), None).await;
        if let (Err(error), Some(terminal)) = (&started, &mut terminal) {
            let _ = writeln!(terminal, "nginx: [emerg] {error:#}");
        }
        drop(terminal.take());
        let mut running = started?;
        running.reload = with_log(running.reload, log.clone());
        fs::write(&pid, format!("{}\n", std::process::id()))
            .map_err(|error| anyhow::anyhow!("[emerg] open() \"{pid}\" failed: {error}"))?;
        obey_apart(shutdown, pid.clone(), log)?;
        Ok::<_, anyhow::Error>(running)
    });
    forget(&pid);
    // nginx's exit code after a signal is 0, also if something was cut off.
    code?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the pid file, if it is this process's own.
fn forget(pid: &str) {
    let written = fs::read_to_string(pid).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if written == Some(std::process::id()) {
        let _ = fs::remove_file(pid);
    }
}

/// Reads the file again, for a reload.
fn again(arguments: Arguments, log: ProcessLog) -> run::Source {
    Box::new(move || reloaded(&arguments, &log))
}

fn reloaded(arguments: &Arguments, log: &ProcessLog) -> Result<ServiceSettings, String> {
    let configuration = files::read(arguments)?;
    let outcome = load::settings(&configuration, arguments.lenient);
    let lines = outcome.lines().cloned().collect::<Vec<_>>().join("\n");
    let (loaded, program) = outcome.into_running().ok_or(lines)?;
    if let Some(path) = error_log(arguments, &program, &configuration) {
        log.prepare(path)?;
    }
    Ok(loaded)
}

/// A reload that changes where the error log goes, too.
fn with_log(
    mut reload: Box<dyn FnMut() -> ReloadReport>,
    log: ProcessLog,
) -> Box<dyn FnMut() -> ReloadReport> {
    Box::new(move || {
        let report = reload();
        if report.reloaded {
            log.take_over();
        }
        report
    })
}

/// Where the error log goes, if not to stderr: the file's own line counts before `-e`.
fn error_log(arguments: &Arguments, program: &Program, configuration: &Configuration) -> Option<String> {
    let named = program.error_log.as_ref().map(|(path, _)| path.clone());
    let path =
        named.or_else(|| arguments.error_log.clone()).filter(|path| path != "stderr" && !path.is_empty())?;
    Some(if path.starts_with('/') { path } else { format!("{}{path}", configuration.options.prefix) })
}

/// The file that stderr ends in, if it ends in one. All clones are the same.
#[derive(Clone, Default)]
struct ProcessLog(Arc<Mutex<LogFiles>>);

#[derive(Default)]
struct LogFiles {
    path: Option<String>,
    /// Opened for settings that are not yet in force.
    next: Option<(String, File)>,
}

impl ProcessLog {
    /// Opens the file, and changes nothing yet.
    fn prepare(&self, path: String) -> Result<(), String> {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| format!("[emerg] open() \"{path}\" failed: {error}"))?;
        self.files().next = Some((path, file));
        Ok(())
    }

    /// From now on stderr ends in the file that was prepared last.
    fn take_over(&self) {
        let mut files = self.files();
        let Some((path, file)) = files.next.take() else { return };
        match rustix::stdio::dup2_stderr(&file) {
            Ok(()) => files.path = Some(path),
            Err(error) => tracing::error!(%error, "the error log stays where it was"),
        }
    }

    /// Opens the file again: it has been moved.
    fn reopen(&self) -> Result<(), String> {
        let Some(path) = self.files().path.clone() else { return Ok(()) };
        self.prepare(path)?;
        self.take_over();
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, LogFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts this program again without the terminal, and waits until it serves or has failed.
fn leave_terminal(program: &Program) -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "nginx".into());
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(name).args(arguments).env(LEFT, "1").stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn()?;
    let (pid, deadline) = (pid_file(program), Instant::now() + START);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(ExitCode::from(code.max(1)));
        }
        let written = fs::read_to_string(&pid).ok().and_then(|text| text.trim().parse::<u32>().ok());
        if written == Some(child.id()) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    child.kill()?;
    anyhow::bail!("[emerg] the process did not serve within {} s", START.as_secs())
}

/// The signals beside those that all our programs obey.
struct Signals {
    quit: Signal,
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    winch: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            winch: signal(SignalKind::window_change())?,
        })
    }
}

/// Obeys signals on a thread of its own, which keeps the rights of the one that starts it: those of `user`
/// may not be enough to open a log again, or to remove the pid file.
fn obey_apart(shutdown: Shutdown, pid: String, log: ProcessLog) -> anyhow::Result<()> {
    let obeying = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            obey(Signals::new()?, shutdown, pid, log).await;
            Ok::<_, std::io::Error>(())
        })
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Err(error) = obeying() {
            tracing::error!("signals are not obeyed: {error}");
        }
    })?;
    Ok(())
}

/// QUIT lets requests finish; TERM and INT stop at once; USR1 opens the logs again.
async fn obey(mut signals: Signals, shutdown: Shutdown, pid: String, log: ProcessLog) {
    loop {
        tokio::select! {
            _ = signals.quit.recv() => shutdown.begin(),
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.reopen.recv() => {
                if let Err(error) = log.reopen() {
                    tracing::error!("{error}");
                }
            }
            _ = signals.winch.recv() => tracing::info!("SIGWINCH: there are no worker processes to end"),
        }
    }
    tokio::time::sleep(STOP).await;
    forget(&pid);
    process::listen::remove_files();
    std::process::exit(0);
}
