//! One `Exchange` with a cache-node: an edge's dealings with one key, from the look-up to the end of a store.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use weir_proto::cache::cache_client::CacheClient;
use weir_proto::cache::{
    self, EntryHead, ExchangeReply, ExchangeRequest, Lease, LeaseReturn, LookupHit, PassReason, ReturnReason,
    exchange_reply, exchange_request,
};
use weir_proto::fields;
use weir_proto::joiners::{JoinerNews, Joiners};
use weir_proto::origin::{End, Joiner};
use weir_proto::transport::Transport;

use crate::cache_node::NodeFailure;

/// Messages that wait between a fill and the node.
const MESSAGES_AHEAD: usize = 4;

/// Why the node did not keep a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreRefusal {
    /// The node's own decision: the page is too large, has too many variants, the lease was lost, or a purge
    /// came.
    #[error("refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Gone(#[from] NodeFailure),
}

/// The answer to a look-up.
pub(crate) type Lookup = (Exchange, Answer, NodeWait);

/// What the node answered.
pub(crate) enum Answer {
    /// An entry. `Exchange::chunk` returns its body.
    Found(Box<LookupHit>),
    /// Ask the application.
    Lease(Lease),
    /// Go without the cache; remember it for so long.
    Pass(PassReason, Duration),
}

/// What an edge asks a node about one key.
pub(crate) struct Question<'a> {
    pub key: &'a [u8],
    /// The request's fields as the application would see them.
    pub fields: &'a HeaderMap,
    pub intent: Intent,
    /// A hit-for-miss mark does not count: this edge knows of it, and tries again.
    pub probe: bool,
    /// How long the node may keep the stream waiting for another's page.
    pub wait: Duration,
    /// Who waits for the answer here.
    pub joiners: &'a Joiners,
}

/// What the edge wants an answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A visitor waits for the page.
    Page,
    /// A stale copy is being served meanwhile.
    Refresh,
    /// The last reply could not be stored: try whether this one can.
    Probe,
}

impl Question<'_> {
    pub(super) fn to_message(&self) -> cache::Lookup {
        cache::Lookup {
            key: Bytes::copy_from_slice(self.key),
            fields: fields::from_headers(self.fields),
            wait_ms: u32::try_from(self.wait.as_millis()).unwrap_or(u32::MAX),
            refresh: self.intent == Intent::Refresh,
            probe: self.probe || self.intent == Intent::Probe,
            client: self.joiners.first(),
        }
    }
}

/// Why a lease is given back without a page.
pub(crate) enum ReturnCause<'a> {
    /// The reply may not be stored. Requests for its variant bypass the cache for `pass_for`.
    Uncacheable { vary: &'a [HeaderName], pass_for: Duration },
    /// The application failed. No edge refreshes the page for `pause`.
    Failed { pause: Duration },
}

/// Opens the exchange. `patience`: how long to wait for the node's first answer.
pub(super) async fn open(
    mut client: CacheClient<Transport>,
    lookup: cache::Lookup,
    joiners: &Joiners,
    patience: Duration,
) -> Result<Lookup, NodeFailure> {
    let wait = Duration::from_millis(lookup.wait_ms.into());
    let (requests, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let opened = async {
        let message = Some(exchange_request::Message::Lookup(lookup));
        let _ = requests.send(ExchangeRequest { message }).await;
        let replies = client.exchange(ReceiverStream::new(receiver)).await?.into_inner();
        let mut exchange = Exchange { requests, replies, patience };
        let first = exchange.replies.message().await?;
        Ok::<_, tonic::Status>((exchange, first))
    };
    let (mut exchange, first) = match timeout(patience, opened).await {
        Ok(answered) => answered.map_err(|status| NodeFailure(status.message().to_owned()))?,
        Err(_) => return Err(NodeFailure(format!("no answer within {patience:?}"))),
    };
    let (answer, waited) = match message(first)? {
        exchange_reply::Message::Wait(said) => {
            let news = said.takes_joined.then(|| joiners.news());
            (exchange.waited(wait + patience, news).await?, NodeWait::Yes)
        }
        other => (other, NodeWait::No),
    };
    let answer = match answer {
        exchange_reply::Message::Found(found) => Answer::Found(Box::new(found)),
        exchange_reply::Message::Lease(lease) => Answer::Lease(lease),
        exchange_reply::Message::Pass(pass) => {
            Answer::Pass(pass.reason(), Duration::from_millis(pass.for_ms))
        }
        _ => return Err(NodeFailure("an answer out of order".into())),
    };
    Ok((exchange, answer, waited))
}

/// Whether the answer waited for another stream's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeWait {
    Yes,
    No,
}

/// An open stream to the node about one key. Dropping it releases a lease that it holds.
pub(crate) struct Exchange {
    requests: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<ExchangeReply>,
    patience: Duration,
}

