//! The JSON format: one object per line. Times are seconds, missing values are null, and a byte that is not
//! UTF-8 is U+FFFD.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::log::access_log::stamp::Stamps;
use crate::log::access_log::{Record, cut};

#[derive(Serialize)]
struct JsonLine<'a> {
    time: &'a str,
    #[serde(serialize_with = "as_text")]
    client: IpAddr,
    method: Cow<'a, str>,
    target: Cow<'a, str>,
    protocol: &'a str,
    status: u16,
    bytes: u64,
    duration_s: f64,
    upstream_s: Option<f64>,
    view: Option<&'a str>,
    queries: Option<u64>,
    query_s: Option<f64>,
    cache: Option<&'static str>,
    host: Cow<'a, str>,
    site: &'a str,
    referer: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    trace_id: Option<&'a str>,
}

pub(super) fn format(buffer: &mut Vec<u8>, stamps: &mut Stamps, record: &Record<'_>) {
    let line = JsonLine {
        time: stamps.iso(record.time),
        client: record.client,
        method: text(record.method.as_bytes()),
        target: text(record.target),
        protocol: record.protocol,
        status: record.status,
        bytes: record.bytes,
        duration_s: seconds(record.duration),
        upstream_s: record.upstream.map(seconds),
        view: Some(record.work.view).filter(|view| !view.is_empty()),
        queries: record.work.queries,
        query_s: record.work.sql.map(seconds),
        cache: record.cache.map(|cache| cache.word()),
        host: text(record.host.as_bytes()),
        site: record.site,
        referer: record.referer.map(text),
        user_agent: record.user_agent.map(text),
        trace_id: record.trace_id,
    };
    let start = buffer.len();
    // Writes texts and numbers into a Vec: nothing can fail.
    match serde_json::to_writer(&mut *buffer, &line) {
        Ok(()) => buffer.push(b'\n'),
        Err(_) => buffer.truncate(start),
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn text(field: &[u8]) -> Cow<'_, str> {
    let field = cut(field);
    // Several times as fast as the lossy conversion alone, since nearly all text is ASCII.
    let text = str::from_utf8(field).map_or_else(|_| String::from_utf8_lossy(field), Cow::Borrowed);
    if text.is_ascii() { text } else { without_c1(text) }
}

/// Replaces the control characters U+0080 to U+009F, which terminals obey and JSON leaves unescaped.
fn without_c1(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_c1 = |letter: char| ('\u{80}'..='\u{9f}').contains(&letter);
    if text.contains(is_c1) { text.replace(is_c1, "\u{fffd}").into() } else { text }
}

/// Rounds to the microsecond.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}
