//! `weir top --once` as plain text.

use std::fmt::Write;

use super::table::{SortKey, TableKind, TextTable, count, percent, table};
use super::view::View;
use crate::log::time;

/// Rows of each table.
const ROWS: usize = 10;

/// The figures in one line, for the screen too.
pub(super) fn figures(view: &View) -> String {
    let span = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), time);
    format!(
        "{} req/s   cached {}   p50 {}  p95 {}  p99 {}   application {}/s   5xx {}/s   {} connections",
        count(view.requests_per_s),
        percent(view.hit_rate),
        span(view.p50_s),
        span(view.p95_s),
        span(view.p99_s),
        count(view.application_calls_per_s),
        count(view.server_errors_per_s),
        count(view.connections),
    )
}

/// One line for each edge.
pub(super) fn edges(view: &View) -> Vec<String> {
    let told = |edge: &super::view::EdgeView| match &edge.silent {
        Some(why) => format!("{}: {why}", edge.address),
        None => format!("{} {} (weir {})", edge.address, edge.state, edge.version),
    };
    view.edges.iter().map(told).collect()
}

pub(super) fn text(view: &View) -> String {
    let mut text = format!("{}\n{}\n", edges(view).join("\n"), figures(view));
    let _ = writeln!(text, "the last {:.0} s", view.seconds);
    if view.lost > 0 {
        let _ = writeln!(text, "{} requests are not in the tables: there were too many", view.lost);
    }
    for (kind, title) in TableKind::ALL {
        let mut table = table(view, kind, SortKey::Usual, false, "");
        if table.rows.is_empty() {
            continue;
        }
        table.rows.truncate(ROWS);
        let _ = write!(text, "\n{title}\n{}", aligned(&table));
    }
    text
}

pub(super) fn aligned(table: &TextTable) -> String {
    let header = table.header.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<&Vec<String>> = std::iter::once(&header).chain(&table.rows).collect();
    let last = table.header.len().saturating_sub(1);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..last).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:>width$}  ");
        }
        let _ = writeln!(text, "{}", row.get(last).map_or("", String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::view::TopRow;

    #[test]
    fn columns_stand_below_each_other() {
        let urls =
            vec![TopRow { name: "h/a".into(), requests: 12345, requests_per_s: 1234.5, ..TopRow::default() }];
        let text = text(&View { urls, requests_per_s: 1234.5, hit_rate: Some(0.5), ..View::default() });
        assert!(text.contains("1234 req/s   cached 50.0%"), "{text}");
        let lines: Vec<_> = text.lines().skip_while(|line| *line != "hottest URLs").collect();
        assert!(lines[1].ends_with("name") && lines[2].ends_with("h/a"), "{text}");
        let column = |line: &str, cell: &str| line.chars().count() - cell.chars().count();
        assert_eq!(column(lines[1], "name"), column(lines[2], "h/a"), "{text}");
    }
}
