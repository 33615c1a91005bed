//! Connections to the other services over the network: opened when needed, pinged, closed quickly when they
//! are dead.
//!
//! `look_up` resolves the names; who uses a connection is decided in `cache_node` and `application`.

pub(crate) mod look_up;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use weir_proto::fetch::Fetcher;
use weir_proto::link::ChannelSettings;
use weir_proto::tls::{self, Tls, TlsError};
use weir_proto::transport::{self, Transport};

use crate::settings::PeersConfig;

/// How many connections to each peer.
const CONNECTIONS: usize = 2;
const CONNECT: Duration = Duration::from_millis(500);
/// A peer that does not answer a ping within this time is gone: a half-open connection must not delay
/// requests.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// How many aborted calls h2 remembers for a second each, because their rest may still arrive.
const GIVEN_UP: usize = 10_000;
/// What a reply may have on its way that its client has not taken: pages and bodies move in chunks of 64 KiB.
const STREAM_WINDOW: u32 = 64 << 10;
/// Has room for the windows of 16,384 replies whose clients take nothing: they must not stall the others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The other services, in this process or on the network.
pub struct Peers {
    pub cache_nodes: CacheNodes,
    pub wsgi_adapters: WsgiAdapters,
}

/// Where the cache-nodes are.
pub enum CacheNodes {
    /// Connected nodes, each with the name that all edges know it by.
    Connected(Vec<(String, Transport)>),
    /// Every address that these names have, now and later.
    Named { urls: Vec<Uri>, tls: Option<Arc<Tls>> },
}

/// Where the wsgi-adapters are.
pub enum WsgiAdapters {
    /// Connected adapters, in this process.
    Connected(Vec<Arc<dyn Fetcher>>),
    /// Every address that these names have, now and later.
    Named { urls: Vec<Uri>, tls: Option<Arc<Tls>> },
}

/// Why a connection to these peers can never exist.
#[derive(Debug, thiserror::Error)]
pub enum BadPeer {
    #[error("`{0}` is not a URL such as \"http://cache-node:7101\"")]
    Url(String),
    #[error("edge.peers.tls.{key}: {0}", key = .0.key)]
    Tls(#[from] TlsError),
}

impl Peers {
    /// Must be called within a runtime. Nothing is connected before the first call.
    pub fn connect(settings: &PeersConfig) -> Result<Self, BadPeer> {
        let tls = Tls::watched(settings.tls.as_ref())?;
        let urls = |urls: &[String]| urls.iter().map(|url| parse(url)).collect::<Result<Vec<_>, _>>();
        let wsgi_adapters = urls(&settings.wsgi_adapter.0)?;
        // A name that no certificate can have is refused before any look-up.
        for url in &wsgi_adapters {
            connect(url, url, tls.as_ref())?;
        }
        Ok(Self {
            cache_nodes: CacheNodes::Named { urls: urls(&settings.cache_node.0)?, tls: tls.clone() },
            wsgi_adapters: WsgiAdapters::Named { urls: wsgi_adapters, tls },
        })
    }
}

fn parse(url: &str) -> Result<Uri, BadPeer> {
    url.parse().map_err(|_| BadPeer::Url(url.to_owned()))
}

/// Connects to one address of the name in `url`.
pub(crate) fn connect_to(
    url: &Uri,
    address: SocketAddr,
    tls: Option<&Arc<Tls>>,
) -> Result<Transport, BadPeer> {
    let target = Uri::builder().scheme(url.scheme_str().unwrap_or("http"));
    let target = target.authority(address.to_string()).path_and_query("/").build();
    connect(&target.map_err(|_| BadPeer::Url(url.to_string()))?, url, tls)
}

/// `url` has the name that the peer's certificate must have.
fn connect(target: &Uri, url: &Uri, tls: Option<&Arc<Tls>>) -> Result<Transport, BadPeer> {
    let settings = ChannelSettings {
        connect: CONNECT,
        ping_every: PING_EVERY,
        ping_timeout: PING_TIMEOUT,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        aborted_calls: GIVEN_UP,
    };
    let host = url.host().unwrap_or_default();
    let connections = (0..CONNECTIONS).map(|_| tls::lazily(target, settings, tls, host));
    Ok(transport::network(connections.collect::<Result<_, _>>()?))
}
