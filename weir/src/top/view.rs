//! What the edges' readings add up to: the figures and tables of `weir top`, and its JSON.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::reading::{EdgeReading, Readings};

/// Answers that cost the application no call, and those of cached locations.
const FROM_CACHE: [&str; 3] = ["hit", "stale", "collapsed"];
const CACHED: [&str; 7] = ["hit", "stale", "collapsed", "revalidated", "miss", "pass", "error"];
/// Purges and errors that are shown.
const LATEST: usize = 20;

/// Everything that is shown.
#[derive(Debug, Default, Serialize)]
pub(super) struct View {
    pub(super) edges: Vec<EdgeView>,
    /// The time that the figures are about.
    pub(super) seconds: f64,
    pub(super) requests_per_s: f64,
    /// The part of requests to cached locations that the cache answered.
    pub(super) hit_rate: Option<f64>,
    pub(super) p50_s: Option<f64>,
    pub(super) p95_s: Option<f64>,
    pub(super) p99_s: Option<f64>,
    pub(super) server_errors_per_s: f64,
    pub(super) application_calls_per_s: f64,
    pub(super) connections: f64,
    /// Records that the tables do not count, because there were more than an edge keeps.
    pub(super) lost: u64,
    pub(super) urls: Vec<TopRow>,
    pub(super) slow: Vec<TopRow>,
    pub(super) expensive: Vec<TopRow>,
    pub(super) clients: Vec<TopRow>,
    pub(super) servers: Vec<TopRow>,
    pub(super) views: Vec<TopRow>,
    pub(super) pools: Vec<PoolRow>,
    pub(super) purges: Vec<Value>,
    pub(super) errors: Vec<Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct EdgeView {
    pub(super) address: String,
    pub(super) version: String,
    pub(super) state: String,
    /// Why it tells nothing.
    pub(super) silent: Option<String>,
}

/// One line of a table: a URL, a client, a server or a view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct TopRow {
    pub(super) name: String,
    pub(super) requests: u64,
    pub(super) requests_per_s: f64,
    pub(super) hits: u64,
    pub(super) errors: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) mean_s: f64,
    pub(super) slowest_s: f64,
    pub(super) calls: u64,
    pub(super) application_s: f64,
    pub(super) queries: u64,
    pub(super) query_s: f64,
}

/// One server of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct PoolRow {
    pub(super) edge: String,
    pub(super) pool: String,
    pub(super) server: String,
    pub(super) state: String,
    pub(super) in_flight: u64,
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) latency_ms: Option<f64>,
    pub(super) waiting: u64,
}

impl View {
    pub(super) fn of(readings: &Readings) -> Self {
        let mut view = Self::default();
        let mut sums = Sums::default();
        let mut tables: [HashMap<String, TopRow>; 6] = Default::default();
        for edge in &readings.edges {
            view.edges.push(EdgeView::of(edge));
            sums.add(edge);
            for snapshot in edge.snapshots() {
                view.lost += number(snapshot, "lost") as u64;
                let names = ["hot", "slow", "expensive", "clients", "servers", "views"];
                for (table, name) in tables.iter_mut().zip(names) {
                    merge(table, list(snapshot, name));
                }
            }
            let newest = edge.lines.back();
            view.purges.extend(newest.into_iter().flat_map(|line| list(line, "purges")).cloned());
            view.errors.extend(edge.lines.iter().flat_map(|line| list(line, "errors")).cloned());
            view.pools.extend(edge.pools.iter().flat_map(|pool| PoolRow::of(&edge.address, pool)));
        }
        for events in [&mut view.purges, &mut view.errors] {
            events.sort_by(|a, b| number(b, "at").total_cmp(&number(a, "at")));
            events.truncate(LATEST);
        }
        sums.show(&mut view);
        let seconds = view.seconds.max(0.001);
        let [urls, slow, expensive, clients, servers, views] = tables.map(|table| {
            let mut rows: Vec<TopRow> = table.into_values().collect();
            for row in &mut rows {
                row.requests_per_s = row.requests as f64 / seconds;
                row.mean_s = row.seconds / row.requests.max(1) as f64;
            }
            rows
        });
        (view.urls, view.slow, view.expensive) = (urls, slow, expensive);
        (view.clients, view.servers, view.views) = (clients, servers, views);
        sort(&mut view.urls, |row| row.requests as f64);
        sort(&mut view.slow, |row| row.slowest_s);
        sort(&mut view.expensive, |row| row.application_s);
        sort(&mut view.clients, |row| row.requests as f64);
        sort(&mut view.servers, |row| row.application_s);
        sort(&mut view.views, |row| row.application_s);
        view
    }

