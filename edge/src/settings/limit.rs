//! `limit_zones`, `limit_req` and `limit_conn`: how much a client may have.

use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use leaky_bucket::RequestPace;
use process::settings::Mistakes;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::limit::refusals::RefusalLevel;
use crate::limit::zone::{Rate, Zone, ZoneSettings};
use crate::limit::{ConnectionLimit, RequestLimit, Zones};
use crate::variables::{Needs, Template, VariableNames};

const MOST_KEYS: u32 = 10_000_000;

/// One of `[edge.limit_zones]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZoneConfig {
    /// What requests are counted by; those for which it is empty are not.
    key: Template,
    /// "10r/s", "30r/m"; needed for `limit_req`.
    rate: Option<RateText>,
    /// The keys that are remembered; those that come rarely make room.
    keys: u32,
    /// All edges count together, through the cache-nodes.
    shared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct RateText(Rate);

/// One of a location's `limit_req`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitReqConfig {
    zone: String,
    /// How many requests may be ahead of the rate; more are refused.
    #[serde(default)]
    burst: u32,
    /// How many of them need not wait.
    #[serde(default)]
    delay: u32,
    /// None of them waits.
    #[serde(default)]
    nodelay: bool,
    /// The status of refused requests.
    #[serde(default = "unavailable")]
    status: u16,
    /// Only logs what it would do.
    #[serde(default)]
    dry_run: bool,
    /// How refusals are logged.
    #[serde(default)]
    log_level: RefusalLevel,
}

/// One of a location's `limit_conn`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitConnConfig {
    zone: String,
    /// How many requests of a key may be in progress; more are refused.
    connections: u32,
    #[serde(default = "unavailable")]
    status: u16,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    log_level: RefusalLevel,
}

fn unavailable() -> u16 {
    503
}

impl Default for ZoneConfig {
    fn default() -> Self {
        let key = Template::parse("$binary_remote_addr").unwrap_or_else(|_| Template::literal(""));
        Self { key, rate: None, keys: 50_000, shared: false }
    }
}

/// Builds the zones; reports mistakes under their paths.
pub(crate) fn zones(
    config: &BTreeMap<String, ZoneConfig>,
    names: &VariableNames,
    mistakes: &mut Mistakes,
) -> Zones {
    let build = |(name, zone): (&String, &ZoneConfig)| {
        let path = format!("edge.limit_zones.{name}");
        zone.key.check(&format!("{path}.key"), names, mistakes);
        if zone.key.needs(names).has(Needs::REPLY.and(Needs::EARLIER)) {
            mistakes.push(format!("{path}.key"), "depends on the reply, and requests are counted before it");
        }
        if !(1..=MOST_KEYS).contains(&zone.keys) {
            mistakes.push(format!("{path}.keys"), "must be from 1 to 10000000");
        }
        let keys = zone.keys.clamp(1, MOST_KEYS) as usize;
        let settings = ZoneSettings { rate: zone.rate.map(|rate| rate.0), keys, shared: zone.shared };
        (name.clone(), Zone::of(name, &zone.key, settings))
    };
    config.iter().map(build).collect()
}

/// What `limit_req` of a location says; `at` is its path in the settings.
pub(crate) fn request_limits(
    at: &str,
    configs: &[LimitReqConfig],
    zones: &Zones,
    mistakes: &mut Mistakes,
) -> Vec<RequestLimit> {
    let mut limits = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        let path = format!("{at}[{index}]");
        let status = status(&path, config.status, mistakes);
        let Some(zone) = zones.get(&config.zone) else {
            mistakes.push(format!("{path}.zone"), no_zone(&config.zone));
            continue;
        };
        let Some(rate) = zone.rate else {
            let text = format!("the zone `{}` has no `rate`; add one, such as \"10r/s\"", config.zone);
            mistakes.push(format!("{path}.zone"), text);
            continue;
        };
        if config.nodelay && config.delay > 0 {
            mistakes.push(format!("{path}.delay"), "has no effect beside `nodelay`; remove one of them");
        }
        let delay = if config.nodelay { config.burst } else { config.delay };
        let pace = RequestPace { interval: rate.interval(), burst: config.burst, delay };
        let LimitReqConfig { dry_run, log_level, .. } = *config;
        limits.push(RequestLimit { zone: zone.clone(), pace, status, dry_run, log_level });
    }
    limits
}

/// What `limit_conn` of a location says; `at` is its path in the settings.
pub(crate) fn connection_limits(
    at: &str,
    configs: &[LimitConnConfig],
    zones: &Zones,
    mistakes: &mut Mistakes,
) -> Vec<ConnectionLimit> {
    let mut limits = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        let path = format!("{at}[{index}]");
        let status = status(&path, config.status, mistakes);
        if config.connections == 0 {
            mistakes.push(format!("{path}.connections"), "must be at least 1");
        }
        match zones.get(&config.zone) {
            Some(zone) => {
                let (zone, most) = (zone.clone(), config.connections);
                let LimitConnConfig { dry_run, log_level, .. } = *config;
                limits.push(ConnectionLimit { zone, most, status, dry_run, log_level });
            }
            None => mistakes.push(format!("{path}.zone"), no_zone(&config.zone)),
        }
    }
    limits
}

fn no_zone(name: &str) -> String {
    format!("there is no zone `{name}`; add [edge.limit_zones.{name}]")
}

fn status(path: &str, status: u16, mistakes: &mut Mistakes) -> StatusCode {
    let known =
        StatusCode::from_u16(status).ok().filter(|code| code.is_client_error() || code.is_server_error());
    known.unwrap_or_else(|| {
        mistakes.push(format!("{path}.status"), "must be from 400 to 599");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

impl<'de> Deserialize<'de> for RateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("`{text}` is not a rate such as \"10r/s\" or \"30r/m\""));
        Rate::parse(&text).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Debug for RateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_any_text_that_is_known_before_the_reply() {
        let names = VariableNames::default();
        for (key, mistake) in [
            ("$binary_remote_addr$uri", None),
            ("$http_x_api_key|$arg_page|$cookie_s", None),
            ("$host$status", Some("depends on the reply")),
            ("$nothing", Some("there is no variable")),
        ] {
            let zone = ZoneConfig { key: Template::parse(key).unwrap(), ..ZoneConfig::default() };
            let mut mistakes = Mistakes::default();
            zones(&BTreeMap::from([("z".to_owned(), zone)]), &names, &mut mistakes);
            match mistake {
                None => assert!(mistakes.is_empty(), "{key}: {mistakes}"),
                Some(text) => {
                    assert!(
                        mistakes.to_string().contains(&format!("edge.limit_zones.z.key: {text}")),
                        "{mistakes}"
                    );
                }
            }
        }
    }
}
