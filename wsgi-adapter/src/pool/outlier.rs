//! Outlier ejection: a server whose replies fail far more often than those of the others is left alone for a
//! while. What counts is the difference: an error that all servers have says nothing of any of them.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::EjectConfig;

/// However often it was ejected before, it is left alone for no more than so many times `eject.time`.
const LONGEST: u32 = 10;

/// Replies of one server in the last window, and in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) all: u32,
    pub(super) bad: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Outlier {
    counts: [Counts; 2],
    begun: Option<Instant>,
    ejected_until: Option<Instant>,
    /// Ejections that followed one another closely.
    times: u32,
}

impl Outlier {
    /// A reply, or none.
    pub(super) fn note(&mut self, bad: bool, settings: &EjectConfig, now: Instant) {
        let half = settings.window.0 / 2;
        let age = self.begun.map_or(Duration::MAX, |begun| now.saturating_duration_since(begun));
        if age >= half {
            self.counts =
                if age >= half * 2 { Default::default() } else { [Counts::default(), self.counts[0]] };
            self.begun = Some(now);
        }
        self.counts[0].all = self.counts[0].all.saturating_add(1);
        self.counts[0].bad = self.counts[0].bad.saturating_add(u32::from(bad));
    }

    pub(super) fn counts(&self) -> Counts {
        let [now, before] = self.counts;
        Counts { all: now.all.saturating_add(before.all), bad: now.bad.saturating_add(before.bad) }
    }

    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// Since when it is back.
    pub(super) fn back_since(&self, now: Instant) -> Option<Instant> {
        self.ejected_until.filter(|&until| until <= now)
    }

    pub(super) fn eject(&mut self, settings: &EjectConfig, now: Instant) -> Duration {
        let long_ago = self
            .ejected_until
            .is_none_or(|until| now.saturating_duration_since(until) > settings.time.0 * LONGEST);
        self.times = if long_ago { 1 } else { (self.times + 1).min(LONGEST) };
        let time = settings.time.0 * self.times;
        self.ejected_until = Some(now + time);
        self.counts = Default::default();
        time
    }
}

/// Is a server with these counts an outlier, beside `others` together?
pub(super) fn stands_out(own: Counts, others: Counts, settings: &EjectConfig) -> bool {
    let rate = |counts: Counts| f64::from(counts.bad) / f64::from(counts.all.max(1));
    own.all >= settings.requests && rate(own) >= settings.rate && rate(own) >= 2.0 * rate(others)
}

/// Would one more leave enough of `servers`? Never the last one.
pub(super) fn may_eject(ejected: usize, servers: usize, settings: &EjectConfig) -> bool {
    let most = (servers as f64 * settings.share).floor() as usize;
    ejected < most && ejected + 1 < servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: u32, bad: u32) -> Counts {
        Counts { all, bad }
    }

    #[test]
    fn only_who_differs_stands_out() {
        let settings = EjectConfig::default();
        for (own, others, out) in [
            (counts(20, 10), counts(20, 0), true),
            (counts(19, 19), counts(20, 0), false),
            (counts(20, 9), counts(20, 0), false),
            (counts(20, 20), counts(20, 11), false),
            (counts(20, 20), counts(20, 10), true),
            (counts(20, 20), counts(0, 0), true),
            (counts(0, 0), counts(0, 0), false),
        ] {
            assert_eq!(stands_out(own, others, &settings), out, "{own:?} beside {others:?}");
        }
    }

    #[test]
    fn never_all_and_never_more_than_the_share() {
        let settings = |share| EjectConfig { share, ..EjectConfig::default() };
        for (servers, share, most) in [
            (1, 0.5, 0),
            (2, 0.5, 1),
            (3, 0.5, 1),
            (4, 0.5, 2),
            (10, 0.1, 1),
            (9, 0.1, 0),
            (1, 1.0, 0),
            (3, 1.0, 2),
        ] {
            let ejected = (0..servers).find(|&ejected| !may_eject(ejected, servers, &settings(share)));
            assert_eq!(ejected, Some(most), "{servers} servers, {share}");
        }
    }

    #[test]
    fn old_replies_are_forgotten_and_ejections_grow() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let settings = EjectConfig::default();
        let mut outlier = Outlier::default();
        outlier.note(true, &settings, start);
        outlier.note(false, &settings, start + 5 * second);
        assert_eq!(outlier.counts(), counts(2, 1));
        outlier.note(false, &settings, start + 10 * second);
        assert_eq!(outlier.counts(), counts(2, 0));
        outlier.note(false, &settings, start + 60 * second);
        assert_eq!(outlier.counts(), counts(1, 0));
        assert_eq!(outlier.eject(&settings, start), 30 * second);
        assert!(outlier.is_ejected(start + 29 * second) && !outlier.is_ejected(start + 30 * second));
        assert_eq!(outlier.eject(&settings, start + 40 * second), 60 * second);
        assert_eq!(outlier.eject(&settings, start + 1000 * second), 30 * second);
    }
}
