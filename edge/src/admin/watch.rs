//! Streams for those who watch: `GET /api/v1/log`, the records of requests as they end, and `GET
//! /api/v1/top`, what they add up to each second. One JSON object a line; an empty line now and then shows
//! that the edge is there.

use std::sync::Arc;
use std::time::Duration;

use admin::{Answer, Readiness, answer};
use bytes::Bytes;
use http::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use record_filter::Filter;
use serde_json::json;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::Edge;
use crate::admin::status::Status;
use crate::admin::top::TopTables;
use crate::log::live::{LiveBatch, MAX_WATCHERS, Watcher};

/// How often new records are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// A silent stream sends an empty line after this long.
const BEAT: Duration = Duration::from_secs(5);
/// A client that takes nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pieces on their way to a client. What comes while they wait stays in the rings, and is lost there.
const UNDER_WAY: usize = 2;
/// Bytes of a piece, at which no further record is added.
const MAX_PIECE: usize = 1024 * 1024;
/// The longest time that `/api/v1/top` adds up.
const LONGEST: u64 = 60;

/// Records that fit `filter=…`; those that a slow client has lost are counted in a line of their own.
pub(super) fn log(edge: &Edge, request: &Request<Bytes>) -> Answer {
    let filter = match Filter::parse(&parameter(request, "filter").unwrap_or_default()) {
        Ok(filter) => filter,
        Err(mistake) => return answer::text(StatusCode::BAD_REQUEST, format!("{mistake}\n")),
    };
    stream(edge, false, move |batch| {
        let mut piece = Vec::new();
        let mut lost = batch.lost;
        for record in batch.records.iter().filter(|record| !record.is_background && filter.fits(&***record)) {
            if piece.len() > MAX_PIECE {
                lost += 1;
                continue;
            }
            line(&mut piece, &record.json());
        }
        if lost > 0 {
            line(&mut piece, &json!({ "lost": lost }));
        }
        piece
    })
}

/// What the requests of each `seconds=…` add up to; with `once=1` of the next ones alone.
pub(super) fn top(edge: &Arc<Edge>, readiness: Readiness, request: &Request<Bytes>) -> Answer {
    let seconds = parameter(request, "seconds").map_or(Ok(1), |text| text.parse());
    let Some(seconds) = seconds.ok().filter(|seconds| (1..=LONGEST).contains(seconds)) else {
        return answer::text(StatusCode::BAD_REQUEST, format!("seconds must be 1 to {LONGEST}\n"));
    };
    let (mut tables, mut begun) = (TopTables::default(), Instant::now());
    let shared = edge.clone();
    let once = parameter(request, "once").is_some();
    stream(edge, once, move |batch| {
        tables.add(&batch);
        let took = begun.elapsed();
        let mut piece = Vec::new();
        if took >= Duration::from_secs(seconds) {
            let mut snapshot = std::mem::take(&mut tables).json(took);
            snapshot["status"] = json!(Status::now(shared.settings.name(), &shared.metrics, &readiness));
            snapshot["purges"] = json!(shared.purger.recent.all());
            line(&mut piece, &snapshot);
            begun = Instant::now();
        }
        piece
    })
}

/// An answer of what `make` makes of the records, at each look; `once`: of the first that it makes.
fn stream(edge: &Edge, once: bool, make: impl FnMut(LiveBatch) -> Vec<u8> + Send + 'static) -> Answer {
    let Some(watcher) = edge.log.live.watch() else {
        let text = format!("{MAX_WATCHERS} clients watch already, which is the most\n");
        return answer::text(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    let (sender, pieces) = mpsc::channel(UNDER_WAY);
    tokio::spawn(send(watcher, once, make, sender));
    answer::lines(pieces)
}

/// Sends until the client leaves.
async fn send(
    mut watcher: Watcher,
    once: bool,
    mut make: impl FnMut(LiveBatch) -> Vec<u8>,
    pieces: Sender<Bytes>,
) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = None;
    loop {
        looks.tick().await;
        if pieces.is_closed() {
            return;
        }
        let mut piece = make(watcher.take());
        let is_last = once && !piece.is_empty();
        if piece.is_empty() {
            if sent.is_some_and(|sent: Instant| sent.elapsed() < BEAT) {
                continue;
            }
            piece.push(b'\n');
        }
        match timeout(PATIENCE, pieces.send(piece.into())).await {
            Ok(Ok(())) if !is_last => sent = Some(Instant::now()),
            _ => return,
        }
    }
}

fn line(piece: &mut Vec<u8>, value: &serde_json::Value) {
    let start = piece.len();
    // Writes texts and numbers into a Vec: nothing can fail.
    match serde_json::to_writer(&mut *piece, value) {
        Ok(()) => piece.push(b'\n'),
        Err(_) => piece.truncate(start),
    }
}

/// The value of a parameter of the query, decoded.
pub(super) fn parameter(request: &Request<Bytes>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(known, _)| *known == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let request = |uri: &str| Request::builder().uri(uri).body(Bytes::new()).unwrap();
        for (uri, value) in [
            ("/api/v1/log?filter=status%20%3E%3D+500&x=1", Some("status >= 500")),
            ("/api/v1/log?x=1", None),
            ("/api/v1/log", None),
        ] {
            assert_eq!(parameter(&request(uri), "filter").as_deref(), value, "{uri}");
        }
    }
}
