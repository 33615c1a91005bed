//! The time as the formats print it, formatted again only when the second changes.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, the last that both formats can print.
const LAST_SECOND: u64 = 253_402_300_799;
/// Length of "2026-11-22T13:55:36".
const SECONDS_LEN: usize = 19;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One second's texts.
#[derive(Debug)]
pub(super) struct Stamps {
    second: u64,
    /// "22/Nov/2026:13:55:36 +0000"
    local: String,
    /// "2026-11-22T13:55:36.007Z"
    iso: String,
}

impl Stamps {
    pub(super) fn new() -> Self {
        let (local, iso) = texts(0);
        Self { second: 0, local, iso }
    }

    /// nginx's `$time_local`, in UTC.
    pub(super) fn local(&mut self, time: SystemTime) -> &str {
        self.turn_to(since_epoch(time).as_secs());
        &self.local
    }

    /// That of nginx's error log, in UTC: "2026/11/22 13:55:36".
    pub(super) fn error(&mut self, time: SystemTime) -> String {
        let iso = self.iso(time);
        iso.get(..SECONDS_LEN).unwrap_or_default().replace('-', "/").replace('T', " ")
    }

    /// ISO 8601 with milliseconds.
    pub(super) fn iso(&mut self, time: SystemTime) -> &str {
        let since_epoch = since_epoch(time);
        self.turn_to(since_epoch.as_secs());
        self.iso.truncate(SECONDS_LEN);
        // Writing to a String cannot fail.
        let _ = write!(self.iso, ".{:03}Z", since_epoch.subsec_millis());
        &self.iso
    }

    fn turn_to(&mut self, second: u64) {
        if second != self.second {
            (self.local, self.iso) = texts(second);
            self.second = second;
        }
    }
}

/// A clock before 1970 or after 9999 is broken: the nearest end of the range is used.
fn since_epoch(time: SystemTime) -> Duration {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    if since_epoch.as_secs() > LAST_SECOND { Duration::from_secs(LAST_SECOND) } else { since_epoch }
}

fn texts(second: u64) -> (String, String) {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    // "Sun, 22 Nov 2026 13:55:36 GMT"
    let mut words = date.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    let (day, month, year, time) = (word(), word(), word(), word());
    let number = MONTHS.iter().position(|name| *name == month).map_or(0, |index| index + 1);
    (format!("{day}/{month}/{year}:{time} +0000"), format!("{year}-{number:02}-{day}T{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_both_forms() {
        let cases = [
            (Duration::ZERO, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (
                Duration::from_millis(951_827_696_789),
                "29/Feb/2000:12:34:56 +0000",
                "2000-02-29T12:34:56.789Z",
            ),
            (
                Duration::from_millis(1_795_355_736_007),
                "22/Nov/2026:13:55:36 +0000",
                "2026-11-22T13:55:36.007Z",
            ),
            (
                Duration::from_millis(1_795_355_736_998),
                "22/Nov/2026:13:55:36 +0000",
                "2026-11-22T13:55:36.998Z",
            ),
            (Duration::from_secs(LAST_SECOND + 1), "31/Dec/9999:23:59:59 +0000", "9999-12-31T23:59:59.000Z"),
        ];
        let mut stamps = Stamps::new();
        for (since_epoch, local, iso) in cases {
            assert_eq!(stamps.local(UNIX_EPOCH + since_epoch), local);
            assert_eq!(stamps.iso(UNIX_EPOCH + since_epoch), iso);
        }
        assert_eq!(stamps.local(UNIX_EPOCH - Duration::from_secs(1)), "01/Jan/1970:00:00:00 +0000");
    }
}
