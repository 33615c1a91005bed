//! TLS to an `https://` server.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::ServerTlsConfig;
use crate::error::ServerError;

/// A pool's side of handshakes. Its files are read when the first is made.
#[derive(Debug)]
pub(crate) struct ServerTls {
    settings: ServerTlsConfig,
    client: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl ServerTls {
    pub(crate) fn new(settings: Option<&ServerTlsConfig>) -> Self {
        Self { settings: settings.cloned().unwrap_or_default(), client: OnceLock::new() }
    }

    /// The handshake, until `until` at the latest. `host`: that of the server's address.
    pub(crate) async fn secure(
        &self,
        tcp: TcpStream,
        host: &str,
        until: Instant,
    ) -> Result<TlsStream<TcpStream>, ServerError> {
        let client = self.client.get_or_init(|| self.settings.client().map_err(|(_, text)| text));
        let failed = |text: String| ServerError::Connect(io::Error::other(text));
        let client = client.clone().map_err(failed)?;
        let name = self.settings.name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
        let shaken = timeout_at(until, TlsConnector::from(client).connect(name, tcp)).await;
        shaken.map_err(|_| ServerError::ConnectTimeout)?.map_err(ServerError::Connect)
    }
}
