//! The application's reply to a request that goes on elsewhere: it has named another location
//! (X-Accel-Redirect), or a page answers in place of its error.

use std::time::Duration;

use http::HeaderMap;
use weir_proto::origin::Attempt;

use crate::variables::application_work::ApplicationWork;
use crate::variables::facts::UpstreamFacts;

#[derive(Debug, Default)]
pub(crate) struct EarlierReply {
    /// The fields that it came with; none if there was no reply.
    pub(crate) fields: HeaderMap,
    /// It has named where the request goes on.
    pub(crate) names_place: bool,
    /// The status that the answer in its place will have, if that is known.
    pub(crate) status: Option<u16>,
    /// Who made it; `None`: nobody was asked.
    pub(crate) upstream: Option<EarlierUpstream>,
}

/// What the application did for it.
#[derive(Debug)]
pub(crate) struct EarlierUpstream {
    earlier: Vec<Attempt>,
    server: String,
    status: u16,
    connect: Option<Duration>,
    head: Duration,
    whole: Duration,
}

impl EarlierUpstream {
    pub(crate) fn of(facts: &UpstreamFacts<'_>) -> Self {
        Self {
            earlier: facts.earlier.to_vec(),
            server: facts.server.to_owned(),
            status: facts.status,
            connect: facts.connect,
            head: facts.head,
            whole: facts.whole,
        }
    }

    pub(crate) fn facts(&self) -> UpstreamFacts<'_> {
        UpstreamFacts {
            earlier: &self.earlier,
            server: &self.server,
            status: self.status,
            connect: self.connect,
            head: self.head,
            whole: self.whole,
            work: ApplicationWork::default(),
        }
    }
}
