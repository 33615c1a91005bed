//! Takes fetches, each one request to the application, over the network or in this process.

use std::sync::Arc;
use std::time::Duration;

use process::shutdown::Shutdown;
use process::telemetry;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, Span, info, warn};
use weir_proto::fetch::{self, BodyMessages, Fetcher};
use weir_proto::origin::fetch_request::Message;
use weir_proto::origin::{Failure, FetchRequest, RequestHead, fetch_reply, origin_server};
use weir_proto::plain::PlainRequest;

use crate::error::{Error, FetchFailure};
use crate::fetch::{Fetch, PlainFetch};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::pools::Pools;
use crate::replies::inline_fetch::{InlineFetch, Work};
use crate::replies::{self, Replies, ReplyReader, ReplyStream};
use crate::spans;

/// The request's head is the first thing an edge sends.
const HEAD_WAIT: Duration = Duration::from_secs(10);

/// How long a fetch that is over waits for an edge that tells of nobody any more to say so.
const END_WAIT: Duration = Duration::from_secs(1);

/// Answers `weir.origin.Origin`.
#[derive(Debug)]
pub(crate) struct Adapter {
    pools: Pools,
    shutdown: Shutdown,
    reader: ReplyReader,
}

impl Adapter {
    pub(crate) fn new(pools: &Pools, shutdown: &Shutdown, reader: ReplyReader) -> Self {
        Self { pools: pools.clone(), shutdown: shutdown.clone(), reader }
    }

    /// A way back for the replies of a pool.
    fn channel(&self, pool: Option<&Pool>, reader: ReplyReader) -> (Replies, ReplyStream) {
        let limit = pool.map_or(0, |pool| pool.config.reply_buffer.memory.bytes());
        replies::channel(reader, limit, &self.pools.body_memory)
    }

    /// Resolves when a drain has begun and tunnels have had their time. An edge in the same process ends them
    /// itself.
    fn tunnels_end(&self) -> impl Future<Output = ()> + Send + 'static {
        let (shutdown, pools) = (self.shutdown.clone(), self.pools.clone());
        async move {
            shutdown.draining().await;
            tokio::time::sleep(pools.tunnel_drain()).await;
        }
    }

    /// All there is to do for one request.
    fn work(
        &self,
        mut head: RequestHead,
        pool: Option<Arc<Pool>>,
        rest: BodyMessages,
        replies: Replies,
    ) -> Work {
        let span = spans::of_fetch(&head);
        head.traceparent = spans::to_hand_on(&span, head.traceparent);
        let metrics = self.pools.metrics.clone();
        let reader = self.reader;
        let within = span.clone();
        let work = async move {
            let (rest, mut joiners) = match is_for_many(&head) {
                true => (nothing(), Some(rest)),
                false => (rest, None),
            };
            let fetched = match &pool {
                Some(pool) if pool.config.variables_of(&head.variables).is_none() => {
                    Err(Error::UnknownVariables(head.variables.clone()).into())
                }
                // The edge may leave before its end. The fetch sees it, and ends when its server is free
                // again.
                Some(pool) => match Fetch::prepare(pool, &head, rest, &replies).await {
                    Ok(fetch) => fetch.run(&span, &mut joiners).await,
                    Err(failed) => Err(failed),
                },
                None => Err(Error::UnknownPool(head.pool.clone()).into()),
            };
            if let Err(failed) = fetched {
                spans::failed(&span, &failed);
                if let ReplyReader::Network = reader {
                    log(&failed, &head, pool.as_deref());
                }
                tell(&failed, &head.pool, pool.as_deref(), &metrics, &replies).await;
            }
            if let (Some(joiners), ReplyReader::Network) = (joiners, reader) {
                read_to_end(joiners).await;
            }
        };
        // Boxed here: each function that it passed through would copy it.
        Box::pin(work.instrument(within))
    }
}

#[tonic::async_trait]
impl origin_server::Origin for Adapter {
    type FetchStream = InlineFetch;

