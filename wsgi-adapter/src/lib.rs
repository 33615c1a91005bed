//! wsgi-adapter: takes requests from the edge over gRPC to the application's servers, and their replies back.
//!
//! The only part of Weir that knows uwsgi, FastCGI and which HTTP servers there are. [`run`] serves
//! `weir.origin.Origin` on the network, [`fetcher`] an edge in this process.

use std::sync::Arc;
use std::time::Duration;

use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use weir_proto::fetch::Fetcher;
use weir_proto::link::{self, LinkSettings};
use weir_proto::origin::origin_server::OriginServer;
use weir_proto::tls::{self, Tls, TlsConfig, TlsError};

mod adapter;
pub mod address;
mod api;
mod body_memory;
mod config;
mod deadline;
mod error;
mod exchange;
mod fetch;
mod metrics;
mod pool;
mod pools;
pub mod probe;
pub mod program;
mod replies;
mod request;
mod spans;

use adapter::Adapter;
pub use config::{
    AddedServers, Balance, BreakerConfig, CheckConfig, Config, EjectConfig, Flavour, HashKey,
    KeepaliveConfig, PoolConfig, QueueConfig, ReplyBufferConfig, RetryConfig, ServerConfig, ServerTlsConfig,
    Statuses, StickyConfig, VariableValue, Variables,
};
pub use pool::{PoolTally, StartError};
pub use pools::{FIXED, Pools, PoolsPlan};
use replies::ReplyReader;
#[doc(hidden)]
pub use request::fuzzed::pass_on;

/// Fetches under way on one connection. Beyond the pools' own limits they cost little: they are refused at
/// once.
const MAX_STREAMS: u32 = 10_000;
/// Fetches that an edge may cancel before they were begun, many clients leaving at once, without being taken
/// for an attack.
const MAX_RESETS: usize = 10_000;
/// Streams that an edge may break the rules of HTTP/2 in before its connection ends.
const MAX_BROKEN: usize = 1024;
/// A body comes in chunks of 64 KiB, a head is limited by the edge: anything larger is no edge.
const MAX_MESSAGE: usize = 1 << 20;
/// What an upload may have on its way that its server has not taken.
const STREAM_WINDOW: u32 = 256 << 10;
/// Has room for the windows of 4,096 uploads that no server takes: they must not stall the others.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// An edge that does not answer a ping within `PING_TIMEOUT` is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an adapter did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("wsgi_adapter.tls.{key}: {0}", key = .0.key)]
    Tls(#[from] TlsError),
}

/// The fetcher of an edge in this process.
pub fn fetcher(pools: &Pools, shutdown: &Shutdown) -> Arc<dyn Fetcher> {
    Arc::new(Adapter::new(pools, shutdown, ReplyReader::Here))
}

/// The service for a server on the network.
fn service(pools: &Pools, shutdown: &Shutdown) -> OriginServer<Adapter> {
    OriginServer::new(Adapter::new(pools, shutdown, ReplyReader::Network))
        .max_decoding_message_size(MAX_MESSAGE)
}

/// Serves on `listener`, with gRPC's health service beside it, until `shutdown` begins and the requests under
/// way have finished.
pub async fn run(
    pools: Pools,
    tls: Option<&TlsConfig>,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let incoming = tls::incoming(listener, Tls::watched(tls)?);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<OriginServer<Adapter>>().await;
    let draining = async {
        shutdown.draining().await;
        health.set_not_serving::<OriginServer<Adapter>>().await;
    };
    let settings = LinkSettings {
        max_streams: MAX_STREAMS,
        aborted_calls: MAX_RESETS,
        broken_streams: MAX_BROKEN,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        ping_every: PING_EVERY,
        ping_timeout: PING_TIMEOUT,
    };
    link::serve(incoming, (service(&pools, &shutdown), health_service), settings, draining).await;
    Ok(())
}
