//! The way back to the edge: a few messages ahead of what it has taken, then the application is not read
//! from.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use weir_proto::origin::FetchReply;
use weir_proto::origin::fetch_reply::Message;

use crate::error::Error;

/// Messages that wait for the edge to take them, each with at most 32 KiB of body.
const AHEAD: usize = 4;
/// An edge that has taken nothing for so long is given up. Its own clients' timeouts are far shorter.
const UNREAD: Duration = Duration::from_secs(600);

pub(crate) struct Replies {
    sender: mpsc::Sender<Result<FetchReply, Status>>,
    reader: Reader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Says when it is held up, and waits by itself where a head and the beginning of its body should go together.
    Here,
    /// HTTP/2 asks for nothing while its windows are full, and says nothing of it: a reply that does not come all at once goes on by
    /// itself.
    Network,
}

pub(crate) fn channel(reader: Reader) -> (Replies, ReceiverStream<Result<FetchReply, Status>>) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    (Replies { sender, reader }, ReceiverStream::new(receiver))
}

impl Replies {
    pub(crate) async fn send(&self, message: Message) -> Result<(), Error> {
        self.push(Ok(FetchReply { message: Some(message) })).await
    }

    /// Ends the call with a gRPC status: the caller broke the contract.
    pub(crate) async fn refuse(&self, status: Status) -> Result<(), Error> {
        self.push(Err(status)).await
    }

    pub(crate) fn reader(&self) -> Reader {
        self.reader
    }

    /// Resolves when nobody will take what is sent.
    pub(crate) async fn unwanted(&self) {
        self.sender.closed().await;
    }

    /// Does this only as long as somebody will take what comes of it. Pinned where it is: it would be copied on its way in.
    pub(crate) async fn while_wanted<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.unwanted() => Err(Error::Unread),
            done = work => done,
        }
    }

    async fn push(&self, reply: Result<FetchReply, Status>) -> Result<(), Error> {
        match self.sender.try_send(reply) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Error::Unread),
            Err(TrySendError::Full(reply)) => Box::pin(self.wait_to_push(reply)).await,
        }
    }

    async fn wait_to_push(&self, reply: Result<FetchReply, Status>) -> Result<(), Error> {
        match timeout(UNREAD, self.sender.send(reply)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::Unread),
        }
    }
}
