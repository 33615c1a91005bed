//! What a connection and the tasks of its requests share: the state of the protocol, and who waits for what.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ::http2::{Arrival, BodyProgress, Connection, ErrorCode, Limits, LostStream, Waiters};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

pub(super) struct Link(Mutex<LinkState>);

pub(super) struct LinkState {
    pub(super) connection: Connection<StreamWakers>,
    /// The task that reads and writes.
    task: Option<Waker>,
}

/// The tasks that wait for a stream.
#[derive(Default)]
pub(super) struct StreamWakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Waiters for StreamWakers {
    fn may_read(&mut self) {
        wake(&mut self.reader);
    }

    fn may_write(&mut self) {
        wake(&mut self.writer);
    }
}

fn wake(waiter: &mut Option<Waker>) {
    if let Some(waiter) = waiter.take() {
        waiter.wake();
    }
}

fn remember(waiter: &mut Option<Waker>, context: &Context<'_>) {
    match waiter {
        Some(known) if known.will_wake(context.waker()) => {}
        _ => *waiter = Some(context.waker().clone()),
    }
}

impl Link {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(LinkState { connection: Connection::new(limits), task: None })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.0.lock()
    }

    /// Opens the stream of a request.
    pub(super) fn open(self: &Arc<Self>, arrival: Arrival) -> ClientStream {
        self.lock().connection.open(arrival);
        self.opened(arrival)
    }

    /// Opens the stream of a malformed request: it is reset after its reply.
    pub(super) fn open_malformed(self: &Arc<Self>, arrival: Arrival) -> ClientStream {
        self.lock().connection.open_malformed(arrival);
        self.opened(arrival)
    }

    /// The handle of a stream that is open already, and has no other.
    fn opened(self: &Arc<Self>, arrival: Arrival) -> ClientStream {
        ClientStream { link: self.clone(), id: arrival.stream }
    }

    /// Answers a request without a body. `Some`: the client does not take the reply at once, and this is
    /// still to be sent.
    pub(super) fn answer(
        self: &Arc<Self>,
        arrival: Arrival,
        block: &[u8],
        body: Bytes,
    ) -> Option<(ClientStream, Bytes)> {
        let rest = self.lock().connection.answer(arrival, block, body)?;
        Some((self.opened(arrival), rest))
    }
}

impl LinkState {
    /// The task that is to be woken when there is something to send.
    pub(super) fn attend(&mut self, context: &Context<'_>) {
        remember(&mut self.task, context);
    }

    fn tell(&self) {
        if let Some(task) = &self.task
            && self.connection.has_output()
        {
            task.wake_by_ref();
        }
    }
}

/// One request's stream, held by the task that answers it or by the one that reads its body.
pub(super) struct ClientStream {
    link: Arc<Link>,
    id: u32,
}

impl Clone for ClientStream {
    fn clone(&self) -> Self {
        self.link.lock().connection.hold(self.id);
        Self { link: self.link.clone(), id: self.id }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        state.connection.drop_handle(self.id);
        // A stream less may be what the connection has waited for.
        if let Some(task) = &state.task {
            task.wake_by_ref();
        }
    }
}

impl ClientStream {
    fn with<T>(&self, act: impl FnOnce(&mut Connection<StreamWakers>, u32) -> T) -> T {
        let mut state = self.link.lock();
        let result = act(&mut state.connection, self.id);
        state.tell();
        result
    }

    pub(super) fn send_interim(&self, block: &[u8]) {
        let _ = self.with(|connection, id| connection.send_interim(id, block));
    }

    /// Sends the head of the reply. `ends`: there is no body.
    pub(super) fn send_head(&self, block: &[u8], ends: bool) -> Result<(), LostStream> {
        self.with(|connection, id| connection.send_head(id, block, ends))
    }

    /// Asks for room for so many bytes; there is some as soon as this is ready.
    pub(super) fn poll_room(&self, context: &Context<'_>, bytes: usize) -> Poll<Result<usize, LostStream>> {
        let connection = &mut self.link.lock().connection;
        match connection.reserve(self.id, bytes) {
            Ok(0) => {
                if let Some(waiters) = connection.waiters(self.id) {
                    remember(&mut waiters.writer, context);
                }
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    /// The room that there is at once.
    pub(super) fn room(&self, bytes: usize) -> usize {
        self.link.lock().connection.reserve(self.id, bytes).unwrap_or(0)
    }

    /// Gives back the room that was asked for and is not used now.
    pub(super) fn give_back(&self) {
        self.with(|connection, id| connection.give_back(id));
    }

    /// Sends bytes for which there is room.
    pub(super) fn send_data(&self, data: Bytes, ends: bool) -> Result<(), LostStream> {
        self.with(|connection, id| connection.send_data(id, data, ends))
    }

    pub(super) fn reset(&self, code: ErrorCode) {
        self.with(|connection, id| connection.reset(id, code));
    }

    /// Ready once the client has reset the stream, or is gone.
    pub(super) fn poll_reset(&self, context: &Context<'_>) -> Poll<()> {
        let connection = &mut self.link.lock().connection;
        if connection.is_reset(self.id) {
            return Poll::Ready(());
        }
        if let Some(waiters) = connection.waiters(self.id) {
            remember(&mut waiters.writer, context);
        }
        Poll::Pending
    }

    /// Tells how long the body is that its head has announced.
    pub(super) fn announce(&self, length: u64) {
        self.link.lock().connection.announce(self.id, length);
    }

    /// What has come of the body since the last time.
    pub(super) fn poll_body(&self, context: &Context<'_>) -> Poll<BodyProgress> {
        let connection = &mut self.link.lock().connection;
        match connection.read(self.id) {
            BodyProgress::Pending => {
                if let Some(waiters) = connection.waiters(self.id) {
                    remember(&mut waiters.reader, context);
                }
                Poll::Pending
            }
            progress => Poll::Ready(progress),
        }
    }

    /// The client may send this much more, now that it has been read.
    pub(super) fn release(&self, bytes: usize) {
        self.with(|connection, id| connection.release(id, bytes));
    }
}
