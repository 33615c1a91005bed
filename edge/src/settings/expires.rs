//! nginx's `expires`: how long a client may keep an answer, as Expires and Cache-Control.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderValue, StatusCode};
use process::units::Time;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

const DAY: i64 = 86_400;
/// Longer times are mistakes: for "for ever" there is "max", which says ten years.
const LONGEST: i64 = 100 * 365 * DAY;
/// 31 Dec 9999 23:59:59, the latest time that an HTTP date can express.
const LAST_DATE: i64 = 253_402_300_799;

/// One `expires` setting. Times are whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// Sets no field.
    Off,
    /// Clients may keep the answer, but must validate it each time.
    Epoch,
    /// Ten years: for names that change with their content.
    Max,
    /// This long after the request; below zero: must not be kept.
    After(i64),
    /// This long after the file's last change, or after the request if there is none.
    AfterChange(i64),
    /// Until this second of the day, in UTC (nginx: in the machine's time zone).
    DailyAt(i64),
}

impl Expires {
    /// Reads "off", "epoch", "max", "1h30m", "-1", "modified 1h", "@15h30m".
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "off" => return Ok(Self::Off),
            "epoch" => return Ok(Self::Epoch),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        if let Some(time) = text.strip_prefix('@') {
            let time = seconds(time)?;
            // As nginx: "@24h" is the next midnight.
            if time > DAY {
                return Err(format!("`{text}`: a time of day must be at most @24h"));
            }
            return Ok(Self::DailyAt(time));
        }
        let Some(time) = text.strip_prefix("modified").filter(|rest| rest.starts_with([' ', '\t'])) else {
            return signed_seconds(text).map(Self::After);
        };
        if time.trim_start().starts_with('@') {
            return Err(format!("`{text}`: a time of day cannot be combined with \"modified\""));
        }
        signed_seconds(time.trim_start()).map(Self::AfterChange)
    }

    /// Sets Expires and Cache-Control, in place of any that are there, on the statuses that nginx has for it.
    /// `last_modified` is the change that "modified" counts from.
    pub fn apply(
        &self,
        status: StatusCode,
        headers: &mut HeaderMap,
        now: SystemTime,
        last_modified: Option<SystemTime>,
    ) {
        if !matches!(status.as_u16(), 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308) {
            return;
        }
        let now = unix_seconds(now);
        let (until, is_negative) = match *self {
            Self::Off => return,
            Self::Epoch => {
                headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:01 GMT"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                return;
            }
            Self::Max => {
                headers.insert(EXPIRES, HeaderValue::from_static("Thu, 31 Dec 2037 23:55:55 GMT"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=315360000"));
                return;
            }
            Self::DailyAt(time) => (next_time_of_day(now, time), false),
            Self::After(time) => (now + time, time < 0),
            // As in nginx, zero means now, whenever the file changed.
            Self::AfterChange(0) => (now, false),
            Self::AfterChange(time) => (last_modified.map_or(now, unix_seconds) + time, time < 0),
        };
        headers.insert(EXPIRES, http_date(until));
        headers.insert(
            CACHE_CONTROL,
            if is_negative || until < now {
                HeaderValue::from_static("no-cache")
            } else {
                max_age(until - now)
            },
        );
    }
}

fn signed_seconds(text: &str) -> Result<i64, String> {
    match text.strip_prefix('-') {
        Some(time) => seconds(time).map(|time| -time),
        None => seconds(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn seconds(text: &str) -> Result<i64, String> {
    let Some(Time(time)) = Time::parse(text) else {
        return Err(format!(
            "`{text}` is none of \"max\", \"epoch\", \"off\", \"1h\", \"-1\", \"modified 1h\", \"@15h30m\""
        ));
    };
    if time.subsec_nanos() != 0 {
        return Err(format!("`{text}` is not a whole number of seconds"));
    }
    match i64::try_from(time.as_secs()) {
        Ok(seconds) if seconds <= LONGEST => Ok(seconds),
        _ => Err(format!("`{text}` is more than 100 years; write \"max\"")),
    }
}

fn next_time_of_day(now: i64, time: i64) -> i64 {
    let today = now - now.rem_euclid(DAY) + time;
    if today > now { today } else { today + DAY }
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(LAST_DATE).min(LAST_DATE)
}

fn http_date(seconds: i64) -> HeaderValue {
    let seconds = u64::try_from(seconds.clamp(0, LAST_DATE)).unwrap_or_default();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("0"))
}

fn max_age(seconds: i64) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={seconds}")).unwrap_or(HeaderValue::from_static("no-cache"))
}

struct ExpiresVisitor;

impl Visitor<'_> for ExpiresVisitor {
    type Value = Expires;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("\"max\", \"epoch\", \"off\" or a time such as \"30d\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Expires, E> {
        Expires::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Expires, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Expires, E> {
        self.visit_str(&seconds.to_string())
    }
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpiresVisitor)
    }
}

#[cfg(test)]
mod tests;
