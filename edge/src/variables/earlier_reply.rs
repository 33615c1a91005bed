//! The application's reply to a request that goes on elsewhere: it has named another location
//! (X-Accel-Redirect), or a page answers in place of its error.

use std::time::Duration;

use http::HeaderMap;
use weir_proto::origin::Attempt;

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
    pub(super) earlier: Vec<Attempt>,
    pub(super) server: String,
    pub(super) status: u16,
    pub(super) connect: Option<Duration>,
    pub(super) head: Duration,
    pub(super) whole: Duration,
}
