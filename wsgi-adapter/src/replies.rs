//! The way of replies from the application to the edge.
//!
//! A fetch says what it has to say with [`Replies`]; the edge takes it from a [`ReplyStream`]. Between the
//! two is a queue that is bounded in bytes (`reply_buffer.memory`, and `body_memory` for all requests
//! together). While the edge keeps up, nothing else takes part. While it does not, because its client is
//! slow, the fetch puts the body aside into a temporary file ([`spool`]) until the application is done, so
//! that the application never waits for a client.
//!
//! The edge's own task carries out the fetch as long as the edge waits for it ([`inline_fetch`]): most
//! requests need no task of their own. A fetch goes on in a task when the edge is held up, and when it
//! leaves.

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

use crate::body_memory::BodyMemory;
use crate::error::Error;

pub(crate) mod inline_fetch;
pub(crate) mod spool;
mod temporary_file;

/// Messages that wait for the edge to take them, however small they are.
const AHEAD: usize = 64;
/// How long a fetch waits for an edge that takes nothing. The timeouts that the edge has for its clients are
/// far shorter.
const UNREAD: Duration = Duration::from_secs(600);

type ReplyMessage = Result<FetchReply, Status>;

/// The side of the fetch. When it is dropped, the replies have ended.
pub(crate) struct Replies {
    queue: Arc<Mutex<ReplyQueue>>,
    reader: ReplyReader,
}

/// The edge's side. When it is dropped, nobody wants any more replies.
pub(crate) struct ReplyStream(Arc<Mutex<ReplyQueue>>);

/// What is between them. tokio's channel is made for many senders and many messages, and takes 3 KiB.
struct ReplyQueue {
    messages: VecDeque<ReplyMessage>,
    /// Bytes of body in `messages`, reserved in `memory`.
    bytes: usize,
    /// Bytes of body that have been sent so far.
    sent: u64,
    limit: usize,
    memory: Arc<BodyMemory>,
    /// There will be no more messages.
    ended: bool,
    unwanted: bool,
    /// The task that waits for a message.
    reader: Option<Waker>,
    /// The task that waits for the reader to leave, or for room.
    writer: Option<Waker>,
    wants_room: bool,
    /// The fetch goes on in a task of its own, whether the reader waits or not.
    is_apart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyReader {
    /// Says when it is held up, and waits by itself where a head and the beginning of its body should go
    /// together.
    Here,
    /// HTTP/2 asks for nothing while its windows are full, and says nothing of it: a reply that does not come
    /// all at once goes on by itself.
    Network,
}

/// A queue for `limit` bytes of body, which count in `memory`.
pub(crate) fn channel(reader: ReplyReader, limit: usize, memory: &Arc<BodyMemory>) -> (Replies, ReplyStream) {
    let queue = Arc::new(Mutex::new(ReplyQueue {
        messages: VecDeque::new(),
        bytes: 0,
        sent: 0,
        limit,
        memory: Arc::clone(memory),
        ended: false,
        unwanted: false,
        reader: None,
        writer: None,
        wants_room: false,
        is_apart: false,
    }));
    (Replies { queue: queue.clone(), reader }, ReplyStream(queue))
}

impl Replies {
    /// Sends a message, as soon as there is room for it.
    pub(crate) async fn send(&self, message: Message) -> Result<(), Error> {
        self.push(Ok(FetchReply { message: Some(message) })).await
    }

    /// Ends the call with a gRPC status: the caller broke the contract.
    pub(crate) async fn refuse(&self, status: Status) -> Result<(), Error> {
        self.push(Err(status)).await
    }

    pub(crate) fn reader(&self) -> ReplyReader {
        self.reader
    }

    /// Tells whether a message can be sent at once.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.lock().has_room()
    }

