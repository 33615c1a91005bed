//! Everything that can go wrong with a request to the application: who is to blame, and what the edge is
//! told. Failures and statuses are made here and nowhere else.

use std::io;
use std::time::Duration;

use cgi::environ::{EnvironRefusal, OversizedRequest};
use http1::reply::BadReply;
use http1::reply::body::BrokenBody;
use tonic::Status;
use weir_proto::origin::{Attempt, Failure, Kind};

use crate::config::PoolConfig;

/// Why there is no (whole) reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The caller broke the contract.
    #[error("{0}")]
    Contract(String),
    #[error("there is no pool \"{0}\" in the adapter's settings")]
    UnknownPool(String),
    #[error(
        "the pool has no variable_sets.{0} in the adapter's settings, which the location names as its `variables`"
    )]
    UnknownVariables(String),
    #[error("{0}; {advice}", advice = advice(.0))]
    TooLarge(OversizedRequest),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Full(#[from] PoolFull),
    #[error("the request's body cannot be kept in a temporary file: {0}")]
    Storage(#[source] io::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the edge takes no more of the reply")]
    Unread,
    #[error(
        "the client takes the reply slowly, there is no room to put it aside, and others wait for its place"
    )]
    SlowReader,
    #[error("the request has been here {0} times already: the pool's server leads back to this edge")]
    Loop(usize),
}

/// A request that got no (whole) reply.
#[derive(Debug)]
pub(crate) struct FetchFailure {
    pub(crate) error: Error,
    /// The server that failed, empty if none was chosen.
    pub(crate) server: String,
    /// Bytes of the request reached a server.
    pub(crate) reached: bool,
    /// The servers that failed before it.
    pub(crate) earlier: Vec<Attempt>,
}

impl<E: Into<Error>> From<E> for FetchFailure {
    fn from(error: E) -> Self {
        Self { error: error.into(), server: String::new(), reached: false, earlier: Vec::new() }
    }
}

/// The pool has as many requests as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolFull {
    #[error("every server is busy (max_in_flight, max_conns) and queue.length requests wait already")]
    Queue,
    #[error(
        "every server was busy (max_in_flight, max_conns) for the whole of queue.timeout, or until the edge's deadline"
    )]
    TooLong,
    #[error("no server may be tried now: each has failed (breaker), is down, drained or removed")]
    Barred(Option<Duration>),
    #[error(
        "max_uploads request bodies are being received already, and stayed so for the whole of queue.timeout"
    )]
    Uploads,
    #[error(
        "max_tunnels tunnels and event streams are open already, or as many as the limit on open files allows"
    )]
    Tunnels,
    #[error("the client has its part of the pool already (client_share)")]
    Client,
}

impl PoolFull {
    /// The reason's label in metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Queue => "queue_full",
            Self::TooLong => "queue_timeout",
            Self::Barred(_) => "no_server",
            Self::Uploads => "uploads",
            Self::Tunnels => "tunnels",
            Self::Client => "client_share",
        }
    }
}

/// The client, or the edge between, is to blame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the request's body broke off")]
    BrokeOff,
    #[error("the request's body stalled (body_timeout)")]
    Stalled,
    #[error("the request's body is slower than body_rate")]
    Slow,
    #[error("the request's body is shorter than its length")]
    TooShort,
    #[error("the request's body is longer than its length")]
    TooLong,
    #[error("the request's body is larger than max_body, {0} bytes")]
    TooLarge(u64),
}

