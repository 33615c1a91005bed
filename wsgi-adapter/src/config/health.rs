//! What is known of a server's health besides nginx's passive marks: `check`, `eject`, `breaker`.

use process::settings::Mistakes;
use process::units::Time;
use serde::Deserialize;

/// `check = { path = "/healthz" }`: each server is asked again and again, in its own protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckConfig {
    /// Path, and query if need be, that is asked for with GET.
    pub path: String,
    /// The Host of these requests.
    pub host: String,
    /// From the end of one check to the next.
    pub interval: Time,
    /// Each pause is longer by a part of this, by lot.
    pub jitter: Time,
    /// A check that takes longer has failed.
    pub timeout: Time,
    /// So many that pass in a row bring a server back.
    pub rise: u32,
    /// So many that fail in a row take it out.
    pub fall: u32,
    /// A status, or a range of them: "200-399".
    pub status: Statuses,
    /// The first 256 KiB of the body must hold this text.
    pub body: Option<String>,
    /// Until its first check a server gets no request, as if it had failed.
    pub mandatory: bool,
}

/// From, to, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Statuses(pub u16, pub u16);

/// `eject = {}`: a server that fails far more often than the others is left alone for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EjectConfig {
    /// Replies of a server that are looked at: those of so long.
    pub window: Time,
    /// Fewer say nothing.
    pub requests: u32,
    /// This part of them failed (5xx, or no reply), and at least twice that of the others.
    pub rate: f64,
    /// How long, at first; longer when it happens again.
    pub time: Time,
    /// No more than this part of the servers at once.
    pub share: f64,
}

/// `breaker = { failures = 5 }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// So many failures in a row and nobody is sent to the server. 0: no breaker.
    pub failures: u32,
    /// Then one request tries it.
    pub pause: Time,
    /// The pause doubles each time that fails, up to this.
    pub max_pause: Time,
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: "localhost".to_owned(),
            interval: Time::from_secs(5),
            jitter: Time::from_millis(500),
            timeout: Time::from_secs(5),
            rise: 1,
            fall: 1,
            status: Statuses(200, 399),
            body: None,
            mandatory: false,
        }
    }
}

impl Default for EjectConfig {
    fn default() -> Self {
        Self { window: Time::from_secs(10), requests: 20, rate: 0.5, time: Time::from_secs(30), share: 0.5 }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 0, pause: Time::from_secs(1), max_pause: Time::from_secs(30) }
    }
}

impl Statuses {
    pub(crate) fn hold(self, status: u16) -> bool {
        (self.0..=self.1).contains(&status)
    }
}

impl TryFrom<String> for Statuses {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(from @ 100..=599), Ok(to @ 100..=599)) if from <= to => Ok(Self(from, to)),
            _ => Err("must be a status such as \"200\", or a range such as \"200-399\""),
        }
    }
}

impl CheckConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let mut wrong = |key: &str, text: &str| mistakes.push(format!("{path}.{key}"), text);
        if !self.path.starts_with('/') || self.path.chars().any(|c| c.is_ascii_control() || c == ' ') {
            wrong("path", "must begin with / and hold no space: \"/healthz\"");
        }
        if self.host.is_empty() {
            wrong("host", "applications refuse a request without a host; write \"localhost\"");
        }
        for (key, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if time.0.is_zero() {
                wrong(key, "no time at all; write \"5s\"");
            }
        }
        for (key, count) in [("rise", self.rise), ("fall", self.fall)] {
            if count == 0 {
                wrong(key, "must be 1 or more");
            }
        }
        if self.body.as_ref().is_some_and(String::is_empty) {
            wrong("body", "every body holds an empty text; leave it out");
        }
    }
}

impl EjectConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let mut wrong = |key: &str, text: &str| mistakes.push(format!("{path}.{key}"), text);
        for (key, time) in [("window", self.window), ("time", self.time)] {
            if time.0.is_zero() {
                wrong(key, "no time at all; leave `eject` out to eject nobody");
            }
        }
        for (key, part) in [("rate", self.rate), ("share", self.share)] {
            if !(part > 0.0 && part <= 1.0) {
                wrong(key, "must be more than 0 and at most 1");
            }
        }
        if self.requests == 0 {
            wrong("requests", "must be 1 or more");
        }
    }
}

impl BreakerConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if self.failures > 0 && self.pause.0.is_zero() {
            mistakes.push(format!("{path}.pause"), "no time at all; write failures = 0 for no breaker");
        }
    }
}
