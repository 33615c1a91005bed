//! A zone: what it counts by, how fast its keys may come, and what they have done.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use leaky_bucket::RequestCounts;
use parking_lot::Mutex;

use crate::limit::connections::ConnectionCounts;
use crate::variables::Template;

#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) name: String,
    /// A request whose key is empty is not counted.
    pub(crate) key: Template,
    /// `None`: the zone is for `limit_conn` only.
    pub(crate) rate: Option<Rate>,
    pub(crate) requests: RequestCounts,
    pub(crate) connections: ConnectionCounts,
    /// All edges count together: what makes the zone the same one for all of them.
    pub(super) shared: Option<Box<[u8]>>,
}

/// What the settings say of a zone besides its name and key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ZoneSettings {
    pub(crate) rate: Option<Rate>,
    pub(crate) keys: usize,
    pub(crate) shared: bool,
}

/// Requests in a time: "10r/s", "30r/m".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rate {
    requests: u32,
    per_minute: bool,
}

/// What makes a zone the same one after a reload.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ZoneIdentity {
    name: String,
    key: String,
    settings: ZoneSettings,
}

/// The zones that exist: a reload finds those that have not changed.
static ZONES: LazyLock<Mutex<HashMap<ZoneIdentity, Weak<Zone>>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// The zone of these settings. If one like it exists, its counts go on.
    pub(crate) fn of(name: &str, key: &Template, settings: ZoneSettings) -> Arc<Self> {
        let same = ZoneIdentity { name: name.to_owned(), key: key.source().to_owned(), settings };
        let mut zones = ZONES.lock();
        if let Some(zone) = zones.get(&same).and_then(Weak::upgrade) {
            return zone;
        }
        zones.retain(|_, zone| zone.strong_count() > 0);
        let zone = Arc::new(Self::new(name, key, settings));
        zones.insert(same, Arc::downgrade(&zone));
        zone
    }

    pub(super) fn new(name: &str, key: &Template, settings: ZoneSettings) -> Self {
        let ZoneSettings { rate, keys, shared } = settings;
        let rate_text = rate.map(|rate| rate.to_string()).unwrap_or_default();
        // A byte that no setting holds keeps the parts apart.
        let same = format!("{name}\0{}\0{rate_text}\0", key.source());
        Self {
            name: name.to_owned(),
            key: key.clone(),
            rate,
            requests: RequestCounts::new(keys),
            connections: ConnectionCounts::new(keys),
            shared: shared.then(|| same.into_bytes().into()),
        }
    }

    pub(super) fn describe(&self) -> String {
        let rate = self.rate.map_or_else(String::new, |rate| format!(": {rate}"));
        let shared = if self.shared.is_some() { ", in all edges together" } else { "" };
        format!("{} by {}{rate}{shared}", self.name, self.key.source())
    }
}

impl Rate {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once("r/")?;
        let requests = number.parse().ok().filter(|requests| (1..=1_000_000).contains(requests))?;
        match unit {
            "s" => Some(Self { requests, per_minute: false }),
            "m" => Some(Self { requests, per_minute: true }),
            _ => None,
        }
    }

    /// The time between two requests at this rate.
    pub(crate) fn interval(self) -> Duration {
        let time = if self.per_minute { 60 } else { 1 };
        Duration::from_secs(time) / self.requests
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}r/{}", self.requests, if self.per_minute { 'm' } else { 's' })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, milliseconds) in [("1r/s", 1000), ("10r/s", 100), ("30r/m", 2000), ("1r/m", 60_000)] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.interval(), Duration::from_millis(milliseconds), "{text}");
            assert_eq!(rate.to_string(), text);
        }
        for wrong in ["", "10", "r/s", "0r/s", "-1r/s", "1.5r/s", "10r/h", "10 r/s", "2000000r/s"] {
            assert_eq!(Rate::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unchanged_zone_is_found_again() {
        let key = Template::parse("$binary_remote_addr").unwrap();
        let of = |rate| {
            Zone::of("found again", &key, ZoneSettings { rate: Rate::parse(rate), keys: 10, shared: false })
        };
        let zone = of("1r/s");
        assert!(Arc::ptr_eq(&zone, &of("1r/s")));
        assert!(!Arc::ptr_eq(&zone, &of("2r/s")));
    }
}
