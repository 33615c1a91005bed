//! The way back to the edge: a few messages ahead of what it has taken, then the application is not read
//! from.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::stream::Stream;
use parking_lot::Mutex;
use process::wait::within;
use tonic::Status;
use weir_proto::origin::FetchReply;
use weir_proto::origin::fetch_reply::Message;

use crate::error::Error;

pub(crate) mod inline_fetch;

/// Messages that wait for the edge to take them, each with at most 32 KiB of body.
const AHEAD: usize = 4;
/// An edge that has taken nothing for so long is given up. Its own clients' timeouts are far shorter.
const UNREAD: Duration = Duration::from_secs(600);

type Said = Result<FetchReply, Status>;

/// The side of who carries out the fetch. Dropped: that was all.
pub(crate) struct Replies {
    line: Arc<Mutex<Line>>,
    reader: Reader,
}

/// The edge's side. Dropped: nobody wants any more.
pub(crate) struct Replied(Arc<Mutex<Line>>);

/// What is between them. tokio's channel is made for many senders and much to say, and takes 3 KiB.
#[derive(Default)]
struct Line {
    messages: VecDeque<Said>,
    /// There will be no more of them.
    ended: bool,
    unwanted: bool,
    /// The task that waits for a message.
    reader: Option<Waker>,
    /// The task that waits for the reader to leave, or for room.
    writer: Option<Waker>,
    wants_room: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Says when it is held up, and waits by itself where a head and the beginning of its body should go together.
    Here,
    /// HTTP/2 asks for nothing while its windows are full, and says nothing of it: a reply that does not come all at once goes on by
    /// itself.
    Network,
}

pub(crate) fn channel(reader: Reader) -> (Replies, Replied) {
    let line = Arc::new(Mutex::new(Line::default()));
    (Replies { line: line.clone(), reader }, Replied(line))
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
        poll_fn(|context| {
            let mut line = self.line.lock();
            if line.unwanted { Poll::Ready(()) } else { line.writer_waits(context) }
        })
        .await;
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

    async fn push(&self, said: Said) -> Result<(), Error> {
        let room = poll_fn(|context| {
            let mut line = self.line.lock();
            line.wants_room = !line.unwanted && line.messages.len() >= AHEAD;
            if line.wants_room { line.writer_waits(context) } else { Poll::Ready(()) }
        });
        within(UNREAD, room).await.map_err(|_| Error::Unread)?;
        let reader = {
            let mut line = self.line.lock();
            if line.unwanted {
                return Err(Error::Unread);
            }
            line.messages.push_back(said);
            line.reader.take()
        };
        wake(reader);
        Ok(())
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        let reader = {
            let mut line = self.line.lock();
            line.ended = true;
            line.writer = None;
            line.reader.take()
        };
        wake(reader);
    }
}

impl Replied {
    /// What is there. Nobody is woken when there is more.
    pub(crate) fn said(&mut self) -> Option<Said> {
        let (said, writer) = self.0.lock().take_one();
        wake(writer);
        said
    }

    /// Nobody will take any more.
    pub(crate) fn close(&mut self) {
        let (unread, writer) = {
            let mut line = self.0.lock();
            line.unwanted = true;
            (mem::take(&mut line.messages), line.writer.take())
        };
        drop(unread);
        wake(writer);
    }
}

impl Stream for Replied {
    type Item = Said;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Said>> {
        let (said, writer) = {
            let mut line = self.0.lock();
            let taken = line.take_one();
            if taken.0.is_none() && !line.ended && !line.unwanted {
                line.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
            taken
        };
        wake(writer);
        Poll::Ready(said)
    }
}

impl Drop for Replied {
    fn drop(&mut self) {
        self.close();
    }
}

impl Line {
    /// The next message, and who is to be woken because there is room again.
    fn take_one(&mut self) -> (Option<Said>, Option<Waker>) {
        let said = self.messages.pop_front();
        let has_room = said.is_some() && mem::take(&mut self.wants_room);
        (said, if has_room { self.writer.take() } else { None })
    }

    fn writer_waits(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.writer.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            self.writer = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

#[cfg(test)]
mod tests;
