//! A connection's bytes under `h2`, watched: how long a head is half sent, how long the client has accepted
//! nothing, how often it resets or makes us reset, how much it sends that is good for nothing.

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

pub(super) struct WatchedStream {
    /// `None` only while it is dropped.
    stream: Option<Stream>,
    /// Bytes that were read before and must be read again.
    begun: Bytes,
    traffic: Traffic,
}

/// The observations, shared with the connection's loop, which cannot look into `h2`.
#[derive(Clone, Default)]
pub(super) struct Traffic(Arc<Mutex<TrafficState>>);

struct TrafficState {
    frames: Frames,
    sent: Frames,
    unfinished_since: Option<Instant>,
    blocked_since: Option<Instant>,
    resets: VecDeque<Instant>,
    idle: IdleFrames,
    /// The connection's bytes, after `h2` is done with them.
    stream: Option<Stream>,
}

impl Default for TrafficState {
    fn default() -> Self {
        Self {
            frames: Frames::default(),
            sent: Frames::of_server(),
            unfinished_since: None,
            blocked_since: None,
            resets: VecDeque::new(),
            idle: IdleFrames { level: 0.0, at: Instant::now() },
            stream: None,
        }
    }
}

/// Frames that brought nothing, less what explains them.
struct IdleFrames {
    level: f64,
    at: Instant,
}

/// A request explains this many idle frames: priorities, windows, a ping.
const PER_REQUEST: f64 = 16.0;
/// And so do this many bytes of replies: a client may enlarge two windows for each frame that it reads.
const PER_BYTES: f64 = 512.0;

impl IdleFrames {
    fn add(&mut self, frames: u64) {
        self.level += frames as f64;
    }

    fn explain(&mut self, frames: f64) {
        self.level = (self.level - frames).max(0.0);
    }

    /// Forgets as many as are allowed in the time since the last look, and returns the rest.
    fn level(&mut self, per_minute: u64, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        self.explain(per_minute as f64 * since.as_secs_f64() / 60.0);
        self.level
    }
}

impl Traffic {
    fn read(&self, bytes: &[u8]) {
        let mut state = self.0.lock();
        let before = state.frames.counts;
        state.frames.read(bytes);
        let (after, now) = (state.frames.counts, Instant::now());
        state.remember_resets(after.resets - before.resets, now);
        state.idle.add(after.idle - before.idle);
        state.idle.explain((after.heads - before.heads) as f64 * PER_REQUEST);
        state.unfinished_since = state.frames.is_unfinished().then(|| state.unfinished_since.unwrap_or(now));
    }

    /// Notes what was written of these parts. `None`: the client accepts nothing.
    fn wrote(&self, written: Option<usize>, parts: &[io::IoSlice<'_>]) {
        let mut state = self.0.lock();
        let Some(written) = written else {
            state.blocked_since = state.blocked_since.or_else(|| Some(Instant::now()));
            return;
        };
        state.blocked_since = None;
        let before = state.sent.counts.blaming;
        let mut left = written;
        for part in parts {
            let taken = left.min(part.len());
            state.sent.read(part.get(..taken).unwrap_or_default());
            left -= taken;
        }
        let blaming = state.sent.counts.blaming - before;
        if blaming > 0 {
            state.remember_resets(blaming, Instant::now());
        }
        state.idle.explain(written as f64 / PER_BYTES);
    }

    /// The connection's bytes, once `h2` has dropped them.
    pub(super) fn take_stream(&self) -> Option<Stream> {
        self.0.lock().stream.take()
    }

    /// Whether more frames brought nothing than may in a minute.
    pub(super) fn is_idle_talk(&self, per_minute: u64) -> bool {
        self.0.lock().idle.level(per_minute, Instant::now()) > per_minute as f64
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

impl TrafficState {
    fn remember_resets(&mut self, count: u64, now: Instant) {
        for _ in 0..count {
            if self.resets.len() == REMEMBERED {
                self.resets.pop_front();
            }
            self.resets.push_back(now);
        }
    }
}

impl WatchedStream {
    pub(super) fn new(stream: Stream, begun: Bytes, traffic: Traffic) -> Self {
        Self { stream: Some(stream), begun, traffic }
    }

    fn note(&self, polled: &Poll<io::Result<usize>>, parts: &[io::IoSlice<'_>]) {
        match polled {
            Poll::Ready(Ok(written)) => self.traffic.wrote(Some(*written), parts),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.traffic.wrote(None, parts),
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.traffic.0.lock().stream = self.stream.take();
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = if this.begun.is_empty() {
            this.stream()?.poll_read(context, buffer)
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

impl AsyncWrite for WatchedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.stream()?.poll_write(context, bytes);
        this.note(&polled, &[io::IoSlice::new(bytes)]);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.stream()?.poll_write_vectored(context, parts);
        this.note(&polled, parts);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.stream()?.poll_flush(context);
        if polled.is_pending() {
            this.traffic.wrote(None, &[]);
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(context)
    }
}
