//! How much a client may have: requests in a time (`limit_req`) and at once (`limit_conn`).
//!
//! A `zone` counts by a key, such as the client's address, in bounded memory; `connections` counts what is in
//! progress, and `all_edges` lets them count together. `refusals` logs what they refuse. Zones keep their
//! counts over a reload.

pub(crate) mod all_edges;
pub(crate) mod connections;
pub(crate) mod refusals;
pub(crate) mod zone;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use leaky_bucket::RequestPace;

use crate::limit::all_edges::SharedCounter;
use crate::limit::connections::ConnectionPlace;
use crate::limit::refusals::{RefusalCause, RefusalLevel};
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
    pub(crate) log_level: RefusalLevel,
}

/// One `limit_conn` of a location.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    pub(crate) zone: Arc<Zone>,
    pub(crate) most: u32,
    pub(crate) status: StatusCode,
    pub(crate) dry_run: bool,
    pub(crate) log_level: RefusalLevel,
}

/// The limits of one location, in order.
#[derive(Debug, Default)]
pub(crate) struct LocationLimits {
    pub(crate) requests: Vec<RequestLimit>,
    pub(crate) connections: Vec<ConnectionLimit>,
}

/// What `limit_req` and `limit_conn` have done with a request, in nginx's words.
pub(crate) mod words {
    pub(crate) const PASSED: &str = "PASSED";
    pub(crate) const DELAYED: &str = "DELAYED";
    pub(crate) const DELAYED_DRY_RUN: &str = "DELAYED_DRY_RUN";
    pub(crate) const REJECTED: &str = "REJECTED";
    pub(crate) const REJECTED_DRY_RUN: &str = "REJECTED_DRY_RUN";
}

/// What the limits say of a request.
#[derive(Debug)]
pub(crate) enum LimitDecision {
    /// It goes on after this time.
    Wait(Duration),
    Refused {
        status: StatusCode,
        zone: Arc<Zone>,
        cause: RefusalCause,
        log_level: RefusalLevel,
    },
}

impl RequestLimit {
    fn refused(&self, key: &[u8], now: Instant) -> LimitDecision {
        let interval = self.pace.interval;
        let held = self.zone.requests.with_one_more(key, interval, now);
        LimitDecision::Refused {
            status: self.status,
            zone: self.zone.clone(),
            cause: RefusalCause::requests(held, interval),
            log_level: self.log_level,
        }
    }
}

impl LocationLimits {
    /// Places for the request among those in progress; they are free when they are dropped. `keys`: those of
    /// the request, one for each limit.
    pub(crate) async fn enter(
        &self,
        keys: &[Vec<u8>],
        counter: &impl SharedCounter,
        word: &mut &'static str,
    ) -> Result<Vec<ConnectionPlace>, LimitDecision> {
        let mut places = Vec::new();
        for (limit, key) in self.connections.iter().zip(keys).filter(|(_, key)| !key.is_empty()) {
            let ConnectionLimit { zone, most, status, dry_run, log_level } = limit;
            let place = match zone.connections.enter(key, *most) {
                Some(place) => limit.take(key, counter).await.map(|shared| place.with(shared)),
                None => Err(()),
            };
            match place {
                Ok(place) => {
                    places.push(place);
                    if word.is_empty() {
                        *word = words::PASSED;
                    }
                }
                Err(()) if *dry_run => {
                    *word = words::REJECTED_DRY_RUN;
                    tracing::info!(zone = zone.name, "limit_conn would refuse a request");
                }
                Err(()) => {
                    *word = words::REJECTED;
                    return Err(LimitDecision::Refused {
                        status: *status,
                        zone: zone.clone(),
                        cause: RefusalCause::Connections,
                        log_level: *log_level,
                    });
                }
            }
        }
        Ok(places)
    }

    /// Counts the request in all zones, unless one of them refuses it. `keys`: those of the request, one for
    /// each limit.
    pub(crate) async fn count(
        &self,
        keys: &[Vec<u8>],
        counter: &impl SharedCounter,
        word: &mut &'static str,
    ) -> LimitDecision {
        let now = Instant::now();
        let counted = || self.requests.iter().zip(keys).filter(|(_, key)| !key.is_empty());
        // As in nginx, a request that is refused counts nowhere.
        let asks_first = counted().filter(|(limit, _)| limit.zone.shared.is_some()).count() > 1;
        for (limit, key) in counted() {
            let is_full = limit.zone.requests.look(key, limit.pace, now).is_none();
            if is_full || asks_first && limit.is_full(key, counter).await {
                if !limit.dry_run {
                    *word = words::REJECTED;
                    return limit.refused(key, now);
                }
                *word = words::REJECTED_DRY_RUN;
                tracing::info!(zone = limit.zone.name, "limit_req would refuse a request");
            }
        }
        let mut longest = Duration::ZERO;
        // What all edges count comes first: others may have come between there.
        for is_shared in [true, false] {
            for (limit, key) in counted().filter(|(limit, _)| limit.zone.shared.is_some() == is_shared) {
                match limit.count(key, counter).await {
                    Some(wait) if limit.dry_run => {
                        if !wait.is_zero() {
                            *word = words::DELAYED_DRY_RUN;
                            tracing::info!(zone = limit.zone.name, ?wait, "limit_req would delay a request");
                        }
                    }
                    Some(wait) => longest = longest.max(wait),
                    None if limit.dry_run => {}
                    None => {
                        *word = words::REJECTED;
                        return limit.refused(key, now);
                    }
                }
                if word.is_empty() {
                    *word = words::PASSED;
                }
            }
        }
        if !longest.is_zero() {
            *word = words::DELAYED;
        }
        LimitDecision::Wait(longest)
    }

    /// The keys of a request in the zones of `limit_req`, in order.
    pub(crate) fn request_keys(&self, key: impl Fn(&Zone) -> Vec<u8>) -> Vec<Vec<u8>> {
        self.requests.iter().map(|limit| key(&limit.zone)).collect()
    }

    /// Its keys in those of `limit_conn`.
    pub(crate) fn connection_keys(&self, key: impl Fn(&Zone) -> Vec<u8>) -> Vec<Vec<u8>> {
        self.connections.iter().map(|limit| key(&limit.zone)).collect()
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
