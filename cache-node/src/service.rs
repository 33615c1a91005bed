//! `Exchange`: one stream is one request's dealings with the cache, from the lookup to the end of a store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::cache::cache_server::Cache;
use weir_proto::cache::exchange_request::Message;
use weir_proto::cache::{
    ExchangeReply, ExchangeRequest, Lookup, PurgeReply, PurgeRequest, WatchReply, WatchRequest,
};

use crate::error::Refusal;
use crate::exchange::lease::Ended;
use crate::exchange::look_up::{Answer, Asked, answer};
use crate::exchange::receive::{Requests, hold};
use crate::exchange::replies::{AHEAD, Replies};
use crate::node::Parts;
use crate::{purge_order, watch};

/// For the first message.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// One cache-node: the service behind `weir.cache.Cache`.
pub struct Node {
    pub(crate) parts: Arc<Parts>,
}

#[tonic::async_trait]
impl Cache for Node {
    type ExchangeStream = ReceiverStream<Result<ExchangeReply, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let parts = self.parts.clone();
        let Ok(place) = parts.streams.clone().try_acquire_owned() else {
            return Err(Refusal::TooManyStreams(parts.config.max_streams).into());
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let mut replies = Replies::new(sender, parts.config.send_timeout.0);
        // A task of its own: a store that has arrived whole is finished also if the edge leaves.
        self.parts.shutdown.spawn(async move {
            let _place = place;
            parts.metrics.streams.inc();
            if let Err(refusal) = talk(&parts, request.into_inner(), &mut replies).await {
                replies.refuse(refusal).await;
            }
            parts.metrics.streams.dec();
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type WatchStream = ReceiverStream<Result<WatchReply, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let parts = self.parts.clone();
        let Ok(place) = parts.streams.clone().try_acquire_owned() else {
            return Err(Refusal::TooManyStreams(parts.config.max_streams).into());
        };
        let (sender, receiver) = mpsc::channel(watch::AHEAD);
        self.parts.shutdown.spawn(async move {
            let _place = place;
            parts.metrics.watches.inc();
            if let Err(refusal) = watch::watch(&parts, request.into_inner(), sender.clone()).await {
                let _ = sender.try_send(Err(refusal.into()));
            }
            parts.metrics.watches.dec();
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn purge(&self, request: Request<PurgeRequest>) -> Result<Response<PurgeReply>, Status> {
        let shown = request.metadata().get("authorization").map(MetadataValue::as_bytes);
        self.parts.authority.check(shown).await.map_err(Refusal::MayNotPurge)?;
        Ok(Response::new(purge_order::purge(&self.parts, request.into_inner()).await?))
    }
}

async fn talk(node: &Arc<Parts>, mut requests: Requests, replies: &mut Replies) -> Result<(), Refusal> {
    let asked = Arc::new(Asked::new(read_lookup(&mut requests).await?, node.config.max_wait.0)?);
    let answer = answer(node, asked.clone(), replies).await;
    node.metrics.lookup(answer.counted_as(), replies.waited());
    let lead = match answer {
        Answer::Found(entry, usage) => return replies.found(&entry, usage, None).await,
        Answer::Pass(reason, pass_for) => return replies.pass(reason, pass_for).await,
        Answer::Left => return Ok(()),
        Answer::Lease(lead) => {
            replies.lease(lead.grant()).await?;
            lead
        }
        Answer::FoundToRefresh(entry, usage, mut lead) => {
            let grant = lead.grant();
            lead.alive_for(replies.found(&entry, usage, grant))
                .await
                .map_err(|Ended| Refusal::SlowReader)??;
            lead
        }
    };
    hold(node, &asked, lead, &mut requests, replies).await
}

async fn read_lookup(requests: &mut Requests) -> Result<Lookup, Refusal> {
    let first = timeout(LOOKUP_TIMEOUT, requests.message()).await;
    let first = first.map_err(|_| Refusal::LateLookup(LOOKUP_TIMEOUT))?.map_err(Refusal::BrokenOff)?;
    match first.and_then(|request| request.message) {
        Some(Message::Lookup(lookup)) => Ok(lookup),
        _ => Err(Refusal::NoLookup),
    }
}
