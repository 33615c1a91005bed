//! The one thread that writes. Only it may block: a full pipe or a dead disk stops it and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::log::access_log::shards::Shards;
use crate::log::access_log::syslog::SyslogOutput;
use crate::settings::syslog::Syslog;

/// The longest time that a line waits for the writer.
const EVERY: Duration = Duration::from_millis(100);
/// The longest time where few lines come, so that whoever reads the log after a reply finds its line.
const EVERY_FEW: Duration = Duration::from_millis(5);
/// Bytes of one look that are few.
const FEW: usize = 4096;
/// The longest time that a closing log writes its remaining lines.
const CLOSING: Duration = Duration::from_secs(2);
/// The pause before retrying a full non-blocking output, and between checks of a closing writer.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a lasting error is reported.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A handle to the thread. When dropped, it ends the thread.
#[derive(Debug)]
pub(super) struct Writer {
    thread: JoinHandle<()>,
    orders: Arc<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    reopen: AtomicBool,
    close: AtomicBool,
}

impl Writer {
    pub(super) fn start(shards: Arc<Shards>, mut output: Output) -> io::Result<Self> {
        let orders = Arc::new(Orders::default());
        let taken = Arc::clone(&orders);
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || {
            let mut spare = Vec::new();
            loop {
                // Read before the lines are taken: what was logged before an order goes to the old file, or
                // is written at all.
                let close = taken.close.load(Ordering::Acquire);
                let reopen = taken.reopen.swap(false, Ordering::AcqRel);
                let taken_bytes = shards.take_each(&mut spare, |lines| {
                    let lost = output.write(lines);
                    shards.count_dropped(lost);
                });
                if reopen {
                    output.reopen();
                }
                if close {
                    return;
                }
                let (few, none) = ((1..FEW).contains(&taken_bytes), taken_bytes == 0);
                if none {
                    shards.rest();
                }
                thread::park_timeout(if few { EVERY_FEW } else { EVERY });
            }
        })?;
        Ok(Self { thread, orders })
    }

    pub(super) fn wake(&self) {
        self.thread.thread().unpark();
    }

    pub(super) fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.wake();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders.close.store(true, Ordering::Release);
        self.wake();
        // A thread blocked in a write cannot be ended; it is left behind.
        let deadline = Instant::now() + CLOSING;
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    }
}

/// The open output.
#[derive(Debug)]
pub(super) struct Output {
    file: Option<File>,
    /// The path to reopen; `None` for a stream.
    path: Option<PathBuf>,
    /// The last write ended inside a line.
    torn: bool,
    complained: Option<Instant>,
    /// Lines go there, and not to the file.
    syslog: Option<SyslogOutput>,
}

impl Output {
    pub(super) fn file(path: PathBuf) -> io::Result<Self> {
        Ok(Self { path: Some(path.clone()), ..Self::stream(append_to(&path)?) })
    }

    pub(super) fn stream(file: File) -> Self {
        Self { file: Some(file), path: None, torn: false, complained: None, syslog: None }
    }

    pub(super) fn syslog(to: Syslog) -> Self {
        Self { file: None, path: None, torn: false, complained: None, syslog: Some(SyslogOutput::new(to)) }
    }

    /// Writes whole lines and returns how many of them were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if let Some(syslog) = &mut self.syslog {
            let (lost, error) = syslog.send(lines);
            if let Some(error) = error {
                self.complain("access log not sent to syslog", &error);
            }
            return lost;
        }
        // After a torn line a new line begins, so that a reader loses only the torn one.
        if self.torn && self.write_all(b"\n") == 0 {
            return count(lines);
        }
        let (done, left) = lines.split_at(self.write_all(lines));
        self.torn = done.last().is_some_and(|last| *last != b'\n');
        count(left)
    }

    /// Returns how much was written before it failed.
    fn write_all(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(left) = bytes.get(written..).filter(|left| !left.is_empty()) {
            let Some(file) = &mut self.file else { return written };
            match file.write(left) {
                Ok(0) => return written,
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => {
                    self.complain("access log not written", &error);
                    return written;
                }
            }
        }
        written
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match append_to(path) {
            Ok(file) => {
                self.file = Some(file);
                self.torn = false;
            }
            Err(error) => self.complain("cannot reopen the access log; the old file stays in use", &error),
        }
    }

    fn complain(&mut self, what: &'static str, error: &io::Error) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::error!(%error, path = ?self.path, "{what}");
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn append_to(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let mut output = Output::stream(File::from(OwnedFd::from(pipe)));
        output.torn = true;
        assert_eq!(output.write(b"next\n"), 0);
        assert_eq!(output.write(b"after\n"), 0);
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "\nnext\nafter\n");
    }

    #[test]
    fn lines_into_a_closed_pipe_are_counted_as_lost() {
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let mut output = Output::stream(File::from(OwnedFd::from(pipe)));
        assert_eq!(output.write(b"one\ntwo\n"), 2);
    }
}
