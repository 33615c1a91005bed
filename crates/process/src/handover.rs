//! Listening sockets that one process hands to another: by systemd (socket activation), or by the process
//! that this one replaces.
//!
//! Both use the protocol of `sd_listen_fds(3)`: `LISTEN_FDS` sockets from descriptor 3 on. A connection that
//! waits to be accepted belongs to the socket, so none is lost when the next process goes on accepting.
//! Sockets in the file system are handed over like those of TCP: their files stay, whoever serves.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use command_fds::CommandFdExt;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
use tokio::sync::oneshot;

use crate::control::UpgradeOutcome;
use crate::directory;
use crate::legacy::{self, Legacy};

pub(crate) mod socket_files;
pub(crate) mod sockets;

/// Names the process to replace, in the environment of the new one.
const REPLACES: &str = "WEIR_REPLACES";
/// Names the file in which the new process says why it does not start.
const REPORT: &str = "WEIR_REPORT";
/// Names the files of sockets that the new process removes when it ends, one on a line.
const FILES: &str = "WEIR_SOCKET_FILES";
/// The longest reason that is told on.
const LONGEST_REPORT: usize = 8 * 1024;
/// The process that is to replace this one.
pub struct Successor {
    /// The file that this process was started from. By now it may hold a newer program.
    program: io::Result<PathBuf>,
    runs: Arc<AtomicBool>,
    /// Whoever waits for the end of an upgrade.
    waiting: Arc<Mutex<Vec<oneshot::Sender<UpgradeOutcome>>>>,
    /// The file with what this process leaves to it.
    legacy: Arc<Mutex<Option<PathBuf>>>,
}

