//! The terminal of `weir top`: raw keys, an alternate screen, and both as they were at the end.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::keys::Key;

/// The alternate screen without a cursor, and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Bytes of keys that are read at once: a paste may be longer.
const MOST_BYTES: usize = 8 * 1024;

pub(super) struct Terminal {
    before: Termios,
}

impl Terminal {
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let terminal = Self { before };
        show(ENTER)?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Lines from the top, each already as wide as fits; what is below them is cleared.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                text.push_str("\r\n");
            }
            text.push_str(line);
            text.push_str("\x1b[0m\x1b[K");
        }
        text.push_str("\x1b[J");
        show(&text)
    }

    /// The keys that were pressed until this moment; returns with the first of them.
    pub(super) fn keys(&self, until: Instant) -> io::Result<Vec<Key>> {
        let stdin = io::stdin();
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let timeout = Timespec::try_from(left).ok();
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; MOST_BYTES];
        match stdin.lock().read(&mut bytes)? {
            // The terminal is gone.
            0 => Ok(vec![Key::Quit]),
            count => Ok(Key::all(bytes.get(..count).unwrap_or_default())),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = show(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
