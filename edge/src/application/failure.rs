//! Why there is no complete reply from the application, and whose fault it is.

use std::sync::OnceLock;

use tonic::Status;
use weir_proto::origin::{Attempt, Kind};

use crate::request::body::BodyFault;

/// Why there is no complete reply from the application.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}{}", kind.as_str_name(), on(server))]
pub(crate) struct Failure {
    pub kind: Kind,
    pub server: String,
    pub detail: String,
    /// The application may have acted on the request.
    pub reached: bool,
    /// Seconds, in the case of OVERLOADED.
    pub retry_after: u32,
    /// What was wrong with the client's body, in the case of BAD_BODY.
    pub fault: Option<BodyFault>,
    /// The servers that were tried before.
    pub earlier: Vec<Attempt>,
    /// The client has its part of the application's places. Another's request may find one.
    pub is_the_clients: bool,
}

fn on(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" (server {server})") }
}

impl Failure {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (server, detail) = (String::new(), detail.into());
        let (reached, is_the_clients) = (false, false);
        Self {
            kind,
            server,
            detail,
            reached,
            retry_after: 0,
            fault: None,
            earlier: Vec::new(),
            is_the_clients,
        }
    }
}

impl From<weir_proto::origin::Failure> for Failure {
    fn from(failure: weir_proto::origin::Failure) -> Self {
        Self {
            kind: failure.kind(),
            server: failure.server,
            detail: failure.detail,
            reached: failure.reached,
            retry_after: failure.retry_after,
            fault: match failure.status {
                408 => Some(BodyFault::TooSlow),
                413 => Some(BodyFault::TooLarge),
                _ => None,
            },
            earlier: failure.earlier,
            is_the_clients: failure.client_share,
        }
    }
}

/// The call was lost with its connection. The adapter's own errors have other codes.
pub(super) fn is_lost(status: &Status) -> bool {
    use tonic::Code::{Cancelled, Internal, Unavailable, Unknown};
    matches!(status.code(), Unavailable | Unknown | Cancelled | Internal)
}

pub(super) fn from_status(status: Status) -> Failure {
    let kind = match status.code() {
        tonic::Code::DeadlineExceeded => Kind::Timeout,
        tonic::Code::ResourceExhausted => Kind::Overloaded,
        _ => Kind::Unreachable,
    };
    Failure::new(kind, format!("wsgi-adapter: {}", status.message()))
}

/// A body that did not arrive completely from the client explains every error after it.
pub(super) fn blame_client(mut failure: Failure, fault: &OnceLock<BodyFault>) -> Failure {
    if let Some(fault) = fault.get() {
        failure.kind = Kind::BadBody;
        failure.detail = fault.to_string();
        failure.fault = Some(*fault);
    }
    failure
}
