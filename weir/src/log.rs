//! `weir log FILTER`: the requests of all edges as they end, one line each.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use record_filter::Filter;
use serde_json::Value;

use crate::cli::LogArgs;
use crate::edges::{self, EdgeMessage};

pub(crate) fn requests(args: &LogArgs) -> Result<ExitCode> {
    let filter = args.filter.join(" ");
    if let Err(mistake) = Filter::parse(&filter) {
        eprintln!("weir: the filter is wrong:\n{mistake}");
        return Ok(ExitCode::from(2));
    }
    let edges = edges::find(&args.edges)?;
    let path = format!("/api/v1/log?filter={}", encoded(&filter));
    let lines = edges::stream(&edges, &path)?;
    if !args.json && edges.len() > 1 {
        let names: Vec<_> = edges.iter().map(|edge| edge.address.as_str()).collect();
        eprintln!("weir: {} edges: {}", edges.len(), names.join(", "));
    }
    let until = args.time.map(|time| Instant::now() + time.0);
    let is_coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut printer =
        Printer { json: args.json, is_coloured, several: edges.len() > 1, out: io::stdout().lock() };
    let mut left = args.lines.unwrap_or(u64::MAX);
    while left > 0
        && let Some(line) = lines.next_until(until)
    {
        let edge = edges.get(line.edge).map_or("", |edge| &edge.address);
        let printed = match line.message {
            EdgeMessage::Gone(why) => {
                eprintln!("weir: {edge} {why}; trying again");
                continue;
            }
            EdgeMessage::Pools(_) => continue,
            EdgeMessage::Line(line) => printer.line(edge, &line),
        };
        match printed {
            Ok(is_record) => left -= u64::from(is_record),
            // The reader of a pipe has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error).context("cannot print"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Printer<W> {
    json: bool,
    is_coloured: bool,
    /// More than one edge: each line says which.
    several: bool,
    out: W,
}

impl<W: Write> Printer<W> {
    /// False: it was no record.
    fn line(&mut self, edge: &str, line: &str) -> io::Result<bool> {
        let Ok(mut record) = serde_json::from_str::<Value>(line) else { return Ok(false) };
        if let Some(lost) = record.get("lost").and_then(Value::as_u64) {
            if self.json {
                record["edge"] = edge.into();
                writeln!(self.out, "{record}")?;
            } else {
                eprintln!(
                    "weir: {lost} records of {edge} are lost: there were more than this terminal takes"
                );
            }
            return Ok(false);
        }
        if self.json {
            record["edge"] = edge.into();
            writeln!(self.out, "{record}")?;
        } else {
            let text = text(&record, self.is_coloured, self.several.then_some(edge));
            writeln!(self.out, "{text}")?;
        }
        self.out.flush()?;
        Ok(true)
    }
}

/// Time, status, method, URL; how long it took; the cache's part; the application's part; who asked.
fn text(record: &Value, is_coloured: bool, edge: Option<&str>) -> String {
    let word = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| record.get(name).and_then(Value::as_f64);
    let status = number("status").unwrap_or_default();
    let colour = match status as u16 {
        _ if !is_coloured => "",
        500.. => "\x1b[31m",
        400.. => "\x1b[33m",
        300.. => "\x1b[36m",
        _ => "\x1b[32m",
    };
    let end = if is_coloured { "\x1b[0m" } else { "" };
    let clock = number("at").map(clock).unwrap_or_default();
    let took = number("duration_s").map(time).unwrap_or_default();
    let reason = if word("reason").is_empty() { String::new() } else { format!(" ({})", word("reason")) };
    let cache = if word("cache").is_empty() { "-" } else { word("cache") };
    let (method, target) =
        if word("method").is_empty() { ("-", "-") } else { (word("method"), word("target")) };
    let mut text =
        format!("{clock} {colour}{status}{end} {method} {}{target} {took} {cache}{reason}", word("host"));
    if let Some(busy) = number("application_s") {
        let server = if word("server").is_empty() { "no server" } else { word("server") };
        text.push_str(&format!(" application {} {} {server}", time(busy), word("pool")));
        if !word("view").is_empty() {
            text.push_str(&format!(" {}", word("view")));
        }
        if let Some(count) = number("queries") {
            let plural = if count == 1.0 { "query" } else { "queries" };
            let took = number("query_s").map(|took| format!(" in {}", time(took))).unwrap_or_default();
            text.push_str(&format!(" {count} {plural}{took}"));
        }
    }
    if let Some(tries) = number("tries").filter(|tries| *tries > 1.0) {
        text.push_str(&format!(" ({tries} servers asked)"));
    }
    text.push_str(&format!(" {} bytes to {}", number("bytes").unwrap_or_default(), word("client")));
    if !word("location").is_empty() {
        text.push_str(&format!(" [{} {}]", word("site"), word("location")));
    }
    if let Some(edge) = edge {
        text.push_str(&format!(" at {edge}"));
    }
    text
}

/// The time of the day, in UTC.
fn clock(at: f64) -> String {
    let milliseconds = (at * 1e3).round() as u64;
    let (seconds, milliseconds) = (milliseconds / 1000 % 86_400, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{milliseconds:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time as people read it.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.001 => format!("{:.0}µs", seconds * 1e6),
        seconds if seconds < 0.1 => format!("{:.1}ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0}ms", seconds * 1e3),
        seconds => format!("{seconds:.1}s"),
    }
}

/// Encodes a text for a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_what_how_long_and_why() {
        let record = serde_json::json!({
            "at": 1_700_000_000.125, "status": 502, "method": "GET", "host": "example.com", "target": "/api?x=1",
            "duration_s": 0.3, "cache": "miss", "reason": "origin-failed", "application_s": 0.25, "pool": "django",
            "server": "127.0.0.1:29000", "tries": 2, "bytes": 12, "view": "news.views.api",
            "queries": 3, "query_s": 0.0025, "client": "192.0.2.7", "site": "example.com",
            "location": "/api",
        });
        assert_eq!(
            text(&record, false, Some("127.0.0.1:9900")),
            "22:13:20.125 502 GET example.com/api?x=1 300ms miss (origin-failed) application 250ms django \
             127.0.0.1:29000 news.views.api 3 queries in 2.5ms (2 servers asked) 12 bytes to 192.0.2.7 [example.com /api] at 127.0.0.1:9900"
        );
        assert!(text(&record, true, None).contains("\x1b[31m502\x1b[0m"));
        // A head that was refused.
        let refused =
            serde_json::json!({ "at": 0, "status": 400, "client": "192.0.2.7", "bytes": 5, "duration_s": 0 });
        assert_eq!(text(&refused, false, None), "00:00:00.000 400 - - 0µs - 5 bytes to 192.0.2.7");
    }

    #[test]
    fn a_filter_survives_the_query() {
        assert_eq!(encoded("status >= 5&ü"), "status%20%3E%3D%205%26%C3%BC");
    }
}
