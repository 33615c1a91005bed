//! The tables of `weir top` as text: their columns, their order, and what a filter leaves of them.

use serde_json::Value;

use super::view::{PoolRow, TopRow, View};
use crate::log::time;

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TableKind {
    #[default]
    Urls,
    Slow,
    Expensive,
    Clients,
    Servers,
    Views,
    Pools,
    Purges,
    Errors,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    /// As the table is by itself.
    Usual,
    Requests,
    Errors,
    Mean,
    Slowest,
    Application,
    Bytes,
    Name,
}

/// A table as text.
pub(super) struct TextTable {
    pub(super) header: Vec<&'static str>,
    /// The name is the last cell.
    pub(super) rows: Vec<Vec<String>>,
}

impl TableKind {
    pub(super) const ALL: [(Self, &str); 9] = [
        (Self::Urls, "hottest URLs"),
        (Self::Slow, "slowest pages"),
        (Self::Expensive, "most expensive pages"),
        (Self::Clients, "clients"),
        (Self::Servers, "servers asked"),
        (Self::Views, "views"),
        (Self::Pools, "pools"),
        (Self::Purges, "purges"),
        (Self::Errors, "errors"),
    ];
}

impl SortKey {
    pub(super) const ALL: [(Self, &str); 8] = [
        (Self::Usual, "the table's own"),
        (Self::Requests, "requests"),
        (Self::Errors, "errors"),
        (Self::Mean, "mean time"),
        (Self::Slowest, "slowest"),
        (Self::Application, "application time"),
        (Self::Bytes, "bytes"),
        (Self::Name, "name"),
    ];

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|(key, _)| *key == self).unwrap_or_default();
        Self::ALL.get((at + 1) % Self::ALL.len()).map_or(Self::Usual, |(key, _)| *key)
    }

    fn weight(self, row: &TopRow) -> f64 {
        match self {
            Self::Usual | Self::Name => 0.0,
            Self::Requests => row.requests as f64,
            Self::Errors => row.errors as f64,
            Self::Mean => row.mean_s,
            Self::Slowest => row.slowest_s,
            Self::Application => row.application_s,
            Self::Bytes => row.bytes as f64,
        }
    }
}

/// One of the tables; `filter` is a part of the last column.
pub(super) fn table(view: &View, kind: TableKind, sort: SortKey, reversed: bool, filter: &str) -> TextTable {
    let rows = match kind {
        TableKind::Urls => &view.urls,
        TableKind::Slow => &view.slow,
        TableKind::Expensive => &view.expensive,
        TableKind::Clients => &view.clients,
        TableKind::Servers => &view.servers,
        TableKind::Views => &view.views,
        TableKind::Pools => return filtered(pools(&view.pools), reversed, filter),
        TableKind::Purges => return filtered(purges(&view.purges), reversed, filter),
        TableKind::Errors => return filtered(errors(&view.errors), reversed, filter),
    };
    let mut rows: Vec<&TopRow> = rows.iter().collect();
    match sort {
        SortKey::Usual => {}
        SortKey::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        sort => rows.sort_by(|a, b| sort.weight(b).total_cmp(&sort.weight(a))),
    }
    let table = if kind == TableKind::Views { views(&rows) } else { requests(&rows) };
    filtered(table, reversed, filter)
}

fn filtered(mut table: TextTable, reversed: bool, filter: &str) -> TextTable {
    let filter = filter.to_lowercase();
    table.rows.retain(|row| row.last().is_some_and(|name| name.to_lowercase().contains(&filter)));
    if reversed {
        table.rows.reverse();
    }
    table
}

fn requests(rows: &[&TopRow]) -> TextTable {
    let header =
        vec!["req/s", "cached", "mean", "slowest", "app calls", "app time", "errors", "sent", "name"];
    let cells = |row: &&TopRow| {
        vec![
            count(row.requests_per_s),
            percent(Some(row.hits as f64 / row.requests.max(1) as f64)),
            time(row.mean_s),
            time(row.slowest_s),
            row.calls.to_string(),
            time(row.application_s),
            row.errors.to_string(),
            bytes(row.bytes as f64),
            row.name.clone(),
        ]
    };
    TextTable { header, rows: rows.iter().map(cells).collect() }
}

/// What the application says of its own work.
fn views(rows: &[&TopRow]) -> TextTable {
    let header = vec!["app calls", "app time", "a call", "queries a call", "query time", "errors", "view"];
    let cells = |row: &&TopRow| {
        let calls = row.calls.max(1) as f64;
        vec![
            row.calls.to_string(),
            time(row.application_s),
            time(row.application_s / calls),
            count(row.queries as f64 / calls),
            time(row.query_s),
            row.errors.to_string(),
            row.name.clone(),
        ]
    };
    TextTable { header, rows: rows.iter().map(cells).collect() }
}

