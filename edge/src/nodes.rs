//! The edge's view of the cache-nodes: one `Exchange` per dealing with a key. Knows no Redis.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use weir_proto::cache::cache_client::CacheClient;
use weir_proto::cache::{
    EntryHead, ExchangeReply, ExchangeRequest, Found, GiveUp, Lookup, PassReason, Why, exchange_reply,
    exchange_request,
};
use weir_proto::origin::{End, Field};
use weir_proto::transport::Transport;

/// Messages that wait between a fill and the node.
const MESSAGES_AHEAD: usize = 4;

/// The cache-node did not answer in time or at all: go on without it.
#[derive(Debug, thiserror::Error)]
#[error("cache-node: {0}")]
pub(crate) struct NodeGone(String);

/// Why the node did not keep a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// Its own decision: too large, too many variants, the lease was lost.
    #[error("refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Gone(#[from] NodeGone),
}

/// The cache-nodes this edge knows.
pub(crate) struct Nodes {
    clients: Vec<CacheClient<Transport>>,
    /// For a node's first answer.
    patience: Duration,
    /// How long a stream may be kept waiting for another's page.
    wait: Duration,
}

/// What the node answered.
pub(crate) enum Answer {
    /// An entry; its body follows by `Exchange::chunk`.
    Found(Found),
    /// Ask the application.
    Lease,
    /// Go without the cache; remember it for so long.
    Pass(PassReason, Duration),
}

impl Nodes {
    pub(crate) fn new(nodes: Vec<Transport>, patience: Duration, wait: Duration) -> Self {
        // A page travels in chunks; only a head is ever one message.
        let clients = nodes.into_iter().map(CacheClient::new).collect();
        Self { clients, patience, wait }
    }

    /// Opens the exchange about one key with the node the key belongs to.
    pub(crate) async fn lookup(
        &self,
        key: &[u8],
        fields: Vec<Field>,
        refresh: bool,
    ) -> Result<(Exchange, Answer, Waited), NodeGone> {
        self.lookup_within(key, fields, refresh, self.wait).await
    }

    /// The same, kept waiting for another's page no longer than `wait`.
    pub(crate) async fn lookup_within(
        &self,
        key: &[u8],
        fields: Vec<Field>,
        refresh: bool,
        wait: Duration,
    ) -> Result<(Exchange, Answer, Waited), NodeGone> {
        let Some(client) = self.owner(key) else { return Err(NodeGone("none is configured".into())) };
        let lookup =
            Lookup { key: Bytes::copy_from_slice(key), fields, wait_ms: wait.as_millis() as u32, refresh };
        let (requests, receiver) = mpsc::channel(MESSAGES_AHEAD);
        let opened = async {
            let message = Some(exchange_request::Message::Lookup(lookup));
            let _ = requests.send(ExchangeRequest { message }).await;
            let replies = client.clone().exchange(ReceiverStream::new(receiver)).await?.into_inner();
            let mut exchange = Exchange { requests, replies, patience: self.patience };
            let first = exchange.replies.message().await?;
            Ok::<_, tonic::Status>((exchange, first))
        };
        let (mut exchange, first) = match timeout(self.patience, opened).await {
            Ok(answered) => answered.map_err(|status| NodeGone(status.message().to_owned()))?,
            Err(_) => return Err(NodeGone(format!("no answer within {:?}", self.patience))),
        };
        let (answer, waited) = match message(first)? {
            exchange_reply::Message::Wait(_) => (exchange.waited(wait + self.patience).await?, Waited::Yes),
            other => (other, Waited::No),
        };
        let answer = match answer {
            exchange_reply::Message::Found(found) => Answer::Found(found),
            exchange_reply::Message::Lease(_) => Answer::Lease,
            exchange_reply::Message::Pass(pass) => {
                Answer::Pass(pass.reason(), Duration::from_millis(pass.for_ms))
            }
            _ => return Err(NodeGone("an answer out of order".into())),
        };
        Ok((exchange, answer, waited))
    }

