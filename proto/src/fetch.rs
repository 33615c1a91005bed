//! The carrier of a fetch: a channel to a wsgi-adapter, or the adapter itself in this process. Callers cannot
//! tell which.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::link::OnceOnly;
use crate::origin::fetch_request::Message;
use crate::origin::origin_client::OriginClient;
use crate::origin::{FetchReply, FetchRequest, RequestHead};
use crate::plain::PlainRequest;
use crate::transport::Transport;

/// What follows a request's head: chunks and `end`. Without `end` the body broke off.
pub type BodyMessages = Pin<Box<dyn Stream<Item = FetchRequest> + Send>>;

/// The replies to one fetch. Dropping them before their end aborts the fetch.
pub type Replies = Box<dyn FetchReplies>;

/// Sends fetches to an adapter. Has no deadline of its own: callers bound every wait.
pub trait Fetcher: Send + Sync {
    /// The fetch may do nothing before the first reply is requested.
    fn fetch(&self, head: RequestHead, rest: BodyMessages) -> Replies;

    /// Fetches a request of which nothing was copied yet. `None`: it has to be copied, and fetched.
    fn fetch_plain(&self, _request: &PlainRequest<'_>) -> Option<Replies> {
        None
    }
}

pub trait FetchReplies: Stream<Item = Result<FetchReply, Status>> + Send + Unpin {
    /// Says that the reader is delayed by something else: the producer of the replies continues by itself, as
    /// far ahead as it may.
    fn go_on(&mut self) {}

    /// Must be called after an error. Returns true if nothing of the request was sent, and now nothing will
    /// be.
    fn take_back(&mut self) -> bool {
        false
    }
}

/// Fetches from an adapter behind `transport`.
pub fn over(transport: Transport) -> Arc<dyn Fetcher> {
    Arc::new(Network(OriginClient::new(transport)))
}

struct Network(OriginClient<Transport>);

impl Fetcher for Network {
    fn fetch(&self, head: RequestHead, rest: BodyMessages) -> Replies {
        let (mut client, sent) = (self.0.clone(), Arc::new(AtomicBool::new(false)));
        let once_only = !is_repeatable(&head);
        let mut messages = Request::new(NetworkRequest { head: Some(head), sent: sent.clone(), rest });
        if once_only {
            messages.extensions_mut().insert(OnceOnly);
        }
        let call = async move { client.fetch(messages).await.map(Response::into_inner) };
        Box::new(NetworkReplies { state: State::Called(Box::pin(call)), sent })
    }
}

/// Whether it may be sent again if its first call was lost: it has no body, and doing it twice is as good as
/// once (RFC 9110 section 9.2.2).
fn is_repeatable(head: &RequestHead) -> bool {
    head.content_length == Some(0)
        && head.upgrade.is_empty()
        && matches!(&*head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

struct NetworkRequest {
    head: Option<RequestHead>,
    /// Whoever sets it owns the request: the connection, to send it, or the caller, to take it back.
    sent: Arc<AtomicBool>,
    rest: BodyMessages,
}

impl Stream for NetworkRequest {
    type Item = FetchRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.head.take() {
            Some(_) if self.sent.swap(true, Ordering::Relaxed) => {
                self.rest = Box::pin(tokio_stream::empty());
                Poll::Ready(None)
            }
            Some(head) => Poll::Ready(Some(FetchRequest { message: Some(Message::Head(head)) })),
            None => self.rest.as_mut().poll_next(context),
        }
    }
}

struct NetworkReplies {
    state: State,
    sent: Arc<AtomicBool>,
}

enum State {
    Called(Pin<Box<dyn Future<Output = Result<Streaming<FetchReply>, Status>> + Send>>),
    Replies(Box<Streaming<FetchReply>>),
    Refused,
}

impl Stream for NetworkReplies {
    type Item = Result<FetchReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            self.state = match &mut self.state {
                State::Called(call) => match ready!(call.as_mut().poll(context)) {
                    Ok(replies) => State::Replies(Box::new(replies)),
                    Err(status) => {
                        self.state = State::Refused;
                        return Poll::Ready(Some(Err(status)));
                    }
                },
                State::Replies(replies) => return Pin::new(&mut **replies).poll_next(context),
                State::Refused => return Poll::Ready(None),
            };
        }
    }
}

impl FetchReplies for NetworkReplies {
    /// The head goes first, and only an open connection asks for it.
    fn take_back(&mut self) -> bool {
        matches!(self.state, State::Refused) && !self.sent.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::StreamExt;
    use tonic::Code;

    use super::*;
    use crate::link::{Channel, ChannelSettings};
    use crate::origin::origin_server::{Origin, OriginServer};
    use crate::transport;

    /// Reads this much of a request, then aborts.
    struct AbortingOrigin {
        messages: usize,
    }

    #[tonic::async_trait]
    impl Origin for AbortingOrigin {
        type FetchStream = tokio_stream::Empty<Result<FetchReply, Status>>;

        async fn fetch(
            &self,
            request: Request<Streaming<FetchRequest>>,
        ) -> Result<Response<Self::FetchStream>, Status> {
            let mut messages = request.into_inner();
            for _ in 0..self.messages {
                messages.message().await?;
            }
            Err(Status::unavailable("given up"))
        }
    }

    /// A body of one chunk that counts how often it is asked for.
    fn counted() -> (BodyMessages, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let chunk = FetchRequest { message: Some(Message::Chunk("a body".into())) };
        let rest = tokio_stream::once(chunk).map(move |chunk| {
            counted.fetch_add(1, Ordering::Relaxed);
            chunk
        });
        (Box::pin(rest), asked)
    }

    #[tokio::test]
    async fn only_what_nothing_was_sent_of_is_taken_back() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refusing = Channel::new(&format!("http://{nobody}").parse().unwrap(), ChannelSettings::default());
        let giving_up = |messages| transport::in_process(OriginServer::new(AbortingOrigin { messages }));
        for (transport, taken_back) in [
            (transport::network(vec![refusing]), true),
            (giving_up(0), true),
            (giving_up(1), false),
            (giving_up(2), false),
        ] {
            let (rest, asked) = counted();
            let mut replies = over(transport).fetch(RequestHead::default(), rest);
            let code = replies.next().await.unwrap().unwrap_err().code();
            assert!(matches!(code, Code::Unavailable | Code::Unknown), "{code}");
            assert_eq!(replies.take_back(), taken_back);
            assert_eq!(asked.load(Ordering::Relaxed) == 0, taken_back, "what follows the head");
            assert!(!replies.take_back(), "twice");
        }
    }

    #[tokio::test]
    async fn what_was_taken_back_is_not_sent_any_more() {
        let (rest, asked) = counted();
        let sent = Arc::new(AtomicBool::new(true));
        let messages = NetworkRequest { head: Some(RequestHead::default()), sent, rest };
        assert_eq!(messages.count().await, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }
}
