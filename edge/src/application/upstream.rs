//! What the application's part in a request was: who answered, and how long each step took.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::HeaderValue;
use weir_proto::origin::Attempt;

use crate::metrics::Metrics;
use crate::variables::application_work::ApplicationWork;

#[derive(Debug)]
pub(crate) struct Upstream {
    asked: Instant,
    /// The servers that were tried before.
    pub(crate) earlier: Vec<Attempt>,
    /// The server that answered, as in the settings; empty if none did.
    pub(crate) server: String,
    /// The status of its reply; 0: there was none.
    pub(crate) status: u16,
    /// How long it took to connect; `None`: no server was reached.
    pub(crate) connect: Option<Duration>,
    /// How long it took until the head of its reply was here, or its failure.
    pub(crate) head: Duration,
    /// How long it took until the end of its reply was here.
    whole: OnceLock<Duration>,
    /// What the application says of its own work.
    work: Option<HeaderValue>,
}

/// Notes what the application did when no visitor waited for it.
pub(crate) trait BackgroundRecorder: std::fmt::Debug + Send + Sync {
    fn refreshed(&self, upstream: &Upstream);
}

impl Upstream {
    /// A reply whose head is here.
    pub(crate) fn replied(
        asked: Instant,
        (server, status): (String, u16),
        connect: Duration,
        earlier: Vec<Attempt>,
    ) -> Self {
        let (head, connect) = (asked.elapsed(), Some(connect));
        Self { asked, earlier, server, status, connect, head, whole: OnceLock::new(), work: None }
    }

    pub(crate) fn saying(self, work: Option<HeaderValue>) -> Self {
        Self { work, ..self }
    }

    /// What the application says of its own work.
    pub(crate) fn work(&self) -> ApplicationWork<'_> {
        self.work.as_ref().map(|field| ApplicationWork::of(field.as_bytes())).unwrap_or_default()
    }

    /// It failed before it replied.
    pub(crate) fn failed(asked: Instant, server: String, earlier: Vec<Attempt>) -> Self {
        let head = asked.elapsed();
        Self {
            asked,
            earlier,
            server,
            status: 0,
            connect: None,
            head,
            whole: OnceLock::from(head),
            work: None,
        }
    }

    /// Counts it for the server that answered, or failed.
    pub(crate) fn count(&self, metrics: &Metrics, pool: Option<&str>) {
        if !self.server.is_empty() {
            let is_error = self.status == 0 || self.status >= 500;
            metrics.servers.answered((pool.unwrap_or("-"), &self.server), self.head, is_error);
        }
    }

    /// The reply has come to its end, or broke off.
    pub(crate) fn end(&self) {
        self.whole.get_or_init(|| self.asked.elapsed());
    }

    /// How long the whole reply took, or has taken until now.
    pub(crate) fn whole(&self) -> Duration {
        self.whole.get().copied().unwrap_or_else(|| self.asked.elapsed())
    }
}
