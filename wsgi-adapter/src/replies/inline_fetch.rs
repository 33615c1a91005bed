//! A fetch that the reader of its replies carries out, with no task between. If the reader is held up, or
//! leaves, it goes on in a task of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::Stream;
use process::shutdown::Shutdown;
use tokio::runtime::Handle;
use tokio_stream::StreamExt;
use tonic::Status;
use weir_proto::fetch::FetchReplies;
use weir_proto::origin::FetchReply;

use crate::replies::{ReplyReader, ReplyStream};

/// A longer body than this goes on by itself where the reader is on the network: it may be held up without
/// saying so.
const INLINE: u64 = 32 * 1024;

/// What is to be done for one fetch.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct InlineFetch {
    /// None: done, or in a task of its own.
    work: Option<Work>,
    /// What `work` says.
    replies: ReplyStream,
    reader: ReplyReader,
    /// Looked at already, and not given out.
    first: Option<Result<FetchReply, Status>>,
    /// The reader has had something.
    begun: bool,
    shutdown: Shutdown,
}

impl InlineFetch {
    pub(crate) fn new(work: Work, replies: ReplyStream, reader: ReplyReader, shutdown: Shutdown) -> Self {
        Self { work: Some(work), replies, reader, first: None, begun: false, shutdown }
    }
}

impl Stream for InlineFetch {
    type Item = Result<FetchReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        // Not `poll_next`: it would have this very task woken when `work` sends.
        if this.work.is_some()
            && let Some(reply) = this.take()
        {
            return Poll::Ready(Some(reply));
        }
        if let Some(work) = &mut this.work {
            // A panic ends the fetch without a word, as it would in a task of its own.
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(Poll::Ready(())) | Err(_) => this.work = None,
                Ok(Poll::Pending) => {
                    let reply = this.take();
                    let on_network = this.begun && this.reader == ReplyReader::Network;
                    let goes_on = on_network && (reply.is_none() || this.replies.sent() > INLINE);
                    if goes_on {
                        this.go_on();
                    }
                    if reply.is_some() {
                        return Poll::Ready(reply);
                    }
                    if !goes_on {
                        return Poll::Pending;
                    }
                }
            }
        }
        Pin::new(&mut this.replies).poll_next(context)
    }
}

impl InlineFetch {
    /// Resolves when the first reply is there.
    pub(crate) async fn begin(&mut self) {
        self.first = self.next().await;
    }

    fn take(&mut self) -> Option<Result<FetchReply, Status>> {
        let reply = self.replies.take_ready()?;
        self.begun = true;
        Some(reply)
    }
}

impl FetchReplies for InlineFetch {
    fn go_on(&mut self) {
        // None: the runtime ends, and all with it.
        if let (Some(work), Ok(_)) = (self.work.take(), Handle::try_current()) {
            self.replies.set_apart();
            self.shutdown.spawn(work);
        }
    }
}

impl Drop for InlineFetch {
    /// The fetch sees that its replies are unwanted, and ends when its server is free again.
    fn drop(&mut self) {
        self.replies.close();
        self.go_on();
    }
}
