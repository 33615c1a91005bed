//! The last hour and the last day of single locations and servers, in memory of a fixed size: what happened
//! in each minute and in each quarter of an hour.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::metrics::history_step::{HistoryPlace, HistoryStep, STEP};

/// Places that are remembered; the first of them. With all of them full it is some 5 MB.
const MOST: usize = 128;
/// How many steps of the whole edge's history are in one of these, and how many of these are kept.
const MINUTE: (usize, usize) = (6, 60);
const QUARTER: (usize, usize) = (90, 96);

#[derive(Debug, Default)]
pub(super) struct PlaceHistories(Mutex<HashMap<HistoryPlace, PlaceTimeline>>);

#[derive(Debug, Default)]
struct PlaceTimeline {
    hour: Span,
    day: Span,
}

/// Steps of one length.
#[derive(Debug, Default)]
struct Span {
    /// What was counted when the last step ended.
    last: HistoryStep,
    /// Readings since.
    since: usize,
    steps: VecDeque<HistoryStep>,
}

impl PlaceHistories {
    /// Takes what has been counted at each place so far.
    pub(super) fn note(&self, readings: Vec<(HistoryPlace, HistoryStep)>) {
        let mut places = self.0.lock();
        for (place, reading) in readings {
            if places.len() >= MOST && !places.contains_key(&place) {
                continue;
            }
            let timeline = places.entry(place).or_default();
            timeline.hour.note(&reading, MINUTE);
            timeline.day.note(&reading, QUARTER);
        }
    }

    /// Both, the oldest step first. `None`: nothing is known of this place.
    pub(super) fn json(&self, place: &HistoryPlace) -> Option<Value> {
        let places = self.0.lock();
        let timeline = places.get(place)?;
        Some(json!({ "hour": timeline.hour.json(MINUTE), "day": timeline.day.json(QUARTER) }))
    }
}

impl Span {
    fn note(&mut self, reading: &HistoryStep, (length, most): (usize, usize)) {
        self.since += 1;
        if self.since < length {
            return;
        }
        let step = reading.minus(&self.last);
        (self.last, self.since) = (reading.clone(), 0);
        if self.steps.len() == most {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }

    fn json(&self, (length, _): (usize, usize)) -> Value {
        let steps: Vec<_> = self.steps.iter().map(HistoryStep::json).collect();
        json!({ "step_s": STEP.as_secs() * length as u64, "steps": steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: usize) -> HistoryPlace {
        HistoryPlace::Location { site: "a".into(), location: format!("/{n}") }
    }

    #[test]
    fn a_step_is_a_minute_of_one_place() {
        let histories = PlaceHistories::default();
        for n in 1..=12u64 {
            let mut reading = HistoryStep::default();
            (reading.calls, reading.at) = (n * n, n);
            histories.note(vec![(place(0), reading)]);
        }
        let json = histories.json(&place(0)).unwrap();
        let calls: Vec<_> =
            json["hour"]["steps"].as_array().unwrap().iter().map(|step| &step["calls"]).collect();
        assert_eq!(calls, [36, 108]);
        assert_eq!((&json["hour"]["step_s"], &json["day"]["step_s"]), (&60.into(), &900.into()));
        assert!(histories.json(&place(1)).is_none());
    }

    #[test]
    fn it_never_grows_beyond_its_size() {
        let histories = PlaceHistories::default();
        for _ in 0..MINUTE.0 * MINUTE.1 * 2 {
            histories.note(vec![(place(0), HistoryStep::default())]);
        }
        histories.note((1..MOST + 10).map(|n| (place(n), HistoryStep::default())).collect());
        assert_eq!(histories.0.lock().len(), MOST);
        assert_eq!(histories.json(&place(0)).unwrap()["hour"]["steps"].as_array().unwrap().len(), MINUTE.1);
    }
}