    /// Rendezvous hashing: every edge that knows the same nodes picks the same one, and a node that joins or leaves
    /// moves only its own keys.
    fn owner(&self, key: &[u8]) -> Option<&CacheClient<Transport>> {
        let score = |(index, _): &(usize, &CacheClient<Transport>)| {
            xxhash_rust::xxh3::xxh3_64_with_seed(key, *index as u64)
        };
        self.clients.iter().enumerate().max_by_key(score).map(|(_, client)| client)
    }
}

/// Whether the answer had to wait for another stream's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Yes,
    No,
}

/// An open stream to the node about one key. Dropping it frees a lease that it holds.
pub(crate) struct Exchange {
    requests: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<ExchangeReply>,
    patience: Duration,
}

impl Exchange {
    /// The next piece of the found entry's body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, NodeGone>> {
        match self.reply(self.patience).await {
            Ok(exchange_reply::Message::Chunk(chunk)) => Some(Ok(chunk)),
            Ok(exchange_reply::Message::End(End {})) => None,
            Ok(_) => Some(Err(NodeGone("an answer out of order".into()))),
            Err(gone) => Some(Err(gone)),
        }
    }

    /// Begins a store under the lease.
    pub(crate) async fn store(&mut self, head: EntryHead) -> Result<(), NotKept> {
        self.send_piece(exchange_request::Message::Store(head)).await
    }

    pub(crate) async fn store_chunk(&mut self, chunk: Bytes) -> Result<(), NotKept> {
        self.send_piece(exchange_request::Message::Chunk(chunk)).await
    }

    /// Ends a whole store.
    pub(crate) async fn store_end(mut self) -> Result<(), NotKept> {
        self.send_piece(exchange_request::Message::End(End {})).await?;
        self.stored().await
    }

    /// A node may refuse a store before its end, and closes the stream then: that is not a node that is gone.
    async fn send_piece(&mut self, message: exchange_request::Message) -> Result<(), NotKept> {
        match self.send(message).await {
            Ok(()) => Ok(()),
            Err(gone) => match self.stored().await {
                Err(refused @ NotKept::Refused(_)) => Err(refused),
                _ => Err(NotKept::Gone(gone)),
            },
        }
    }

    async fn stored(&mut self) -> Result<(), NotKept> {
        match self.reply(self.patience).await? {
            exchange_reply::Message::Stored(stored) if stored.kept => Ok(()),
            exchange_reply::Message::Stored(stored) => Err(NotKept::Refused(stored.detail)),
            _ => Err(NotKept::Gone(NodeGone("an answer out of order".into()))),
        }
    }

    /// Gives the lease back with the reason.
    pub(crate) async fn give_up(mut self, why: Why, pass: Duration) -> Result<(), NodeGone> {
        let give_up = GiveUp { why: why.into(), pass_ms: pass.as_millis() as u64 };
        self.send(exchange_request::Message::GiveUp(give_up)).await?;
        // The node ends the stream when it has taken note; one that we end first might be reset before that.
        let _ = timeout(self.patience, self.replies.message()).await;
        Ok(())
    }

    async fn waited(&mut self, limit: Duration) -> Result<exchange_reply::Message, NodeGone> {
        self.reply(limit).await
    }

    async fn reply(&mut self, limit: Duration) -> Result<exchange_reply::Message, NodeGone> {
        match timeout(limit, self.replies.message()).await {
            Ok(Ok(reply)) => message(reply),
            Ok(Err(status)) => Err(NodeGone(status.message().to_owned())),
            Err(_) => Err(NodeGone(format!("no answer within {limit:?}"))),
        }
    }

    async fn send(&self, message: exchange_request::Message) -> Result<(), NodeGone> {
        let sending = self.requests.send(ExchangeRequest { message: Some(message) });
        match timeout(self.patience, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NodeGone("the stream is closed".into())),
            Err(_) => Err(NodeGone(format!("takes nothing for {:?}", self.patience))),
        }
    }
}

fn message(reply: Option<ExchangeReply>) -> Result<exchange_reply::Message, NodeGone> {
    reply.and_then(|reply| reply.message).ok_or_else(|| NodeGone("the stream ended".into()))
}