    /// Resolves when a message can be sent, or nobody will take it. An edge that takes nothing for ten
    /// minutes is gone.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        let room = poll_fn(|context| {
            let mut queue = self.queue.lock();
            queue.wants_room = !queue.unwanted && !queue.has_room();
            if queue.wants_room { queue.writer_waits(context) } else { Poll::Ready(()) }
        });
        within(UNREAD, room).await.map_err(|_| Error::Unread)
    }

    /// Tells whether nobody will take what is sent.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.queue.lock().unwanted
    }

    /// Resolves when nobody will take what is sent.
    pub(crate) async fn unwanted(&self) {
        poll_fn(|context| {
            let mut queue = self.queue.lock();
            if queue.unwanted { Poll::Ready(()) } else { queue.writer_waits(context) }
        })
        .await;
    }

    /// Does this only as long as somebody will take what comes of it. It is pinned where it is: it would be
    /// copied on its way in.
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

    async fn push(&self, message: ReplyMessage) -> Result<(), Error> {
        self.room().await?;
        let reader = {
            let mut queue = self.queue.lock();
            if queue.unwanted {
                return Err(Error::Unread);
            }
            queue.add(message);
            queue.reader.take()
        };
        wake(reader);
        Ok(())
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        let reader = {
            let mut queue = self.queue.lock();
            queue.ended = true;
            queue.writer = None;
            queue.reader.take()
        };
        wake(reader);
    }
}

impl ReplyStream {
    /// Takes a message that is there. Nobody is woken when there is more.
    pub(crate) fn take_ready(&mut self) -> Option<ReplyMessage> {
        let (message, writer) = self.0.lock().take_one();
        wake(writer);
        message
    }

    /// Bytes of body that have been sent so far, taken or not.
    pub(crate) fn sent(&self) -> u64 {
        self.0.lock().sent
    }

    /// The fetch goes on in a task of its own from now on.
    pub(crate) fn set_apart(&mut self) {
        self.0.lock().is_apart = true;
    }

    /// Tells the fetch that nobody will take any more.
    pub(crate) fn close(&mut self) {
        let (unread, writer) = {
            let mut queue = self.0.lock();
            queue.unwanted = true;
            let bytes = mem::take(&mut queue.bytes);
            queue.memory.release(bytes);
            (mem::take(&mut queue.messages), queue.writer.take())
        };
        drop(unread);
        wake(writer);
    }
}

impl Stream for ReplyStream {
    type Item = ReplyMessage;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ReplyMessage>> {
        let (message, writer) = {
            let mut queue = self.0.lock();
            let taken = queue.take_one();
            if taken.0.is_none() && !queue.ended && !queue.unwanted {
                queue.reader = Some(context.waker().clone());
                let writer = queue.room_for_writer();
                drop(queue);
                wake(writer);
                return Poll::Pending;
            }
            taken
        };
        wake(writer);
        Poll::Ready(message)
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        self.close();
    }
}

impl ReplyQueue {
    /// One message always has room for a reader that waits for it, so that no reply stops for the sake of
    /// others. In full memory nothing waits for a reader that has not asked.
    fn has_room(&self) -> bool {
        match self.messages.is_empty() {
            true => !self.is_apart || self.reader.is_some() || !self.memory.is_full(),
            false => self.bytes < self.limit && self.messages.len() < AHEAD && !self.memory.is_full(),
        }
    }

    fn add(&mut self, message: ReplyMessage) {
        let bytes = body_bytes(&message);
        self.bytes += bytes;
        self.sent += bytes as u64;
        self.memory.reserve(bytes);
        self.messages.push_back(message);
    }

    /// The next message, and the task to wake because there is room again.
    fn take_one(&mut self) -> (Option<ReplyMessage>, Option<Waker>) {
        let Some(message) = self.messages.pop_front() else { return (None, None) };
        let bytes = body_bytes(&message);
        self.bytes -= bytes;
        self.memory.release(bytes);
        (Some(message), self.room_for_writer())
    }

    /// The task that waits for room, if there is some now.
    fn room_for_writer(&mut self) -> Option<Waker> {
        let has_room = self.wants_room && self.has_room();
        self.wants_room &= !has_room;
        if has_room { self.writer.take() } else { None }
    }

    fn writer_waits(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.writer.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            self.writer = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

fn body_bytes(message: &ReplyMessage) -> usize {
    match message {
        Ok(FetchReply { message: Some(Message::Chunk(piece)) }) => piece.len(),
        _ => 0,
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

#[cfg(test)]
mod tests;