impl Exchange {
    /// The next chunk of the found entry's body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, NodeFailure>> {
        match self.reply(self.patience).await {
            Ok(exchange_reply::Message::Chunk(chunk)) => Some(Ok(chunk)),
            Ok(exchange_reply::Message::End(End {})) => None,
            Ok(_) => Some(Err(NodeFailure("an answer out of order".into()))),
            Err(gone) => Some(Err(gone)),
        }
    }

    /// Begins a store under the lease.
    pub(crate) async fn store(&mut self, head: EntryHead) -> Result<(), StoreRefusal> {
        self.send_piece(exchange_request::Message::Store(head)).await
    }

    pub(crate) async fn store_chunk(&mut self, chunk: Bytes) -> Result<(), StoreRefusal> {
        self.send_piece(exchange_request::Message::Chunk(chunk)).await
    }

    /// Ends a complete store.
    pub(crate) async fn store_end(mut self) -> Result<(), StoreRefusal> {
        self.send_piece(exchange_request::Message::End(End {})).await?;
        self.stored().await
    }

    /// A node may refuse a store before its end, and then closes the stream: such a node is not gone.
    async fn send_piece(&mut self, message: exchange_request::Message) -> Result<(), StoreRefusal> {
        match self.send(message).await {
            Ok(()) => Ok(()),
            Err(gone) => match self.stored().await {
                Err(refused @ StoreRefusal::Refused(_)) => Err(refused),
                _ => Err(StoreRefusal::Gone(gone)),
            },
        }
    }

    async fn stored(&mut self) -> Result<(), StoreRefusal> {
        match self.reply(self.patience).await? {
            exchange_reply::Message::Stored(stored) if stored.kept => Ok(()),
            exchange_reply::Message::Stored(stored) => Err(StoreRefusal::Refused(stored.detail)),
            _ => Err(StoreRefusal::Gone(NodeFailure("an answer out of order".into()))),
        }
    }

    /// Gives the lease back with the reason.
    pub(crate) async fn give_up(mut self, why: ReturnCause<'_>) -> Result<(), NodeFailure> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let give_up = match why {
            ReturnCause::Uncacheable { vary, pass_for } => LeaseReturn {
                why: ReturnReason::Uncacheable.into(),
                pass_ms: millis(pass_for),
                vary: vary.iter().map(|name| name.as_str().to_owned()).collect(),
                ..LeaseReturn::default()
            },
            ReturnCause::Failed { pause } => LeaseReturn {
                why: ReturnReason::Failed.into(),
                pause_ms: millis(pause),
                ..LeaseReturn::default()
            },
        };
        self.send(exchange_request::Message::GiveUp(give_up)).await?;
        // The node ends the stream when it has noted the reason. If the edge ended it first, it could be
        // reset before that.
        let _ = timeout(self.patience, async { while self.joined().await.is_some() {} }).await;
        Ok(())
    }

    /// The answer after a wait. Whoever makes the page hears who waits for it here.
    async fn waited(
        &mut self,
        limit: Duration,
        news: Option<JoinerNews>,
    ) -> Result<exchange_reply::Message, NodeFailure> {
        let Some(mut news) = news else { return self.reply(limit).await };
        let requests = self.requests.clone();
        let tell = async {
            loop {
                let joined = Joiner { client: news.next().await.to_string() };
                let message = Some(exchange_request::Message::Joined(joined));
                if requests.send(ExchangeRequest { message }).await.is_err() {
                    return NodeFailure("the stream is closed".into());
                }
            }
        };
        tokio::select! {
            biased;
            reply = self.reply(limit) => reply,
            gone = tell => Err(gone),
        }
    }

    /// The next client that waits at another edge for the page of which this has the lease. `None`: nothing
    /// more is told. None is lost if the wait is given up.
    pub(crate) async fn joined(&mut self) -> Option<String> {
        match self.replies.message().await {
            Ok(Some(ExchangeReply { message: Some(exchange_reply::Message::Joined(joined)) })) => {
                Some(joined.client)
            }
            _ => None,
        }
    }

    async fn reply(&mut self, limit: Duration) -> Result<exchange_reply::Message, NodeFailure> {
        let answer = async {
            loop {
                match message(self.replies.message().await?) {
                    // Too late to be of use.
                    Ok(exchange_reply::Message::Joined(_)) => {}
                    answer => return Ok::<_, tonic::Status>(answer),
                }
            }
        };
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(status)) => Err(NodeFailure(status.message().to_owned())),
            Err(_) => Err(NodeFailure(format!("no answer within {limit:?}"))),
        }
    }

    async fn send(&self, message: exchange_request::Message) -> Result<(), NodeFailure> {
        let sending = self.requests.send(ExchangeRequest { message: Some(message) });
        match timeout(self.patience, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NodeFailure("the stream is closed".into())),
            Err(_) => Err(NodeFailure(format!("has accepted no data for {:?}", self.patience))),
        }
    }
}

fn message(reply: Option<ExchangeReply>) -> Result<exchange_reply::Message, NodeFailure> {
    reply.and_then(|reply| reply.message).ok_or_else(|| NodeFailure("the stream ended".into()))
}
