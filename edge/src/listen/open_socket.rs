//! A socket on its way to where its connections are accepted.

use std::sync::Arc;

use process::shutdown::Shutdown;

/// A socket to accept on.
pub(crate) struct OpenSocket {
    pub(crate) listener: std::net::TcpListener,
    /// As in the settings.
    pub(crate) address: Arc<str>,
    /// Told when the socket is to be closed; with the process at the latest.
    pub(crate) closing: Shutdown,
}
