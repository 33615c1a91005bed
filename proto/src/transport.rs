//! The carrier of a call: a network channel, or the service itself in this process. Callers cannot tell
//! which.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{ConnectError, Status};
use tower::util::{BoxCloneSyncService, ServiceExt};

/// The call did not reach the service, or its reply did not come back.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct TransportError {
    text: String,
    is_connected: bool,
}

impl TransportError {
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let is_connected = !causes(error).any(|cause| cause.is::<ConnectError>());
        Self { text: describe(error), is_connected }
    }

    /// Tells whether a call failed on a connection that was there: its peer drains, or has just ended.
    pub fn was_connected(status: &Status) -> bool {
        let lost = causes(status).find_map(|cause| cause.downcast_ref::<Self>());
        lost.is_some_and(|lost| lost.is_connected)
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
            let connection = connection
                .ok_or_else(|| TransportError { text: "no connection".to_owned(), is_connected: false })?;
            connection.oneshot(request).await.map_err(|error| TransportError::of(&error))
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

/// The error and its causes in one line: tonic's own text is just "transport error".
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error itself first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