    /// Whether no edge has told anything.
    pub(super) fn edges_silent(&self) -> bool {
        self.edges.iter().all(|edge| edge.silent.is_some())
    }
}

impl EdgeView {
    fn of(edge: &EdgeReading) -> Self {
        let status = edge.lines.back().map(|line| &line["status"]);
        let word =
            |name: &str| status.and_then(|status| status[name].as_str()).unwrap_or_default().to_owned();
        let silent =
            edge.gone.clone().or_else(|| edge.lines.is_empty().then(|| "has told nothing yet".to_owned()));
        Self { address: edge.address.clone(), version: word("version"), state: word("state"), silent }
    }
}

impl PoolRow {
    fn of(edge: &str, pool: &Value) -> Vec<Self> {
        let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let count = |value: &Value, name: &str| value[name].as_u64().unwrap_or_default();
        let servers = list(pool, "servers").map(|server| Self {
            edge: edge.to_owned(),
            pool: word(pool, "name"),
            server: word(server, "address"),
            state: word(server, "state"),
            in_flight: count(server, "in_flight"),
            requests: count(server, "requests"),
            failures: count(server, "failures"),
            latency_ms: server["latency_ms"].as_f64(),
            waiting: count(&pool["queue"], "waiting"),
        });
        servers.collect()
    }
}

/// The counts of all edges in the time.
#[derive(Default)]
struct Sums {
    edges: f64,
    seconds: f64,
    requests: f64,
    from_cache: f64,
    cached: f64,
    server_errors: f64,
    calls: f64,
    connections: f64,
    bounds: Vec<f64>,
    buckets: Vec<f64>,
}

impl Sums {
    fn add(&mut self, edge: &EdgeReading) {
        let Some((first, last)) = edge.statuses() else { return };
        let grown = |path: &[&str]| {
            let at = |status: &Value| {
                path.iter().fold(status, |value, key| &value[*key]).as_f64().unwrap_or_default()
            };
            (at(last) - at(first)).max(0.0)
        };
        let results = |words: &[&str]| words.iter().map(|word| grown(&["requests", *word])).sum::<f64>();
        self.edges += 1.0;
        self.seconds += grown(&["uptime_s"]);
        let all = last["requests"].as_object().into_iter().flatten();
        self.requests += all.map(|(word, _)| grown(&["requests", word.as_str()])).sum::<f64>();
        self.from_cache += results(&FROM_CACHE);
        self.cached += results(&CACHED);
        self.calls += grown(&["application", "calls"]);
        self.connections += last["connections"]["active"].as_f64().unwrap_or_default();
        let errors = |status: &Value| {
            list(status, "locations").map(|place| number(place, "server_errors")).sum::<f64>()
        };
        self.server_errors += (errors(last) - errors(first)).max(0.0);
        self.bounds = list(last, "bucket_bounds_s").filter_map(Value::as_f64).collect();
        self.buckets.resize(self.bounds.len() + 1, 0.0);
        for (sign, status) in [(1.0, last), (-1.0, first)] {
            for place in list(status, "locations") {
                for (sum, count) in self.buckets.iter_mut().zip(list(place, "buckets")) {
                    *sum += sign * count.as_f64().unwrap_or_default();
                }
            }
        }
    }

    fn show(&self, view: &mut View) {
        view.seconds = if self.edges > 0.0 { self.seconds / self.edges } else { 0.0 };
        let per_second = |count: f64| if view.seconds > 0.0 { count / view.seconds } else { 0.0 };
        view.requests_per_s = per_second(self.requests);
        view.server_errors_per_s = per_second(self.server_errors);
        view.application_calls_per_s = per_second(self.calls);
        view.connections = self.connections;
        view.hit_rate = (self.cached > 0.0).then(|| self.from_cache / self.cached);
        [view.p50_s, view.p95_s, view.p99_s] = [0.5, 0.95, 0.99].map(|part| self.quantile(part));
    }

    /// The time that this part of the requests stays below; between two bounds as if they were spread evenly.
    fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = part * self.buckets.iter().sum::<f64>();
        let (mut before, mut lower) = (0.0, 0.0);
        for (bucket, count) in self.buckets.iter().enumerate() {
            let upper = self.bounds.get(bucket).or_else(|| self.bounds.last()).copied().unwrap_or_default();
            if *count > 0.0 && before + count >= wanted {
                return Some(lower + (upper - lower) * ((wanted - before) / count).clamp(0.0, 1.0));
            }
            (before, lower) = (before + count, upper);
        }
        None
    }
}

