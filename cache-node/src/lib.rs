//! The microcache all edges share: entries, leases, Redis behind them. Serves `proto/cache.proto`.

mod config;

pub use config::{Config, RedisConfig};

use std::pin::Pin;

use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::cache::cache_server::{Cache, CacheServer};
use weir_proto::cache::{ExchangeReply, ExchangeRequest};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("redis url: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("serving gRPC: {0}")]
    Serve(#[from] tonic::transport::Error),
}

#[derive(Clone, Default)]
pub struct Metrics;
impl Metrics {
    pub fn register(&self, _registry: &mut prometheus_client::registry::Registry) {}
}

pub struct Node;
#[tonic::async_trait]
impl Cache for Node {
    type ExchangeStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<ExchangeReply, Status>> + Send>>;
    async fn exchange(
        &self,
        _: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Err(Status::unimplemented("to come"))
    }
}

/// The node as a gRPC service, for `weir_proto::transport::in_process` or a server. Must be called within a tokio runtime.
pub fn service(
    _config: &Config,
    _metrics: &Metrics,
    _shutdown: &Shutdown,
) -> Result<CacheServer<Node>, RunError> {
    Ok(CacheServer::new(Node))
}

/// Serves the node on `listener` until `shutdown` begins and the streams under way have ended.
pub async fn run(
    config: Config,
    listener: TcpListener,
    metrics: Metrics,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let cache = service(&config, &metrics, &shutdown)?;
    tonic::transport::Server::builder()
        .add_service(cache)
        .serve_with_incoming_shutdown(incoming, shutdown.draining())
        .await?;
    Ok(())
}
