//! Times as variables print them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `$time_local`, in UTC: "22/Nov/2026:13:55:36 +0000".
pub(super) fn local(time: SystemTime) -> String {
    let [day, month, year, clock] = words(time);
    format!("{day}/{month}/{year}:{clock} +0000")
}

/// `$time_iso8601`, in UTC: "2026-11-22T13:55:36+00:00".
pub(super) fn iso(time: SystemTime) -> String {
    let [day, month, year, clock] = words(time);
    let number = MONTHS.iter().position(|name| *name == month).map_or(0, |index| index + 1);
    format!("{year}-{number:02}-{day}T{clock}+00:00")
}

/// Seconds with milliseconds: "1.250".
pub(super) fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// A clock before 1970 or after 9999 is broken: the nearest end of the range is used.
pub(super) fn since_epoch(time: SystemTime) -> Duration {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    if since_epoch.as_secs() > LAST_SECOND { Duration::from_secs(LAST_SECOND) } else { since_epoch }
}

/// Day, month, year, time of day.
fn words(time: SystemTime) -> [String; 4] {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs()));
    // "Sun, 22 Nov 2026 13:55:36 GMT"
    let mut words = date.split(' ').skip(1).map(str::to_owned);
    [(); 4].map(|()| words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nginx_s_forms() {
        let time = UNIX_EPOCH + Duration::from_millis(951_827_696_789);
        assert_eq!(local(time), "29/Feb/2000:12:34:56 +0000");
        assert_eq!(iso(time), "2000-02-29T12:34:56+00:00");
        assert_eq!(seconds(Duration::from_micros(1_250_900)), "1.250");
    }
}