impl Successor {
    /// Call it before the program's file can have been replaced.
    pub fn of_this_process() -> Self {
        Self {
            program: std::env::current_exe(),
            runs: Arc::default(),
            waiting: Arc::default(),
            legacy: Arc::default(),
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.runs.load(Acquire)
    }

    /// Starts it with this process's arguments and sockets. It tells this process to drain once it serves.
    /// `answer` learns how that ended.
    pub(crate) fn start(
        &self,
        answer: Option<oneshot::Sender<UpgradeOutcome>>,
        legacy: Option<&mut (dyn Legacy + 'static)>,
    ) {
        self.waiting().extend(answer);
        if self.runs() {
            return tracing::warn!("a new process was started already");
        }
        let report = report_file()
            .inspect_err(|error| tracing::warn!(%error, "no file for the new process's reasons"));
        let report = report.ok();
        self.leave(legacy);
        let mut child = match self.spawn(report.as_deref()) {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(%error, "the new process cannot be started");
                forget_legacy(&self.legacy);
                return self.tell(&Err(format!("the new process cannot be started: {error}")));
            }
        };
        tracing::info!(process = child.id(), "a new process was started; this one drains once it serves");
        self.runs.store(true, Release);
        let (runs, waiting, legacy) = (self.runs.clone(), self.waiting.clone(), self.legacy.clone());
        let wait = move || {
            let ended = child.wait();
            runs.store(false, Release);
            forget_legacy(&legacy);
            let why = report.map(|file| take_report(&file)).unwrap_or_default();
            tracing::error!(?ended, "the new process ended; this one goes on: {why}");
            let status = ended.map(|status| status.to_string()).unwrap_or_else(|error| error.to_string());
            tell(&waiting, &Err(format!("the new process ended ({status}); the old one goes on\n{why}")));
        };
        if let Err(error) = std::thread::Builder::new().name("successor".into()).spawn(wait) {
            tracing::error!(%error, "nobody waits for the new process");
        }
    }

    /// Writes what this process leaves to the new one.
    fn leave(&self, legacy: Option<&mut (dyn Legacy + 'static)>) {
        let Some(legacy) = legacy else { return };
        let file = legacy::write(legacy);
        let file = file.inspect_err(|error| tracing::warn!(%error, "nothing is left to the new process"));
        *self.legacy.lock().unwrap_or_else(PoisonError::into_inner) = file.ok();
    }

    /// The new process serves.
    pub(crate) fn serves(&self, legacy: Option<&mut (dyn Legacy + 'static)>) {
        if legacy.is_some_and(Legacy::still_holds) {
            // That is the word that the other waits for.
            forget_legacy(&self.legacy);
        } else {
            // The other forgets what it has read, and removes the file.
            self.legacy.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        self.tell(&Ok(()));
    }

    fn tell(&self, outcome: &UpgradeOutcome) {
        tell(&self.waiting, outcome);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<oneshot::Sender<UpgradeOutcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, report: Option<&Path>) -> io::Result<Child> {
        let program =
            self.program.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let mappings = sockets::mappings()?;
        let mut command = Command::new(program);
        let mut arguments = std::env::args_os();
        if let Some(name) = arguments.next() {
            // What a program does may depend on the name that it is called by.
            command.arg0(name);
        }
        if let Some(directory) = directory::started_in() {
            command.current_dir(directory);
        }
        let left = self.legacy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, file) in [(REPORT, report), (legacy::LEGACY, left.as_deref())] {
            match file {
                Some(file) => command.env(name, file),
                None => command.env_remove(name),
            };
        }
        command
            .args(arguments)
            .env("LISTEN_FDS", mappings.len().to_string())
            // It is for this process, not for the new one.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .env_remove("WATCHDOG_PID")
            .env(REPLACES, getpid().as_raw_nonzero().to_string())
            .env(FILES, socket_files::names())
            .fd_mappings(mappings)
            .map_err(io::Error::other)?;
        command.spawn()
    }
}

/// Whether this process was started to replace another one.
pub(crate) fn replaces() -> bool {
    std::env::var_os(REPLACES).is_some()
}

/// Whether this process replaces one of a version that does not hand over sockets in the file system.
pub(crate) fn replaces_older() -> bool {
    replaces() && std::env::var_os(FILES).is_none()
}

/// Whether the file of a socket that was handed over was made by the process that this one replaces, and not
/// by systemd.
pub(crate) fn owns_file(path: &Path) -> bool {
    let files = std::env::var_os(FILES).filter(|_| replaces());
    files.is_some_and(|files| {
        files.as_bytes().split(|byte| *byte == b'\n').any(|file| file == path.as_os_str().as_bytes())
    })
}

/// Tells the process that this one replaces, if there is one, that this one serves.
pub(crate) fn take_over() {
    let Some(named) = std::env::var(REPLACES).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw)
    else {
        return;
    };
    sockets::close_untaken();
    if let Some(file) = std::env::var_os(REPORT) {
        let _ = fs::remove_file(file);
    }
    // A number that was left in the environment says nothing: only a parent is replaced.
    if getppid() == Some(named)
        && let Err(error) = kill_process(named, Signal::QUIT)
    {
        tracing::warn!(%error, "the process that this one replaces cannot be told to drain");
    }
}

fn tell(waiting: &Mutex<Vec<oneshot::Sender<UpgradeOutcome>>>, outcome: &UpgradeOutcome) {
    for answer in std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner)) {
        // Whoever asked may have left.
        let _ = answer.send(outcome.clone());
    }
}

fn forget_legacy(legacy: &Mutex<Option<PathBuf>>) {
    if let Some(file) = legacy.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // It is in a directory for temporary files.
        let _ = fs::remove_file(file);
    }
}

/// An empty file that only this user can read and write.
fn report_file() -> io::Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("weir-{}-{:016x}", getpid(), rand::random::<u64>()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    Ok(file)
}

fn take_report(file: &Path) -> String {
    let mut why = fs::read(file).unwrap_or_default();
    why.truncate(LONGEST_REPORT);
    // It is in a directory for temporary files.
    let _ = fs::remove_file(file);
    String::from_utf8_lossy(&why).trim().to_owned()
}

/// Tells the process that this one was to replace why it does not start.
pub fn report(why: &dyn std::fmt::Display) {
    let Some(file) = std::env::var_os(REPORT) else { return };
    if let Ok(mut file) = OpenOptions::new().append(true).open(file) {
        // The reason is on stderr too.
        let _ = writeln!(file, "{why:#}");
    }
}
