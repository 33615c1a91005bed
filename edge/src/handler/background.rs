//! What is noted of a refresh in the background: the application was busy, though no visitor waited.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::Edge;
use crate::application::ask::NOBODY;
use crate::application::upstream::{BackgroundRecorder, Upstream};
use crate::log::access_log::Record;
use crate::log::live::LiveLog;
use crate::log::live::live_record::{ApplicationPart, LiveRecord};
use crate::metrics::{LocationMetrics, Metrics};
use crate::request::Request;
use crate::route::Location;

/// The page that may be refreshed, and who counts.
struct PageRecorder {
    place: Arc<LocationMetrics>,
    pool: Option<Arc<str>>,
    site: Arc<str>,
    host: String,
    target: String,
    metrics: Arc<Metrics>,
    live: Arc<LiveLog>,
}

pub(super) fn recorder(edge: &Edge, location: &Location, request: &Request) -> Arc<dyn BackgroundRecorder> {
    Arc::new(PageRecorder {
        place: location.metrics.clone(),
        pool: location.pool.clone(),
        site: location.site.clone(),
        host: request.authority.clone(),
        target: request.target.clone(),
        metrics: edge.metrics.clone(),
        live: edge.log.live.clone(),
    })
}

impl fmt::Debug for PageRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recorder of {}{}", self.host, self.target)
    }
}

impl BackgroundRecorder for PageRecorder {
    fn refreshed(&self, upstream: &Upstream) {
        self.place.application_took(upstream.whole());
        upstream.count(&self.metrics, self.pool.as_deref());
        if !self.live.is_watched() {
            return;
        }
        let record = Record {
            time: SystemTime::now(),
            client: NOBODY,
            method: "GET",
            target: self.target.as_bytes(),
            protocol: "",
            status: upstream.status,
            bytes: 0,
            duration: upstream.whole(),
            upstream: Some(upstream.head),
            cache: None,
            host: &self.host,
            site: &self.site,
            authorization: None,
            referer: None,
            user_agent: None,
            trace_id: None,
            work: upstream.work(),
        };
        let part = ApplicationPart::of(upstream, self.pool.as_ref());
        let record = LiveRecord::of(&record).by(Some(part)).at(self.place.clone());
        self.live.push(record.in_background());
    }
}
