//! `Exchange`: one stream is one request's dealings with the cache, from the lookup to the end of a store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::cache::cache_server::Cache;
use weir_proto::cache::exchange_request::Message;
use weir_proto::cache::{ExchangeReply, ExchangeRequest, Lookup};

use crate::error::Refusal;
use crate::hold::{Requests, hold};
use crate::lease::Ended;
use crate::lookup::{Answer, Asked, answer};
use crate::node::Parts;
use crate::replies::{AHEAD, Replies};

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
}

async fn talk(node: &Arc<Parts>, mut requests: Requests, replies: &mut Replies) -> Result<(), Refusal> {
    let asked = Arc::new(Asked::new(read_lookup(&mut requests).await?, node.config.max_wait.0)?);
    let answer = answer(node, asked.clone(), replies).await;
    node.metrics.lookup(answer.counted_as(), replies.waited());
    let lead = match answer {
        Answer::Found(entry, usage) => return replies.found(&entry, usage, false).await,
        Answer::Pass(reason, pass_for) => return replies.pass(reason, pass_for).await,
        Answer::Left => return Ok(()),
        Answer::Lease(lead) => {
            replies.lease().await?;
            lead
        }
        Answer::FoundToRefresh(entry, usage, mut lead) => {
            lead.alive_for(replies.found(&entry, usage, true))
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
