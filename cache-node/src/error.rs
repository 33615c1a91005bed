//! What goes wrong with an Exchange, and the gRPC status for it. No other file makes a status.

use admin::Denial;
use tonic::{Code, Status};

/// Each says who is to blame. None says anything about the page: the edge goes on without the cache.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The edge is to blame.
    #[error("the first message must be a lookup")]
    NoLookup,
    /// The edge is to blame.
    #[error("no lookup came within {0:?}")]
    LateLookup(std::time::Duration),
    /// The edge is to blame.
    #[error("the key is empty or longer than {0} bytes")]
    BadKey(usize),
    /// The edge is to blame.
    #[error("a field of the lookup is not valid HTTP")]
    BadField,
    /// The edge is to blame.
    #[error("neither a bucket with an interval nor a place is to be counted")]
    BadLimit,
    /// The edge is to blame.
    #[error("a message out of order: {0}")]
    OutOfOrder(&'static str),
    /// Nobody is to blame: more streams are open than the settings allow. Later there may be room.
    #[error("{0} streams are open already; raise cache_node.max_streams or add a node")]
    TooManyStreams(usize),
    /// Nobody is to blame: the stream came when the node had ended its last one. Another node answers.
    #[error("the node is leaving")]
    Leaving,
    /// The edge or the network is to blame.
    #[error("the edge does not read its answer")]
    SlowReader,
    /// The client that asked for the purge is to blame.
    #[error("{0}")]
    BadPurge(purge::InvalidPurge),
    /// The token is the operator's to set, the same for edges and nodes.
    #[error(
        "no purge without the token of `cache_node.admin_token_file`, which `edge.admin_token_file` must hold too: {0}"
    )]
    MayNotPurge(Denial),
    /// Likewise.
    #[error(
        "no secrets without the token of `cache_node.admin_token_file`, which `edge.admin_token_file` must hold too: {0}"
    )]
    NoSecrets(Denial),
    /// The edge is to blame.
    #[error("the name of a secret has 1 to {0} bytes, and the secret at most {1}")]
    BadSecret(usize, usize),
    /// Nobody is to blame. In memory alone it could not be true for all.
    #[error("secrets are in Redis, which cannot be reached: {0}")]
    SecretsAway(String),
    /// The operator is to blame: without Redis there is room for few.
    #[error("{0} secrets are kept already, which is the most in memory: set `cache_node.redis`")]
    TooManySecrets(usize),
    /// The edge left, or the connection to it broke.
    #[error("the stream broke off: {0}")]
    BrokenOff(Status),
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NoLookup
            | Refusal::BadKey(_)
            | Refusal::BadField
            | Refusal::BadLimit
            | Refusal::BadSecret(..)
            | Refusal::BadPurge(_) => Code::InvalidArgument,
            Refusal::MayNotPurge(Denial::WrongToken) | Refusal::NoSecrets(Denial::WrongToken) => {
                Code::Unauthenticated
            }
            Refusal::MayNotPurge(Denial::NoToken | Denial::Unreadable)
            | Refusal::NoSecrets(Denial::NoToken | Denial::Unreadable) => Code::PermissionDenied,
            Refusal::OutOfOrder(_) => Code::FailedPrecondition,
            Refusal::LateLookup(_) | Refusal::SlowReader => Code::DeadlineExceeded,
            Refusal::TooManyStreams(_) | Refusal::TooManySecrets(_) => Code::ResourceExhausted,
            Refusal::Leaving | Refusal::SecretsAway(_) => Code::Unavailable,
            Refusal::BrokenOff(_) => Code::Cancelled,
        };
        Self::new(code, refusal.to_string())
    }
}
