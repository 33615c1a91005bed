//! A socket whose writes of one turn leave together, and which is read in larger pieces than `h2` asks for.
//! `h2` writes whenever a larger `DATA` frame is queued, so that the end of each reply would be a write of
//! its own here, and a read and a wake-up at the peer. It reads into 8 KiB, so that most pages would take
//! two reads.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// What waits for the end of the turn. More is written at once, as far as the socket takes it.
const MOST: usize = 64 * 1024;

/// What is read at once where `h2` has less room. Each connection keeps as much.
const READ: usize = 32 * 1024;

/// The socket as `h2` sees it.
pub(super) struct TurnSocket<S>(Arc<Mutex<TurnBuffer<S>>>);

/// The socket as the task sees it that polls `h2`.
pub(super) struct TurnEnd<S>(Arc<Mutex<TurnBuffer<S>>>);

struct TurnBuffer<S> {
    socket: S,
    waiting: Vec<u8>,
    /// How much of `waiting` is written already.
    written: usize,
    /// What was read and `h2` has not taken.
    received: BytesMut,
}

pub(super) fn gathered<S>(socket: S) -> (TurnSocket<S>, TurnEnd<S>) {
    let shared = Arc::new(Mutex::new(TurnBuffer {
        socket,
        waiting: Vec::new(),
        written: 0,
        received: BytesMut::new(),
    }));
    (TurnSocket(shared.clone()), TurnEnd(shared))
}

impl<S: AsyncWrite + Unpin> TurnEnd<S> {
    /// Writes what has been gathered. `polled` is what the turn has come to.
    pub(super) fn after<T>(&self, context: &mut Context<'_>, polled: Poll<T>) -> Poll<io::Result<T>> {
        match self.0.lock().poll_write_out(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What is left goes out when the socket takes it, which wakes the task.
            Poll::Ready(Ok(())) | Poll::Pending => polled.map(Ok),
        }
    }
}

impl<S: AsyncWrite + Unpin> TurnBuffer<S> {
    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.socket).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.waiting.clear();
        self.written = 0;
        // TLS may still hold some of it.
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Makes room for more.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() < MOST { Poll::Ready(Ok(())) } else { self.poll_write_out(context) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TurnSocket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut turn = self.0.lock();
        let TurnBuffer { socket, received, .. } = &mut *turn;
        if received.is_empty() {
            if buffer.remaining() >= READ {
                return Pin::new(socket).poll_read(context, buffer);
            }
            received.reserve(READ);
            ready!(poll_read_buf(Pin::new(socket), context, received))?;
        }
        let taken = received.split_to(received.len().min(buffer.remaining()));
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TurnSocket<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.lock();
        ready!(gathering.poll_room(context))?;
        let before = gathering.waiting.len();
        for piece in pieces {
            gathering.waiting.extend_from_slice(piece);
        }
        Poll::Ready(Ok(gathering.waiting.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The turn's end writes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.lock();
        ready!(gathering.poll_write_out(context))?;
        Pin::new(&mut gathering.socket).poll_shutdown(context)
    }
}
