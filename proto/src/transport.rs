//! The carrier of a call: a network channel, or the service itself in this process. Callers cannot tell
//! which.

use std::convert::Infallible;
use std::error::Error;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::Status;
use tonic::body::Body;
use tower::util::{BoxCloneSyncService, ServiceExt};

use crate::link::Channel;

/// The call did not reach the service, or its reply did not come back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct TransportError {
    text: String,
    was_connected: bool,
}

impl TransportError {
    /// Nobody answers at the peer's address.
    pub(crate) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        Self { text: described(error), was_connected: false }
    }

    /// A connection that was there has failed.
    pub(crate) fn lost(error: &(dyn Error + 'static)) -> Self {
        Self { text: described(error), was_connected: true }
    }

    /// Tells whether a call failed on a connection that was there: its peer drains, or has just ended.
    pub fn was_connected(status: &Status) -> bool {
        let lost = causes(status).find_map(|cause| cause.downcast_ref::<Self>());
        lost.is_some_and(|lost| lost.was_connected)
    }
}

/// Carries a gRPC request to a service and its reply back. Cheap to clone. Has no deadline of its own:
/// callers bound every wait.
pub type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, TransportError>;

/// A network transport to one peer. It uses several connections in turn, because one HTTP/2 connection has a
/// limit of its own.
pub fn network(connections: Vec<Channel>) -> Transport {
    let connections = Arc::new(connections);
    let turn = Arc::new(AtomicUsize::new(0));
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let chosen = turn.fetch_add(1, Ordering::Relaxed) % connections.len().max(1);
        let connection = connections.get(chosen).cloned();
        async move {
            let none = || TransportError { text: "no connection".to_owned(), was_connected: false };
            connection.ok_or_else(none)?.call(request).await
        }
    }))
}

/// A service in this process: no socket, no framing, the same messages.
pub fn in_process<S>(service: S) -> Transport
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service.map_err(|never| match never {}))
}

/// The error and its causes in one line.
fn described(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error itself first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}
