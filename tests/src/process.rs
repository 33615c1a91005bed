//! One child process: its output kept in files, ended by its process id, its logs shown when the test fails.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::until;

/// Lines of a log that are shown of a failed test.
const SHOWN: usize = 60;

pub struct Process {
    name: String,
    child: Mutex<Child>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts it; its output goes to NAME.out and NAME.err in `directory`.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Self {
        let [stdout, stderr] = ["out", "err"].map(|end| directory.join(format!("{name}.{end}")));
        let child = spawn(name, command, &stdout, &stderr);
        Self { name: name.to_owned(), child: Mutex::new(child), stdout, stderr }
    }

    /// After its end, by this command.
    pub fn start_again(&self, command: &mut Command) {
        self.kill();
        *self.child() = spawn(&self.name, command, &self.stdout, &self.stderr);
    }

    /// What it has written to its standard output.
    pub fn output(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to its standard error: the log.
    pub fn log(&self) -> String {
        read(&self.stderr)
    }

    /// Waits until `ready` holds; panics with the log if the process ends first.
    pub fn wait_until(&self, what: &str, mut ready: impl FnMut() -> bool) {
        until(&format!("{} {what}", self.name), || {
            if let Some(status) = self.child().try_wait().unwrap() {
                panic!("{} ended ({status}) before it {what}:\n{}{}", self.name, self.output(), self.log());
            }
            ready().then_some(())
        });
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// SIGSTOP: it is there, and does nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGHUP: it reads its settings again.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGUSR1: it opens its logs again.
    pub fn reopen_logs(&self) {
        self.signal(Signal::USR1);
    }

    /// SIGTERM.
    pub fn terminate_without_waiting(&self) {
        self.signal(Signal::TERM);
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child())
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal)
            .unwrap_or_else(|error| panic!("{} takes no signal: {error}", self.name));
    }

    /// Bytes of memory that it holds, with its share of what others hold too.
    pub fn memory(&self) -> usize {
        self.memory_by("Pss:")
    }

    /// Bytes of memory that it holds alone: other processes of the same program do not change it.
    pub fn own_memory(&self) -> usize {
        self.memory_by("Anonymous:")
    }

    fn memory_by(&self, name: &str) -> usize {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child().id())).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    pub fn is_running(&self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    /// Waits for it to end.
    pub fn wait(&self) -> ExitStatus {
        until(&format!("{} ends", self.name), || self.child().try_wait().unwrap())
    }

    /// SIGTERM, and waits.
    pub fn terminate(&self) -> ExitStatus {
        self.terminate_without_waiting();
        self.wait()
    }

    /// SIGKILL, and waits.
    pub fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
        // Workers and successors that outlive it.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            for (kind, text) in [("output", self.output()), ("log", self.log())] {
                let lines: Vec<_> = text.lines().collect();
                let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default().join("\n");
                eprintln!("---- {} of {} (last {SHOWN} lines)\n{shown}", kind, self.name);
            }
        }
    }
}

fn spawn(name: &str, command: &mut Command, stdout: &Path, stderr: &Path) -> Child {
    let open = |path| File::options().create(true).append(true).open(path).unwrap();
    let command = command.stdin(Stdio::null()).stdout(open(stdout)).stderr(open(stderr));
    // Where it writes the token for its admin listener.
    command.env("WEIR_RUNTIME_DIR", stderr.parent().unwrap());
    command.process_group(0).spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
