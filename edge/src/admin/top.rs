//! What requests add up to, for `weir top`: the hottest URLs, the slowest and the most expensive pages, the
//! busiest clients, servers, and the last errors. Every table is bounded.

mod sketch;

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::log::live::LiveBatch;
use crate::log::live::live_record::LiveRecord;
use crate::metrics::CacheResult;
use sketch::{Sketch, Tally};

/// Entries of a table that are counted, and those of them that are shown.
const COUNTED: usize = 256;
const SHOWN: usize = 40;
const ERRORS: usize = 20;

/// The requests of a time.
pub(super) struct TopTables {
    seen: u64,
    lost: u64,
    /// URLs sorted by requests.
    hot: Sketch<RequestFigures>,
    /// URLs sorted by seconds of the application.
    expensive: Sketch<RequestFigures>,
    /// URLs sorted by the time of the slowest request.
    slow: Sketch<RequestFigures>,
    clients: Sketch<RequestFigures>,
    servers: Sketch<RequestFigures>,
    /// Views of the application, where it names them, sorted by its seconds.
    views: Sketch<RequestFigures>,
    errors: VecDeque<Value>,
}

/// What the requests of one name have in common.
#[derive(Clone, Debug, Default, Serialize)]
struct RequestFigures {
    requests: u64,
    /// Answered from the cache.
    hits: u64,
    /// 5xx.
    errors: u64,
    bytes: u64,
    seconds: f64,
    slowest_s: f64,
    /// Calls of the application, and how long it was busy with them.
    calls: u64,
    application_s: f64,
    /// Queries of the application to databases, and how long they took, where it tells them.
    queries: u64,
    query_s: f64,
}

impl Tally for RequestFigures {
    type Record = LiveRecord;

    fn add(&mut self, record: &LiveRecord) {
        if let Some(part) = &record.application {
            self.calls += 1;
            self.application_s += part.whole.as_secs_f64();
            self.queries += part.queries.unwrap_or_default();
            self.query_s += part.sql.unwrap_or_default().as_secs_f64();
        }
        if record.is_background {
            return;
        }
        let took = record.took.as_secs_f64();
        self.requests += 1;
        self.hits += u64::from(record.cache.is_some_and(|cache| CacheResult::SAVING.contains(&cache)));
        self.errors += u64::from(record.status >= 500);
        self.bytes += record.bytes;
        self.seconds += took;
        self.slowest_s = self.slowest_s.max(took);
    }
}

impl Default for TopTables {
    fn default() -> Self {
        let table = || Sketch::new(COUNTED);
        Self {
            seen: 0,
            lost: 0,
            hot: table(),
            expensive: table(),
            slow: table(),
            clients: table(),
            servers: table(),
            views: table(),
            errors: VecDeque::new(),
        }
    }
}

impl TopTables {
    pub(super) fn add(&mut self, batch: &LiveBatch) {
        self.lost += batch.lost;
        for record in &batch.records {
            self.record(record);
        }
    }

    fn record(&mut self, record: &LiveRecord) {
        let url = format!("{}{}", record.host, record.path());
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(part) = &record.application {
            self.expensive.add(&url, micros(part.whole).max(1), record);
            let pool = part.pool.as_deref().unwrap_or("-");
            self.servers.add(&format!("{pool} {}", part.server), 1, record);
            if !part.view.is_empty() {
                self.views.add(&part.view, micros(part.whole).max(1), record);
            }
        }
        if record.is_background {
            return;
        }
        self.seen += 1;
        self.hot.add(&url, 1, record);
        self.slow.raise(&url, micros(record.took), record);
        self.clients.add(&record.client.to_string(), 1, record);
        if record.status >= 500 {
            if self.errors.len() == ERRORS {
                self.errors.pop_front();
            }
            self.errors.push_back(record.json());
        }
    }

    /// `took`: how long they were counted.
    pub(super) fn json(self, took: Duration) -> Value {
        json!({
            "seconds": (took.as_secs_f64() * 1e3).round() / 1e3,
            "seen": self.seen,
            "lost": self.lost,
            "hot": self.hot.shown(SHOWN),
            "expensive": self.expensive.shown(SHOWN),
            "slow": self.slow.shown(SHOWN),
            "clients": self.clients.shown(SHOWN),
            "servers": self.servers.shown(SHOWN),
            "views": self.views.shown(SHOWN),
            "errors": self.errors,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn requests_add_up_by_what_they_ask_for() {
        let mut tables = TopTables::default();
        let record = |target: &str, status| Arc::new(LiveRecord::example(target, status));
        let records = vec![record("/a?x=1", 200), record("/a?x=2", 502), record("/b", 200)];
        tables.add(&LiveBatch { records, lost: 2 });
        let json = tables.json(Duration::from_secs(1));
        assert_eq!((&json["seen"], &json["lost"]), (&3.into(), &2.into()));
        assert_eq!(json["hot"][0]["name"], "example.com/a");
        assert_eq!(json["hot"][0]["requests"], 2);
        assert_eq!(json["hot"][0]["errors"], 1);
        assert_eq!(json["clients"][0]["name"], "192.0.2.7");
        assert_eq!(json["clients"][0]["requests"], 3);
        assert_eq!(json["expensive"].as_array().unwrap().len(), 0);
        assert_eq!(json["errors"][0]["target"], "/a?x=2");
    }
}