fn pools(rows: &[PoolRow]) -> TextTable {
    let header =
        vec!["pool", "state", "in flight", "waiting", "requests", "failures", "reply head", "server"];
    let cells = |row: &PoolRow| {
        vec![
            row.pool.clone(),
            row.state.clone(),
            row.in_flight.to_string(),
            row.waiting.to_string(),
            row.requests.to_string(),
            row.failures.to_string(),
            row.latency_ms.map_or_else(|| "-".to_owned(), |latency| time(latency / 1e3)),
            format!("{} at {}", row.server, row.edge),
        ]
    };
    TextTable { header, rows: rows.iter().map(cells).collect() }
}

fn purges(purges: &[Value]) -> TextTable {
    let header = vec!["complete", "took", "acknowledged", "missing", "what"];
    let cells = |purge: &Value| {
        let names = |name: &str| words(&purge[name]).len().to_string();
        let missing = words(&purge["missing"]).join(" ");
        let further = purge["further_targets"].as_u64().filter(|further| *further > 0);
        let further = further.map(|further| format!(" and {further} more")).unwrap_or_default();
        vec![
            if purge["complete"] == true { "yes" } else { "NO" }.to_owned(),
            time(purge["milliseconds"].as_f64().unwrap_or_default() / 1e3),
            names("acknowledged"),
            if missing.is_empty() { "-".to_owned() } else { missing },
            format!("{}{further}", words(&purge["targets"]).join(", ")),
        ]
    };
    TextTable { header, rows: purges.iter().map(cells).collect() }
}

fn errors(errors: &[Value]) -> TextTable {
    let header = vec!["status", "took", "reason", "server", "URL"];
    let word = |error: &Value, name: &str| error[name].as_str().unwrap_or("-").to_owned();
    let cells = |error: &Value| {
        vec![
            error["status"].to_string(),
            time(error["duration_s"].as_f64().unwrap_or_default()),
            word(error, "reason"),
            word(error, "server"),
            format!("{} {}{}", word(error, "method"), word(error, "host"), word(error, "target")),
        ]
    };
    TextTable { header, rows: errors.iter().map(cells).collect() }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(super) fn count(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.05 { format!("{number:.1}") } else { format!("{number:.0}") }
}

pub(super) fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".to_owned(), |part| format!("{:.1}%", part * 100.0))
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (number.max(1.0).log2() / 10.0) as usize;
    let unit = unit.min(units.len() - 1);
    let scaled = number / 1024f64.powi(i32::try_from(unit).unwrap_or_default());
    let (decimals, name) = (usize::from(unit > 0), units.get(unit).unwrap_or(&""));
    format!("{scaled:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view() -> View {
        let row = |name: &str, requests, slowest_s| TopRow {
            name: name.to_owned(),
            requests,
            slowest_s,
            bytes: 2048,
            ..TopRow::default()
        };
        View {
            urls: vec![row("h/a", 9, 0.1), row("h/b", 5, 0.9), row("h/C", 7, 0.5)],
            purges: vec![
                json!({ "complete": false, "milliseconds": 2.5, "acknowledged": ["edge-1"], "missing": ["edge-2"],
                "targets": ["tag news"], "further_targets": 2 }),
            ],
            errors: vec![
                json!({ "status": 502, "duration_s": 0.5, "method": "GET", "host": "h", "target": "/x" }),
            ],
            ..View::default()
        }
    }

    #[test]
    fn tables_are_sorted_reversed_and_filtered() {
        let names = |sort, reversed, filter: &str| -> Vec<String> {
            let table = table(&view(), TableKind::Urls, sort, reversed, filter);
            table.rows.into_iter().filter_map(|mut row| row.pop()).collect()
        };
        assert_eq!(names(SortKey::Usual, false, ""), ["h/a", "h/b", "h/C"]);
        assert_eq!(names(SortKey::Slowest, false, ""), ["h/b", "h/C", "h/a"]);
        assert_eq!(names(SortKey::Requests, true, ""), ["h/b", "h/C", "h/a"]);
        assert_eq!(names(SortKey::Name, false, ""), ["h/C", "h/a", "h/b"]);
        assert_eq!(names(SortKey::Usual, false, "/c"), ["h/C"]);
        let mut sort = SortKey::Usual;
        SortKey::ALL.iter().for_each(|_| sort = sort.next());
        assert_eq!(sort, SortKey::Usual);
    }

    #[test]
    fn every_table_has_as_many_cells_as_columns() {
        for (kind, _) in TableKind::ALL {
            let table = table(&view(), kind, SortKey::Usual, false, "");
            assert!(table.rows.iter().all(|row| row.len() == table.header.len()), "{kind:?}");
        }
        let purges = table(&view(), TableKind::Purges, SortKey::Usual, false, "");
        assert_eq!(purges.rows[0], ["NO", "2.5ms", "1", "edge-2", "tag news and 2 more"]);
        let errors = table(&view(), TableKind::Errors, SortKey::Usual, false, "");
        assert_eq!(errors.rows[0], ["502", "500ms", "-", "-", "GET h/x"]);
    }

    #[test]
    fn sizes_are_readable() {
        for (number, text) in [(0.0, "0 B"), (2048.0, "2.0 KiB"), (5e9, "4.7 GiB"), (1e18, "909494.7 TiB")] {
            assert_eq!(bytes(number), text);
        }
    }
}
