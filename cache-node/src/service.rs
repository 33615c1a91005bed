//! The calls of `proto/cache.proto`: each is handed to the room that serves it.

use std::option;
use std::sync::Arc;

use futures_util::stream::{self, Chain, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::cache::cache_server::Cache;
use weir_proto::cache::{
    EdgesReply, EdgesRequest, ExchangeReply, ExchangeRequest, LimitReply, LimitRequest, PurgeReply,
    PurgeRequest, SecretReply, SecretRequest, WatchReply, WatchRequest,
};

use crate::error::Refusal;
use crate::node::NodeState;
use crate::streams::OpenStream;
use crate::{exchange, purge_order, watch};

type ReplyMessage = Result<ExchangeReply, Status>;
type FirstAndRest = Chain<stream::Iter<option::IntoIter<ReplyMessage>>, ReceiverStream<ReplyMessage>>;

/// One cache-node: the service behind `weir.cache.Cache`.
pub struct Node {
    pub(crate) state: Arc<NodeState>,
}

impl Node {
    fn open(&self) -> Result<OpenStream, Refusal> {
        self.state.streams.open()
    }
}

#[tonic::async_trait]
impl Cache for Node {
    type ExchangeStream = FirstAndRest;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let (open, state) = (self.open()?, self.state.clone());
        let (sender, mut receiver) = mpsc::channel(exchange::AHEAD);
        // A task of its own: a store that has arrived whole is finished also if the edge leaves.
        self.state.shutdown.spawn(async move {
            let _open = open;
            state.metrics.streams.inc();
            state.exchanges.serve(request.into_inner(), sender).await;
            state.metrics.streams.dec();
        });
        // HTTP's head goes out with the first reply, in one packet.
        let first = stream::iter(receiver.recv().await);
        Ok(Response::new(first.chain(ReceiverStream::new(receiver))))
    }

    type WatchStream = ReceiverStream<Result<WatchReply, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (open, state) = (self.open()?, self.state.clone());
        let peer = request.remote_addr();
        let shown = request.metadata().get("authorization").map(MetadataValue::as_bytes);
        // Whoever may purge is believed to be an edge, and others may be led to it.
        let is_trusted = self.state.authority().check(shown).await.is_ok();
        let (sender, receiver) = mpsc::channel(watch::AHEAD);
        self.state.shutdown.spawn(async move {
            let _open = open;
            state.metrics.watches.inc();
            if let Err(refusal) =
                watch::watch(&state, request.into_inner(), sender.clone(), is_trusted.then_some(peer)).await
            {
                let _ = sender.try_send(Err(refusal.into()));
            }
            state.metrics.watches.dec();
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn purge(&self, request: Request<PurgeRequest>) -> Result<Response<PurgeReply>, Status> {
        let shown = request.metadata().get("authorization").map(MetadataValue::as_bytes);
        self.state.authority().check(shown).await.map_err(Refusal::MayNotPurge)?;
        Ok(Response::new(purge_order::purge(&self.state, request.into_inner()).await?))
    }

    async fn edges(&self, _: Request<EdgesRequest>) -> Result<Response<EdgesReply>, Status> {
        Ok(Response::new(self.state.edges.all()))
    }

    async fn limit(&self, request: Request<LimitRequest>) -> Result<Response<LimitReply>, Status> {
        let _open = self.open()?;
        Ok(Response::new(self.state.limits.answer(request.into_inner()).await?))
    }

    async fn secret(&self, request: Request<SecretRequest>) -> Result<Response<SecretReply>, Status> {
        let _open = self.open()?;
        let shown = request.metadata().get("authorization").map(MetadataValue::as_bytes);
        self.state.authority().check(shown).await.map_err(Refusal::NoSecrets)?;
        Ok(Response::new(self.state.secrets.answer(request.into_inner()).await?))
    }
}