    async fn fetch(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let mut messages = request.into_inner();
        let head = first_message(&mut messages).await.map_err(|error| error.status())?;
        let pool = self.pools.of(&head);
        let (replies, stream) = self.channel(pool.as_deref(), ReplyReader::Network);
        // An error ends the messages as an edge that leaves does.
        let rest = messages.map_while(Result::ok);
        let rest: BodyMessages = match head.upgrade.is_empty() {
            true => Box::pin(rest),
            false => Box::pin(futures_util::StreamExt::take_until(rest, Box::pin(self.tunnels_end()))),
        };
        let work = self.work(head, pool, rest, replies);
        let mut replies = InlineFetch::new(work, stream, ReplyReader::Network, self.shutdown.clone());
        // HTTP's head goes out with the first reply, in one packet.
        replies.begin().await;
        Ok(Response::new(replies))
    }
}

impl Fetcher for Adapter {
    fn fetch(&self, head: RequestHead, rest: BodyMessages) -> fetch::Replies {
        let pool = self.pools.of(&head);
        let (replies, stream) = self.channel(pool.as_deref(), ReplyReader::Here);
        Box::new(InlineFetch::new(
            self.work(head, pool, rest, replies),
            stream,
            ReplyReader::Here,
            self.shutdown.clone(),
        ))
    }

    fn fetch_plain(&self, request: &PlainRequest<'_>) -> Option<fetch::Replies> {
        if telemetry::exporting() {
            return None;
        }
        let pool = self.pools.plain(request.pool)?;
        let plain = PlainFetch::of(&pool, request)?;
        let (replies, stream) = self.channel(Some(&pool), ReplyReader::Here);
        let metrics = self.pools.metrics.clone();
        // Made where it is boxed: it is long.
        let work: Work = Box::pin(async move {
            if let Err(failed) = Fetch::plain(&pool, plain, &replies).run(&Span::none(), &mut None).await {
                tell(&failed, &pool.config.name, Some(&pool), &metrics, &replies).await;
            }
        });
        Some(Box::new(InlineFetch::new(work, stream, ReplyReader::Here, self.shutdown.clone())))
    }
}

async fn first_message(messages: &mut Streaming<FetchRequest>) -> Result<RequestHead, Error> {
    let message = timeout(HEAD_WAIT, messages.message()).await;
    match message.map(|message| message.ok().flatten().and_then(|message| message.message)) {
        Ok(Some(Message::Head(head))) => Ok(head),
        _ => Err(Error::Contract("a fetch begins with a request head".to_owned())),
    }
}

/// What follows the head tells who else waits for the reply.
fn is_for_many(head: &RequestHead) -> bool {
    head.shared && head.content_length == Some(0) && head.upgrade.is_empty()
}

fn nothing() -> BodyMessages {
    Box::pin(tokio_stream::empty())
}

/// A stream that the edge has not ended is reset after the reply, and what it sends then counts as a fault of
/// the connection.
async fn read_to_end(mut joiners: BodyMessages) {
    let _ = timeout(END_WAIT, async { while joiners.next().await.is_some() {} }).await;
}

/// Tells the log. An edge in the same process does so itself.
fn log(failed: &FetchFailure, head: &RequestHead, pool: Option<&Pool>) {
    let FetchFailure { error, server, reached, .. } = failed;
    let (name, kind) = (&head.pool, error.kind_name());
    if let Error::Unread = error {
        return tracing::debug!(pool = name, server, reached, "{error}");
    }
    if let Error::Body(_) = error {
        // Clients leave all the time.
        return info!(pool = name, server, kind, reached, "{error}");
    }
    let Some(pool) = pool else { return warn!(pool = name, kind, "{error}") };
    if let Some(more) = pool.repeated.happened(&format!("{server} {kind}")) {
        warn!(pool = name, server, kind, reached, more, "{error}");
    }
}

/// Tells the metrics and the edge.
async fn tell(failed: &FetchFailure, name: &str, pool: Option<&Pool>, metrics: &Metrics, replies: &Replies) {
    let FetchFailure { error, server, reached, earlier } = failed;
    if let Error::Unread = error {
        return;
    }
    let kind = error.kind_name();
    // A name that is not in the settings is no label: callers would make as many as they like.
    metrics.failure(if pool.is_some() { name } else { "" }, server, kind);
    let _ = match error.kind() {
        Some(kind) => {
            let failure = error.failure(kind, server, *reached, pool.map(|pool| &pool.config));
            let failure = Failure { earlier: earlier.clone(), ..failure };
            replies.send(fetch_reply::Message::Failure(failure)).await
        }
        None => replies.refuse(error.status()).await,
    };
}