/// The largest first.
fn sort(rows: &mut [TopRow], by: fn(&TopRow) -> f64) {
    rows.sort_by(|a, b| by(b).total_cmp(&by(a)).then_with(|| a.name.cmp(&b.name)));
}

fn merge<'a>(table: &mut HashMap<String, TopRow>, entries: impl Iterator<Item = &'a Value>) {
    for entry in entries {
        let name = entry["name"].as_str().unwrap_or_default();
        let row = table
            .entry(name.to_owned())
            .or_insert_with(|| TopRow { name: name.to_owned(), ..TopRow::default() });
        row.requests += number(entry, "requests") as u64;
        row.hits += number(entry, "hits") as u64;
        row.errors += number(entry, "errors") as u64;
        row.bytes += number(entry, "bytes") as u64;
        row.seconds += number(entry, "seconds");
        row.slowest_s = row.slowest_s.max(number(entry, "slowest_s"));
        row.calls += number(entry, "calls") as u64;
        row.application_s += number(entry, "application_s");
        row.queries += number(entry, "queries") as u64;
        row.query_s += number(entry, "query_s");
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::plane::Plane;

    fn line(uptime: f64, hits: u64, misses: u64, lost: u64) -> String {
        json!({
            "seconds": 1.0, "lost": lost,
            "hot": [{ "name": "h/a", "requests": 3, "hits": 2, "seconds": 0.3, "slowest_s": 0.2 }],
            "slow": [], "expensive": [], "clients": [], "servers": [],
            "views": [{ "name": "news.front", "calls": 2, "queries": 5, "query_s": 0.1 }],
            "errors": [{ "at": uptime, "status": 502 }],
            "purges": [{ "at": 1.0, "targets": ["all"] }],
            "status": {
                "uptime_s": uptime, "version": "1", "state": "ready",
                "requests": { "hit": hits, "miss": misses },
                "application": { "calls": misses },
                "connections": { "active": 4 },
                "bucket_bounds_s": [0.001, 0.1],
                "locations": [{ "server_errors": 0, "buckets": [hits, misses, 0] }],
            },
        })
        .to_string()
    }

    fn readings(lines: &[&[String]]) -> Readings {
        let planes: Vec<_> = (0..lines.len()).map(|n| Plane::named(&format!("edge-{n}"))).collect();
        let mut readings = Readings::new(&planes, Duration::from_secs(10));
        for (edge, lines) in lines.iter().enumerate() {
            lines.iter().for_each(|line| readings.line(edge, line));
        }
        readings
    }

    #[test]
    fn two_edges_add_up() {
        let lines = [line(10.0, 100, 10, 7), line(11.0, 190, 20, 1)];
        let view = View::of(&readings(&[&lines, &lines]));
        assert_eq!((view.seconds, view.requests_per_s, view.hit_rate), (1.0, 200.0, Some(0.9)));
        assert_eq!((view.application_calls_per_s, view.connections, view.lost), (20.0, 8.0, 2));
        assert!(view.p50_s.is_some_and(|p50| p50 < 0.001) && view.p99_s.is_some_and(|p99| p99 > 0.05));
        assert_eq!(view.urls.len(), 1);
        let row = &view.urls[0];
        assert_eq!((row.name.as_str(), row.requests, row.hits, row.slowest_s), ("h/a", 6, 4, 0.2));
        assert_eq!((row.requests_per_s, (row.mean_s * 1e6).round()), (6.0, 100_000.0));
        assert_eq!((view.purges.len(), view.errors.len()), (2, 4));
        let row = &view.views[0];
        assert_eq!((row.name.as_str(), row.calls, row.queries), ("news.front", 4, 10));
        assert!(!view.edges_silent());
    }

    #[test]
    fn an_edge_that_was_restarted_or_is_gone_counts_nothing_wrong() {
        let mut readings = readings(&[&[line(1000.0, 5000, 10, 0), line(1.0, 1, 1, 0), line(2.0, 11, 1, 0)]]);
        assert_eq!(View::of(&readings).requests_per_s, 10.0);
        readings.gone(0, "has ended".into());
        let view = View::of(&readings);
        assert_eq!((view.requests_per_s, view.hit_rate, view.p50_s), (0.0, None, None));
        assert!(view.edges_silent());
        // Nonsense is passed over.
        readings.line(0, "nonsense");
        readings.line(7, "{}");
        readings.pools(0, "[]");
    }
}
