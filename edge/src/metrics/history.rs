//! The last hour and the last day, in memory of a fixed size: what happened in each ten seconds and in each
//! five minutes; of single places (`place_history`) in coarser steps.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::metrics::history_step::{HistoryPlace, HistoryStep, STEP, add, seconds};
use crate::metrics::place_history::PlaceHistories;
use crate::metrics::servers::ServerMetrics;
use crate::metrics::{CacheResult, LocationMetrics};

/// The steps of an hour.
const HOUR: usize = 360;
/// The steps of the hour in one of the day, and the steps of a day.
const STEPS_OF_DAY: usize = 30;
const DAY: usize = 288;

/// What was read last, to tell what has happened since.
#[derive(Debug, Default)]
struct Reading {
    whole: HistoryStep,
    /// Requests that the cache answered, by site and location.
    by_location: HashMap<(String, String), u64>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    whole: Mutex<Timeline>,
    places: PlaceHistories,
}

#[derive(Debug, Default)]
struct Timeline {
    last: Reading,
    hour: VecDeque<HistoryStep>,
    day: VecDeque<HistoryStep>,
    /// The steps that the next one of the day has so far.
    gathered: Vec<HistoryStep>,
    saved_calls: u64,
    saved: Duration,
}

impl History {
    pub(super) fn note(
        &self,
        locations: &[Arc<LocationMetrics>],
        servers: &[Arc<ServerMetrics>],
        calls: u64,
        now: SystemTime,
    ) {
        let locations_now = locations.iter().map(|location| HistoryStep::of_location(location, now));
        self.places.note(
            locations_now.chain(servers.iter().map(|server| HistoryStep::of_server(server, now))).collect(),
        );
        let mut timeline = self.whole.lock();
        let step = timeline.step(locations, calls, now);
        timeline.saved_calls += step.saved_calls;
        timeline.saved += step.saved;
        timeline.gathered.push(step.clone());
        keep(&mut timeline.hour, step, HOUR);
        if timeline.gathered.len() == STEPS_OF_DAY {
            let whole = timeline.gathered.drain(..).reduce(HistoryStep::plus).unwrap_or_default();
            keep(&mut timeline.day, whole, DAY);
        }
    }

    /// Calls of the application that the cache has saved so far, and the time that they would have taken.
    pub(crate) fn saved(&self) -> (u64, Duration) {
        let timeline = self.whole.lock();
        (timeline.saved_calls, timeline.saved)
    }

    /// Both, the oldest step first.
    pub(crate) fn json(&self) -> Value {
        let timeline = self.whole.lock();
        let day = STEP.as_secs() * STEPS_OF_DAY as u64;
        json!({
            "hour": { "step_s": STEP.as_secs(), "steps": all(&timeline.hour) },
            "day": { "step_s": day, "steps": all(&timeline.day) },
        })
    }
}

impl History {
    /// That of a location or server alone. `None`: nothing is known of it.
    pub(crate) fn of(&self, place: &HistoryPlace) -> Option<Value> {
        self.places.json(place)
    }
}

fn all(steps: &VecDeque<HistoryStep>) -> Vec<Value> {
    steps.iter().map(HistoryStep::json).collect()
}

fn keep(steps: &mut VecDeque<HistoryStep>, step: HistoryStep, most: usize) {
    if steps.len() == most {
        steps.pop_front();
    }
    steps.push_back(step);
}

impl Timeline {
    /// What has happened since the last reading.
    fn step(&mut self, locations: &[Arc<LocationMetrics>], calls: u64, now: SystemTime) -> HistoryStep {
        let mut whole = HistoryStep { calls, ..HistoryStep::default() };
        let mut by_location = HashMap::new();
        let (mut saved_calls, mut saved) = (0, Duration::ZERO);
        for location in locations {
            for (sum, cache) in whole.requests.iter_mut().zip(CacheResult::ALL) {
                *sum += location.requests(cache);
            }
            add(&mut whole.buckets, &location.buckets());
            whole.server_errors += location.server_errors();
            whole.sent += location.sent();
            let (calls, busy) = location.application();
            whole.application += busy;
            let served = CacheResult::SAVING.into_iter().map(|cache| location.requests(cache)).sum::<u64>();
            let place = (location.site().to_owned(), location.location().to_owned());
            let fresh = served.saturating_sub(self.last.by_location.get(&place).copied().unwrap_or_default());
            saved_calls += fresh;
            // Each would have taken as long as its location's calls do.
            let mean = busy.as_secs_f64() / (calls.max(1)) as f64;
            saved += Duration::try_from_secs_f64(mean * fresh as f64).unwrap_or_default();
            by_location.insert(place, served);
        }
        whole.at = seconds(now);
        let mut step = whole.minus(&self.last.whole);
        (step.saved_calls, step.saved) = (saved_calls, saved);
        self.last = Reading { whole, by_location };
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_step_is_what_happened_in_it() {
        let metrics = Metrics::new(Default::default);
        let location = metrics.location("a", "/");
        let took = Duration::from_millis(20);
        location.record(CacheResult::Miss, 200, 100, took);
        location.application_took(took);
        metrics.application_calls.inc();
        metrics.note(SystemTime::UNIX_EPOCH + Duration::from_secs(10));
        for _ in 0..4 {
            location.record(CacheResult::Hit, 200, 100, Duration::from_micros(50));
        }
        location.record(CacheResult::Error, 502, 0, took);
        metrics.note(SystemTime::UNIX_EPOCH + Duration::from_secs(20));
        let json = metrics.history.json();
        let steps = json["hour"]["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!((&steps[0]["requests"]["miss"], &steps[0]["calls"]), (&1.into(), &1.into()));
        assert_eq!((&steps[1]["requests"]["hit"], &steps[1]["calls"]), (&4.into(), &0.into()));
        assert_eq!((&steps[1]["at"], &steps[1]["server_errors"]), (&20.into(), &1.into()));
        assert_eq!((&steps[1]["saved_calls"], &steps[1]["saved_s"]), (&4.into(), &0.08.into()));
        assert_eq!(metrics.history.saved(), (4, Duration::from_millis(80)));
    }

    #[test]
    fn it_never_grows_beyond_its_size() {
        let metrics = Metrics::new(Default::default);
        metrics.location("a", "/");
        for step in 0..(HOUR * 30) as u64 {
            metrics.location("a", "/").record(CacheResult::Own, 200, 1, Duration::ZERO);
            metrics.note(SystemTime::UNIX_EPOCH + STEP * u32::try_from(step).unwrap());
        }
        let json = metrics.history.json();
        let (hour, day) = (&json["hour"]["steps"], &json["day"]["steps"]);
        assert_eq!((hour.as_array().unwrap().len(), day.as_array().unwrap().len()), (HOUR, DAY));
        assert_eq!(day[0]["requests"]["own"], STEPS_OF_DAY);
    }
}