/// A server is to blame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("its name cannot be looked up: {0}")]
    Lookup(#[source] io::Error),
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("it is busy: its listen queue is full, or it says so; or this process has no descriptor left")]
    Busy,
    #[error("refused the request: it does not play FastCGI's responder role")]
    Refused,
    #[error("does not speak FastCGI: {0}")]
    NotFastCgi(#[from] fastcgi::record::MalformedRecord),
    #[error("cannot connect in time (connect_timeout)")]
    ConnectTimeout,
    #[error("took no more of the request in time (send_timeout)")]
    SendTimeout,
    #[error("did not reply in time (read_timeout, the location's timeout, or the edge's deadline)")]
    ReplyTimeout,
    #[error("closed the connection without a reply")]
    Closed,
    #[error("the connection broke before a reply: {0}")]
    Lost(#[source] io::Error),
    #[error("closed the connection within the reply's head")]
    CutHead,
    #[error(transparent)]
    BadReply(#[from] BadReply),
    // From here on the edge has the reply's head.
    #[error(transparent)]
    Broken(#[from] BrokenBody),
    #[error("the connection broke within the reply's body: {0}")]
    BodyLost(#[source] io::Error),
    #[error("the reply's body stalled (read_timeout, or the location's timeout)")]
    BodyTimeout,
}

impl Error {
    /// As the contract names it. `None`: the caller is at fault and gets a gRPC status.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Contract(_) => return None,
            Self::UnknownPool(_) | Self::UnknownVariables(_) => Kind::UnknownPool,
            Self::TooLarge(_) => Kind::HeadTooLarge,
            Self::Body(_) => Kind::BadBody,
            Self::Full(_) | Self::Storage(_) => Kind::Overloaded,
            Self::Server(error) => error.kind(),
            Self::Unread | Self::SlowReader => Kind::Timeout,
            Self::Loop(_) => Kind::Loop,
        })
    }

    /// The kind's name in logs and metrics.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind() {
            None => "contract",
            Some(Kind::Unspecified) => "unspecified",
            Some(Kind::UnknownPool) => "unknown_pool",
            Some(Kind::Unreachable) => "unreachable",
            Some(Kind::Timeout) => "timeout",
            Some(Kind::BadReply) => "bad_reply",
            Some(Kind::CutOff) => "cut_off",
            Some(Kind::HeadTooLarge) => "head_too_large",
            Some(Kind::Overloaded) => "overloaded",
            Some(Kind::BadBody) => "bad_body",
            Some(Kind::Loop) => "loop",
        }
    }

    /// A failure that counts against the server (`max_fails`). As in nginx one within the reply's body does
    /// not.
    pub(crate) fn marks_server(&self) -> bool {
        let Self::Server(error) = self else {
            return false;
        };
        !matches!(
            error,
            ServerError::Busy | ServerError::Broken(_) | ServerError::BodyLost(_) | ServerError::BodyTimeout
        )
    }

    pub(crate) fn status(&self) -> Status {
        Status::invalid_argument(self.to_string())
    }

    /// `server`: the one that failed, empty if none was chosen. `reached`: bytes of the request reached one.
    pub(crate) fn failure(
        &self,
        kind: Kind,
        server: &str,
        reached: bool,
        pool: Option<&PoolConfig>,
    ) -> Failure {
        let wait = match self {
            // When the first server may be tried again.
            Self::Full(PoolFull::Barred(Some(after))) => after.as_secs() + 1,
            // In that time the whole queue will have been served, or given up.
            _ => pool.map_or(0, |pool| pool.queue.timeout.0.as_secs()),
        };
        let retry_after = u32::try_from(wait.clamp(1, 60)).unwrap_or(1);
        Failure {
            kind: kind.into(),
            server: server.to_owned(),
            detail: self.to_string(),
            reached,
            retry_after: if kind == Kind::Overloaded { retry_after } else { 0 },
            earlier: Vec::new(),
            status: match self {
                Self::Body(error) => error.status(),
                _ => 0,
            },
            client_share: matches!(self, Self::Full(PoolFull::Client)),
        }
    }
}

impl BodyError {
    /// What the client is told, if not 400.
    fn status(&self) -> u32 {
        match self {
            Self::Stalled | Self::Slow => 408,
            Self::TooLarge(_) => 413,
            Self::BrokeOff | Self::TooShort | Self::TooLong => 0,
        }
    }
}

impl From<EnvironRefusal> for Error {
    fn from(refused: EnvironRefusal) -> Self {
        match refused {
            EnvironRefusal::TooLarge(error) => Self::TooLarge(error),
            EnvironRefusal::Invalid(_) | EnvironRefusal::Path(_) => Self::Contract(refused.to_string()),
        }
    }
}

impl ServerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Lookup(_) | Self::Connect(_) => Kind::Unreachable,
            Self::Busy => Kind::Overloaded,
            Self::ConnectTimeout | Self::SendTimeout | Self::ReplyTimeout | Self::BodyTimeout => {
                Kind::Timeout
            }
            Self::Closed
            | Self::Lost(_)
            | Self::CutHead
            | Self::BadReply(_)
            | Self::Refused
            | Self::NotFastCgi(_) => Kind::BadReply,
            Self::Broken(_) | Self::BodyLost(_) => Kind::CutOff,
        }
    }
}

/// What whoever runs the application can do about it.
fn advice(error: &OversizedRequest) -> &'static str {
    match error {
        OversizedRequest::Packet => "the client has to send less, fewer cookies perhaps",
        OversizedRequest::Block { .. } => {
            "raise buffer_size of this pool and buffer-size of uWSGI to the same value, 65535 at most"
        }
        OversizedRequest::Variables { .. } => {
            "raise max_vars of this pool if its servers take more (uWSGI takes 128)"
        }
    }
}
