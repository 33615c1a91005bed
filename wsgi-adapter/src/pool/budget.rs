//! Retry budget of a pool: the requests of the last ten seconds, and how many of them were taken to another
//! server. A server that ends fails all that it had at once, so what is under way says less of what the
//! others can bear than what has come; unless requests take longer than that.

use tokio::time::Instant;

use crate::config::RetryConfig;

const SECONDS: usize = 10;

#[derive(Debug)]
pub(super) struct Budget {
    start: Instant,
    /// Each second's counts, at its number modulo their length.
    seconds: [Second; SECONDS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Since the start.
    number: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, seconds: Default::default() }
    }

    /// A request has got a server.
    pub(super) fn requested(&mut self, now: Instant) {
        self.second(now).requests += 1;
    }

    /// May one more go to another server, with so many under way?
    pub(super) fn allows(&self, settings: &RetryConfig, under_way: usize, now: Instant) -> bool {
        let number = self.number(now);
        let (mut retries, mut requests) = (0, 0);
        for second in self.seconds.iter().filter(|second| second.number + SECONDS as u64 > number) {
            retries += second.retries;
            requests += second.requests;
        }
        settings.allows(retries, requests.max(under_way as u64))
    }

    /// One has gone there.
    pub(super) fn retried(&mut self, now: Instant) {
        self.second(now).retries += 1;
    }

    /// The counts of this second.
    fn second(&mut self, now: Instant) -> &mut Second {
        let number = self.number(now);
        let second = &mut self.seconds[(number % SECONDS as u64) as usize];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_last_ten_seconds_count() {
        let settings = RetryConfig { min: 2, ..RetryConfig::default() };
        // Requests and retries, each with its time in milliseconds; then how many more there may be at a
        // time.
        type Row = (&'static [(u64, u64)], &'static [(u64, u64)], u64, u64);
        let table: &[Row] = &[
            (&[], &[], 0, 2),
            (&[(0, 14)], &[], 0, 2),
            (&[(0, 100)], &[], 0, 20),
            (&[(0, 100)], &[(0, 20)], 500, 0),
            (&[(0, 100)], &[(3000, 5)], 9999, 15),
            (&[(0, 100)], &[(3000, 1)], 10_000, 1),
            (&[(0, 50), (9000, 50)], &[(9000, 4)], 9500, 16),
            (&[(0, 50), (9000, 50)], &[(9000, 4)], 10_500, 6),
            (&[(0, 50), (10_500, 10)], &[(100, 10)], 10_500, 2),
            (&[(0, 100)], &[(0, 20)], 3_600_000, 2),
        ];
        for (requests, retries, millis, more) in table {
            let start = Instant::now();
            let mut budget = Budget::new(start);
            for &(millis, times) in *requests {
                (0..times).for_each(|_| budget.requested(at(start, millis)));
            }
            for &(millis, times) in *retries {
                (0..times).for_each(|_| budget.retried(at(start, millis)));
            }
            let now = at(start, *millis);
            let allowed = (0..1000).take_while(|_| {
                let allowed = budget.allows(&settings, 0, now);
                budget.retried(now);
                allowed
            });
            assert_eq!(allowed.count() as u64, *more, "{requests:?}, {retries:?}, at {millis} ms");
        }
    }

    #[test]
    fn an_outage_of_all_adds_a_fifth_and_no_more() {
        // Requests a second that all fail, for a minute, and the retries that there may be by then.
        for (rate, most) in [(1000, 12_000), (100, 1200), (5, 60), (1, 60)] {
            let (settings, start) = (RetryConfig::default(), Instant::now());
            let mut budget = Budget::new(start);
            let mut retries = 0;
            for request in 0..60 * rate {
                let now = at(start, request * 1000 / rate);
                budget.requested(now);
                // It is tried at three servers.
                for _ in 0..2 {
                    if budget.allows(&settings, 0, now) {
                        budget.retried(now);
                        retries += 1;
                    }
                }
            }
            assert!(retries <= most && retries >= most * 9 / 10, "{retries} with {rate} a second");
        }
    }

    #[test]
    fn requests_that_take_long_count_as_long_as_they_take() {
        let (settings, start) = (RetryConfig::default(), Instant::now());
        let mut budget = Budget::new(start);
        (0..100).for_each(|_| budget.requested(start));
        let now = at(start, 60_000);
        let allowed = (0..100).take_while(|_| {
            let allowed = budget.allows(&settings, 100, now);
            budget.retried(now);
            allowed
        });
        assert_eq!(allowed.count(), 20);
    }

    #[test]
    fn a_time_before_the_start_is_the_start() {
        let start = Instant::now();
        let mut budget = Budget::new(at(start, 1000));
        budget.requested(start);
        budget.retried(start);
        assert!(!budget.allows(&RetryConfig { min: 1, ..RetryConfig::default() }, 0, start));
    }
}
