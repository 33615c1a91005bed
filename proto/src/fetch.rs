//! What carries a fetch: a channel to a wsgi-adapter, or the adapter itself in this process. Callers cannot tell which.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::stream::Stream;
use tonic::{Response, Status, Streaming};

use crate::origin::fetch_request::Message;
use crate::origin::origin_client::OriginClient;
use crate::origin::{FetchReply, FetchRequest, RequestHead};
use crate::transport::Transport;

/// What follows a request's head: chunks and `end`. Without `end` the body broke off.
pub type Rest = Pin<Box<dyn Stream<Item = FetchRequest> + Send>>;

/// The replies to one fetch. Dropped before their end: nobody wants them.
pub type Replies = Box<dyn FetchReplies>;

/// Takes fetches to an adapter. Has no deadline of its own: callers bound every wait.
pub trait Fetcher: Send + Sync {
    /// Nothing need happen before the first reply is asked for.
    fn fetch(&self, head: RequestHead, rest: Rest) -> Replies;
}

pub trait FetchReplies: Stream<Item = Result<FetchReply, Status>> + Send + Unpin {
    /// Whoever reads is held up by something else: what makes the replies goes on by itself, so far ahead as it may.
    fn go_on(&mut self) {}
}

/// To an adapter behind `transport`.
pub fn over(transport: Transport) -> Arc<dyn Fetcher> {
    Arc::new(Network(OriginClient::new(transport)))
}

struct Network(OriginClient<Transport>);

impl Fetcher for Network {
    fn fetch(&self, head: RequestHead, rest: Rest) -> Replies {
        let mut client = self.0.clone();
        let messages = ToNetwork { head: Some(head), rest };
        let call = async move { client.fetch(messages).await.map(Response::into_inner) };
        Box::new(FromNetwork::Called(Box::pin(call)))
    }
}

struct ToNetwork {
    head: Option<RequestHead>,
    rest: Rest,
}

impl Stream for ToNetwork {
    type Item = FetchRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.head.take() {
            Some(head) => Poll::Ready(Some(FetchRequest { message: Some(Message::Head(head)) })),
            None => self.rest.as_mut().poll_next(context),
        }
    }
}

enum FromNetwork {
    Called(Pin<Box<dyn Future<Output = Result<Streaming<FetchReply>, Status>> + Send>>),
    Replies(Box<Streaming<FetchReply>>),
    Refused,
}

impl Stream for FromNetwork {
    type Item = Result<FetchReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            *self = match &mut *self {
                Self::Called(call) => match ready!(call.as_mut().poll(context)) {
                    Ok(replies) => Self::Replies(Box::new(replies)),
                    Err(status) => {
                        *self = Self::Refused;
                        return Poll::Ready(Some(Err(status)));
                    }
                },
                Self::Replies(replies) => return Pin::new(&mut **replies).poll_next(context),
                Self::Refused => return Poll::Ready(None),
            };
        }
    }
}

impl FetchReplies for FromNetwork {}
