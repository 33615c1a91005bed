//! The client's end: a channel whose connections show a certificate and ask for one.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{Tls, TlsError, bad_name, server_name};

/// A channel that connects at the first call. With `tls`, it connects only to a server whose certificate is
/// for `host` (or for `peer_name` of the settings), whatever the address in `endpoint` is. The endpoint's
/// `connect_timeout` includes the handshake.
pub fn lazily(endpoint: &Endpoint, tls: Option<&Arc<Tls>>, host: &str) -> Result<Channel, TlsError> {
    let Some(tls) = tls else { return Ok(endpoint.connect_lazy()) };
    let name = match &tls.peer_name {
        Some(name) => name.clone(),
        None => server_name(host).ok_or_else(|| bad_name(host))?,
    };
    let tls = tls.clone();
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |uri| {
        let (tls, name) = (tls.clone(), name.clone());
        async move { dial(&uri, &tls, name).await.map(TokioIo::new) }
    })))
}

async fn dial(uri: &Uri, tls: &Tls, name: ServerName<'static>) -> io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(tls.client()).connect(name, stream).await
}
