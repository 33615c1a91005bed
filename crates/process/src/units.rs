//! Times and sizes as people write them in settings: "1s", "250ms", "1h30m"; "128MiB", "64k", 4096.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A length of time. In settings: a number with a unit (ms, s, m, h, d, w, M, y), or several; a bare number
/// is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub Duration);

/// A number of bytes. In settings: a number with a unit (k, KiB, m, MiB, g, GiB; all powers of 1024), or a
/// bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(pub u64);

impl Time {
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Reads "1h30m", "1.5s", "10". A year is 365 days, a month ("M") 30.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (number, after) = split_number(rest)?;
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let seconds = match unit {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                "M" => 2_592_000.0,
                "y" => 31_536_000.0,
                _ => return None,
            };
            let part = Duration::try_from_secs_f64(number * seconds).ok()?;
            total = total.checked_add(part)?;
            rest = after.trim_start();
        }
        Some(Self(total))
    }
}

impl Size {
    pub const fn mebibytes(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    pub const fn kibibytes(n: u64) -> Self {
        Self(n * 1024)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_number(text.trim())?;
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            _ => return None,
        };
        let bytes = number * factor as f64;
        (bytes <= (1u64 << 60) as f64).then_some(Self(bytes as u64))
    }

    /// As a length in memory.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The number at the front, and what follows it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

struct Unit<T> {
    expecting: &'static str,
    parse: fn(&str) -> Option<T>,
    whole: fn(u64) -> T,
}

impl<T> Visitor<'_> for Unit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<T, E> {
        Ok((self.whole)(n))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<T, E> {
        let n = u64::try_from(n).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(n), &self))?;
        Ok((self.whole)(n))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<T, E> {
        (self.parse)(&n.to_string()).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(n), &self))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unit {
            expecting: "a time such as \"1s\", \"250ms\" or \"1h30m\"",
            parse: Self::parse,
            whole: Self::from_secs,
        })
    }
}

/// As it can be read again: "10s", "1500ms".
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_millis() {
            0 => serializer.collect_str(&format_args!("{}s", self.0.as_secs())),
            _ => serializer.collect_str(&format_args!("{}ms", self.0.as_millis())),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unit {
            expecting: "a size such as \"128MiB\", \"64k\" or 4096",
            parse: Self::parse,
            whole: Self,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases: &[(&str, Option<u64>)] = &[
            ("1s", Some(1000)),
            ("250ms", Some(250)),
            ("1.5s", Some(1500)),
            ("1h30m", Some(5_400_000)),
            ("1d 2h", Some(93_600_000)),
            ("10", Some(10_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("1x", None),
            ("-1s", None),
            ("1..2s", None),
            ("99999999999999999999y", None),
        ];
        for (text, millis) in cases {
            assert_eq!(Time::parse(text), millis.map(Time::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        let cases: &[(&str, Option<u64>)] = &[
            ("128MiB", Some(128 << 20)),
            ("64k", Some(65_536)),
            ("4096", Some(4096)),
            ("1.5 GiB", Some(3 << 29)),
            ("1t", None),
            ("", None),
            ("-1", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(Size::parse(text), bytes.map(Size), "{text:?}");
        }
    }
}
