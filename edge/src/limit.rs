//! How much a client may have: requests in a time (`limit_req`) and at once (`limit_conn`).
//!
//! A `zone` counts by a key, such as the client's address, in bounded memory; `requests` decides by the rules
//! of one location, and `connections` counts what is in progress. Zones keep their counts over a reload.

pub(crate) mod connections;
pub(crate) mod requests;
pub(crate) mod zone;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::limit::connections::ConnectionPlace;
use crate::limit::requests::RequestPace;
use crate::limit::zone::Zone;

/// The zones of the settings, by name.
pub(crate) type Zones = HashMap<String, Arc<Zone>>;

/// One `limit_req` of a location.
#[derive(Debug)]
pub(crate) struct RequestLimit {
    pub(crate) zone: Arc<Zone>,
    pub(crate) pace: RequestPace,
    /// Refused requests get this.
    pub(crate) status: StatusCode,
    /// Only says what it would do.
    pub(crate) dry_run: bool,
}

/// One `limit_conn` of a location.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    pub(crate) zone: Arc<Zone>,
    pub(crate) most: u32,
    pub(crate) status: StatusCode,
    pub(crate) dry_run: bool,
}

/// The limits of one location, in order.
#[derive(Debug, Default)]
pub(crate) struct LocationLimits {
    pub(crate) requests: Vec<RequestLimit>,
    pub(crate) connections: Vec<ConnectionLimit>,
}

/// What the limits say of a request.
#[derive(Debug)]
pub(crate) enum LimitDecision {
    /// It goes on after this time.
    Wait(Duration),
    Refused {
        status: StatusCode,
        zone: Arc<Zone>,
    },
}

impl LocationLimits {
    /// Places for the request among those in progress; they are free when they are dropped.
    pub(crate) fn enter(
        &self,
        key: impl Fn(&Zone) -> Vec<u8>,
    ) -> Result<Vec<ConnectionPlace>, LimitDecision> {
        let mut places = Vec::new();
        for ConnectionLimit { zone, most, status, dry_run } in &self.connections {
            let key = key(zone);
            if key.is_empty() {
                continue;
            }
            match zone.connections.enter(&key, *most) {
                Some(place) => places.push(place),
                None if *dry_run => tracing::info!(zone = zone.name, "limit_conn would refuse a request"),
                None => return Err(LimitDecision::Refused { status: *status, zone: zone.clone() }),
            }
        }
        Ok(places)
    }

    /// Counts the request in all zones, unless one of them refuses it.
    pub(crate) fn count(&self, key: impl Fn(&Zone) -> Vec<u8>) -> LimitDecision {
        let now = Instant::now();
        // As in nginx, a request that is refused counts nowhere.
        let keys: Vec<_> = self.requests.iter().map(|limit| key(&limit.zone)).collect();
        let counted = || self.requests.iter().zip(&keys).filter(|(_, key)| !key.is_empty());
        for (limit, key) in counted() {
            if limit.zone.requests.look(key, limit.pace, now).is_none() {
                if !limit.dry_run {
                    return LimitDecision::Refused { status: limit.status, zone: limit.zone.clone() };
                }
                tracing::info!(zone = limit.zone.name, "limit_req would refuse a request");
            }
        }
        let mut longest = Duration::ZERO;
        for (limit, key) in counted() {
            match limit.zone.requests.count(key, limit.pace, now) {
                Some(wait) if limit.dry_run => {
                    if !wait.is_zero() {
                        tracing::info!(zone = limit.zone.name, ?wait, "limit_req would delay a request");
                    }
                }
                Some(wait) => longest = longest.max(wait),
                None if limit.dry_run => {}
                // Others have come between.
                None => return LimitDecision::Refused { status: limit.status, zone: limit.zone.clone() },
            }
        }
        LimitDecision::Wait(longest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.connections.is_empty()
    }

    /// The phrases of `weir explain`.
    pub(crate) fn describe(&self) -> String {
        let requests = self.requests.iter().map(|limit| format!("limit_req {}", limit.zone.describe()));
        let connections = self
            .connections
            .iter()
            .map(|limit| format!("limit_conn {}: at most {} at once", limit.zone.name, limit.most));
        requests.chain(connections).collect::<Vec<_>>().join("; ")
    }
}
