//! Connections to the other services over the network: lazy, pinged, given up on quickly.

use std::time::Duration;

use tonic::transport::Endpoint;
use weir_proto::transport::{self, Transport};

use crate::Peers;
use crate::config::PeersConfig;

/// Connections to each peer.
const CONNECTIONS: usize = 2;
const CONNECT: Duration = Duration::from_millis(500);
/// A peer that does not answer a ping for so long is gone: a half-open connection must not stall requests.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Pages and bodies move in 64 KiB chunks by the dozen.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The settings name a peer that is no URL.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is not a URL such as \"http://cache-node:7101\"")]
pub struct BadUrl {
    url: String,
}

impl Peers {
    /// Must be called within a runtime. Nothing is connected before the first call.
    pub fn connect(settings: &PeersConfig) -> Result<Self, BadUrl> {
        let all = |urls: &[String]| urls.iter().map(|url| connect(url)).collect::<Result<_, _>>();
        Ok(Self { cache_nodes: all(&settings.cache_node.0)?, wsgi_adapters: all(&settings.wsgi_adapter.0)? })
    }
}

fn connect(url: &str) -> Result<Transport, BadUrl> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| BadUrl { url: url.to_owned() })?;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .tcp_nodelay(true);
    Ok(transport::network((0..CONNECTIONS).map(|_| endpoint.connect_lazy()).collect()))
}
