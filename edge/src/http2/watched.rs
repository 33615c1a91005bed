//! A connection's bytes under `h2`, watched: how long a head is half sent, how long the client has accepted
//! nothing, how often it resets.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::stream::Stream;
use crate::http2::frames::Frames;

/// Counts of resets beyond this are not distinguished.
const REMEMBERED: usize = 10_000;

pub(super) struct Watched {
    stream: Stream,
    /// Bytes that were read before and must be read again.
    begun: Bytes,
    traffic: Traffic,
}

/// The observations, shared with the connection's loop, which cannot look into `h2`.
#[derive(Clone, Default)]
pub(super) struct Traffic(Arc<Mutex<TrafficState>>);

#[derive(Default)]
struct TrafficState {
    frames: Frames,
    unfinished_since: Option<Instant>,
    blocked_since: Option<Instant>,
    resets: VecDeque<Instant>,
}

impl Traffic {
    fn read(&self, bytes: &[u8]) {
        let mut state = self.0.lock();
        let before = state.frames.resets();
        state.frames.read(bytes);
        let now = Instant::now();
        for _ in before..state.frames.resets() {
            if state.resets.len() == REMEMBERED {
                state.resets.pop_front();
            }
            state.resets.push_back(now);
        }
        state.unfinished_since = state.frames.is_unfinished().then(|| state.unfinished_since.unwrap_or(now));
    }

    fn wrote(&self, blocked: bool) {
        let mut state = self.0.lock();
        state.blocked_since = blocked.then(|| state.blocked_since.unwrap_or_else(Instant::now));
    }

    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.0.lock().unfinished_since
    }

    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.0.lock().blocked_since
    }

    /// The client owes the edge something that has a deadline of its own.
    pub(super) fn waits(&self) -> bool {
        let state = self.0.lock();
        state.unfinished_since.is_some() || state.blocked_since.is_some()
    }

    pub(super) fn resets_within(&self, over: Duration) -> usize {
        let mut state = self.0.lock();
        while state.resets.front().is_some_and(|at| at.elapsed() > over) {
            state.resets.pop_front();
        }
        state.resets.len()
    }
}

impl Watched {
    pub(super) fn new(stream: Stream, begun: Bytes, traffic: Traffic) -> Self {
        Self { stream, begun, traffic }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = if this.begun.is_empty() {
            Pin::new(&mut this.stream).poll_read(context, buffer)
        } else {
            let taken = this.begun.len().min(buffer.remaining());
            buffer.put_slice(this.begun.get(..taken).unwrap_or_default());
            this.begun.advance(taken);
            Poll::Ready(Ok(()))
        };
        if let Some(new @ [_, ..]) = buffer.filled().get(before..) {
            this.traffic.read(new);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.traffic.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.traffic.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        if polled.is_pending() {
            this.traffic.wrote(true);
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
