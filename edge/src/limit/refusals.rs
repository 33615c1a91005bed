//! What is logged of requests that limits refuse: nginx's words, which fail2ban reads, and not more lines in
//! a second than a flood of requests should make.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;

/// Lines in a second; the rest is counted.
const MOST_LINES: u32 = 100;

/// `log_level` of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RefusalLevel {
    Info,
    /// As `Info`: Weir's lines have no level between.
    Notice,
    Warn,
    #[default]
    Error,
}

/// Why a limit refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalCause {
    /// How many thousandths of a request its key is ahead of the rate.
    Requests {
        excess: u128,
    },
    Connections,
}

impl RefusalCause {
    /// `held` is what the bucket of the key would hold.
    pub(super) fn requests(held: Duration, interval: Duration) -> Self {
        Self::Requests { excess: held.as_nanos() * 1000 / interval.as_nanos().max(1) }
    }
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { excess } => {
                write!(f, "limiting requests, excess: {}.{:03}", excess / 1000, excess % 1000)
            }
            Self::Connections => f.write_str("limiting connections"),
        }
    }
}

/// Whether this second has room for one more line.
pub(crate) fn next_line() -> LineVerdict {
    LINES.lock().next(Instant::now())
}

static LINES: Mutex<LineCount> = Mutex::new(LineCount { since: None, lines: 0, left_out: 0 });

/// The lines of this second.
struct LineCount {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineVerdict {
    /// So many were left out before it.
    Write {
        left_out: u64,
    },
    LeaveOut,
}

impl LineCount {
    fn next(&mut self, now: Instant) -> LineVerdict {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines == MOST_LINES {
            self.left_out += 1;
            return LineVerdict::LeaveOut;
        }
        self.lines += 1;
        LineVerdict::Write { left_out: std::mem::take(&mut self.left_out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_nginx_says() {
        let reached = |held, interval| {
            RefusalCause::requests(Duration::from_millis(held), Duration::from_millis(interval)).to_string()
        };
        assert_eq!(reached(150, 100), "limiting requests, excess: 1.500");
        assert_eq!(reached(5, 1000), "limiting requests, excess: 0.005");
        assert_eq!(RefusalCause::Connections.to_string(), "limiting connections");
    }

    #[test]
    fn a_flood_does_not_fill_the_log() {
        let mut lines = LineCount { since: None, lines: 0, left_out: 0 };
        let now = Instant::now();
        for _ in 0..MOST_LINES {
            assert_eq!(lines.next(now), LineVerdict::Write { left_out: 0 });
        }
        assert_eq!(lines.next(now), LineVerdict::LeaveOut);
        assert_eq!(lines.next(now + Duration::from_millis(999)), LineVerdict::LeaveOut);
        assert_eq!(lines.next(now + Duration::from_secs(1)), LineVerdict::Write { left_out: 2 });
        assert_eq!(lines.next(now + Duration::from_secs(1)), LineVerdict::Write { left_out: 0 });
    }
}
