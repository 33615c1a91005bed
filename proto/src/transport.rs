//! The carrier of a call: a network channel, or the service itself in this process. Callers cannot tell
//! which.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::body::Body;
use tower::util::{BoxCloneSyncService, ServiceExt};

use crate::link::Channel;

/// The call did not reach the service, or its reply did not come back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(String);

impl TransportError {
    /// The error and its causes in one line.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
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
            let connection = connection.ok_or_else(|| TransportError("no connection".into()))?;
            connection.call(request).await
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
