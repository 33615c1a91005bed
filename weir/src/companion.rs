//! What weir does for an application that it has started beside its services: it purges the pages of the code
//! of before, doubts a server that answers nobody, and ends if nobody keeps the application any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use edge::EdgeServer;
use process::shutdown::Shutdown;
use tokio::sync::mpsc::Receiver;
use wsgi_adapter::{PoolTally, Pools};

/// How often it is looked whether requests are answered.
const LOOK: Duration = Duration::from_secs(2);
/// A server is doubted where so many requests have failed since its last reply, and that is so long ago.
const FAILURES: u64 = 3;
const SILENCE: Duration = Duration::from_secs(10);

/// The application, for those who run the services beside it.
pub(crate) struct Companion {
    /// Lets it begin anew, with each reload of the settings.
    pub(crate) reload: Box<dyn FnMut()>,
    pub(crate) watch: ApplicationWatch,
}

pub(crate) struct ApplicationWatch {
    /// A message each time that it has begun anew: it may make other pages than before. Closed where nobody
    /// keeps it any more.
    pub(crate) renewed: Receiver<()>,
    /// The pool whose only server it is.
    pub(crate) pool: &'static str,
    /// Asks it whether it answers, and replaces it if it does not.
    pub(crate) doubt: Box<dyn Fn() + Send>,
}

impl Companion {
    pub(crate) fn parts(self) -> (Box<dyn FnMut()>, ApplicationWatch) {
        (self.reload, self.watch)
    }
}

impl ApplicationWatch {
    /// Ends with the drain, or with an error where the application cannot begin anew any more.
    pub(crate) async fn watch(
        mut self,
        edge: Arc<EdgeServer>,
        pools: Option<Pools>,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let mut silence = Silence::new(Instant::now());
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => return Ok(()),
                renewed = self.renewed.recv() => match renewed {
                    Some(()) => edge.purge_all().await,
                    None => bail!("whoever keeps it has failed, so it has ended"),
                },
                _ = looks.tick() => {
                    let tally = pools.as_ref().and_then(|pools| pools.tally(self.pool));
                    if tally.is_some_and(|tally| silence.is_suspect(tally, Instant::now())) {
                        (self.doubt)();
                    }
                }
            }
        }
    }
}

/// How long a server has answered nobody, although it was asked.
struct Silence {
    last: PoolTally,
    since: Instant,
}

impl Silence {
    fn new(now: Instant) -> Self {
        Self { last: PoolTally::default(), since: now }
    }

    /// Whether it is long enough. Then it begins anew.
    fn is_suspect(&mut self, tally: PoolTally, now: Instant) -> bool {
        let failures = tally.failures.saturating_sub(self.last.failures);
        let has_replied = tally.replies != self.last.replies;
        let is_long = failures >= FAILURES && now.saturating_duration_since(self.since) >= SILENCE;
        if has_replied || is_long {
            (self.last, self.since) = (tally, now);
        }
        !has_replied && is_long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_nobody_is_doubted() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        // Seconds, replies and failures until then.
        for (seconds, replies, failures, expected) in [
            (0, 0, 0, false),
            (600, 0, 0, false),
            (602, 5, 1, false),
            // Asked, and slow.
            (604, 5, 3, false),
            (606, 6, 9, false),
            (614, 6, 12, false),
            (616, 6, 12, true),
            // One doubt at a time.
            (618, 6, 14, false),
            (630, 6, 14, false),
            (632, 6, 15, true),
            // Its successor, whose figures begin anew.
            (634, 1, 0, false),
            (650, 1, 2, false),
            (652, 1, 3, true),
        ] {
            let now = start + Duration::from_secs(seconds);
            let is_suspect = silence.is_suspect(PoolTally { replies, failures }, now);
            assert_eq!(is_suspect, expected, "{seconds} s");
        }
    }
}
