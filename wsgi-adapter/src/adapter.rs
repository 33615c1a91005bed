//! The gRPC service: one `Fetch` is one request to the application.

use process::shutdown::Shutdown;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::origin::{FetchReply, FetchRequest, origin_server};

use crate::config::Config;
use crate::metrics::Metrics;

/// Answers `weir.origin.Origin`.
#[derive(Debug)]
pub struct Adapter {}

impl Adapter {
    pub(crate) fn new(_config: &Config, _metrics: &Metrics, _shutdown: &Shutdown) -> Self {
        Self {}
    }
}

#[tonic::async_trait]
impl origin_server::Origin for Adapter {
    type FetchStream = ReceiverStream<Result<FetchReply, Status>>;

    async fn fetch(
        &self,
        _request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
