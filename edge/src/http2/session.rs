//! The task of a connection: reads, begins requests, writes what is ready of all streams together, and ends
//! what takes too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::http2::{ErrorCode, Outbox};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::connection::stream::Stream;
use crate::connection::watchdog::Watchdog;
use crate::http2::traffic::Traffic;
use crate::http2::{BUFFERS, Http2Client, exchange};
use crate::request::Via;

/// Bytes read at once.
const INPUT: usize = 16 * 1024;
/// How many reads are made before other tasks get their turn.
const READS: usize = 8;
/// Bytes that are put together for one write.
const BATCH: usize = 128 * 1024;
/// Pieces of one write.
const PIECES: usize = 128;
/// A client that does not take this much is not read until it has.
const MAX_UNSENT: usize = 256 * 1024;
/// How long the last frames may take to reach a client that does not read.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long a client has to say that it knows of a drain. What it asks for later is not taken.
const DRAINED: Duration = Duration::from_secs(5);
/// So often the deadlines of a connection with requests are looked at, whatever wakes it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a connection ended.
pub(super) enum End {
    /// The client has left.
    Gone,
    /// Everything was answered.
    Usual,
    /// It ended because of an error of the client.
    Broken,
    /// The client takes too long, resets too often, or says nothing too often.
    Abort,
}

/// The next thing to do.
enum Http2Step {
    /// The edge drains: nothing more may begin.
    Drain,
    Ended(End),
    /// The client must be told why the connection ends.
    Abort(ErrorCode),
}

pub(super) struct Session<'a> {
    client: &'a Http2Client,
    stream: Stream,
    traffic: Traffic,
    /// What is being written.
    writing: Outbox,
    /// Bytes were written that TLS may still hold.
    must_flush: bool,
    requests: u64,
    /// Since when it takes no more requests.
    draining: Option<Instant>,
    /// Since when no stream was seen open.
    idle_since: Instant,
    /// What the client has begun and not finished, and since when.
    unfinished: Option<(u64, Instant)>,
    /// Since when it has accepted nothing.
    blocked_since: Option<Instant>,
    /// Since when a reply waits for a window that SETTINGS have closed.
    stalled_since: Option<Instant>,
}

impl<'a> Session<'a> {
    pub(super) fn new(stream: Stream, client: &'a Http2Client) -> Self {
        let now = Instant::now();
        Self {
            client,
            stream,
            traffic: Traffic::new(now),
            writing: Outbox::default(),
            must_flush: false,
            requests: 0,
            draining: None,
            idle_since: now,
            unfinished: Some((0, now)),
            blocked_since: None,
            stalled_since: None,
        }
    }

    /// Serves requests. `begun`: what was read of the connection already.
    pub(super) async fn serve(mut self, begun: Bytes) -> (End, Stream) {
        let end = self.run(begun).await;
        self.client.link.lock().connection.abandon(ErrorCode::CANCEL);
        (end, self.stream)
    }

    async fn run(&mut self, begun: Bytes) -> End {
        let mut watchdog = Watchdog::new();
        let shutdown = self.client.edge.shutdown.clone();
        let begin_drain = shutdown.draining();
        tokio::pin!(begin_drain);
        let mut step = self.take(&begun);
        drop(begun);
        loop {
            match step.take() {
                None => {}
                Some(Http2Step::Drain) => self.drain(),
                Some(Http2Step::Ended(End::Gone)) => return End::Gone,
                Some(Http2Step::Ended(end)) => {
                    // Why it ended is still to be said.
                    let farewell = timeout(GOODBYE, self.say_goodbye()).await;
                    return if farewell.is_ok() { end } else { End::Abort };
                }
                Some(Http2Step::Abort(code)) => {
                    self.client.link.lock().connection.end(code);
                    let _ = timeout(GOODBYE, self.say_goodbye()).await;
                    return End::Abort;
                }
            }
            let patience = self.patience();
            let stepping = std::future::poll_fn(|context| {
                if let Poll::Ready(step) = self.poll_step(context) {
                    return Poll::Ready(step);
                }
                match self.draining {
                    None => begin_drain.as_mut().poll(context).map(|()| Http2Step::Drain),
                    Some(_) => Poll::Pending,
                }
            });
            // Checks again when the time is up, because the reason for the deadline may have changed.
            step = match watchdog.guard(patience, stepping).await {
                Ok(step) => Some(step),
                Err(_) => self.overdue(),
            };
        }
    }

    /// What to do about deadlines that have passed.
    fn overdue(&mut self) -> Option<Http2Step> {
        let send = self.client.bounds().send;
        if self.stalled_since.is_some_and(|since| since.elapsed() >= send) {
            self.stalled_since = None;
            self.client.link.lock().connection.reset_stalled();
        }
        self.patience().is_zero().then_some(Http2Step::Abort(ErrorCode::NO_ERROR))
    }

    /// Writes and reads, as far as neither has to wait.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Http2Step> {
        self.client.link.lock().attend(context);
        let step = self.poll_traffic(context);
        let mut state = self.client.link.lock();
        let now = Instant::now();
        if self.draining.is_some_and(|begun| now.duration_since(begun) >= DRAINED) {
            state.connection.end_announcement();
        }
        if state.connection.open_streams() > 0 || !self.writing.is_empty() {
            self.idle_since = now;
        }
        self.stalled_since = match state.connection.open_streams() > 0 && state.connection.is_stalled() {
            true => self.stalled_since.or(Some(now)),
            false => None,
        };
        drop(state);
        // A half-sent head, or a client that reads nothing, has a shorter deadline than an idle connection.
        if step.is_pending() && self.waits() && self.patience().is_zero() {
            return Poll::Ready(Http2Step::Abort(ErrorCode::NO_ERROR));
        }
        step
    }

    fn poll_traffic(&mut self, context: &mut Context<'_>) -> Poll<Http2Step> {
        for _ in 0..READS {
            match self.poll_write(context) {
                Poll::Ready(Err(_)) => return Poll::Ready(Http2Step::Ended(End::Gone)),
                Poll::Ready(Ok(())) if self.client.link.lock().connection.is_drained() => {
                    return Poll::Ready(Http2Step::Ended(End::Usual));
                }
                Poll::Ready(Ok(())) => {}
                Poll::Pending if self.unsent() > MAX_UNSENT => return Poll::Pending,
                Poll::Pending => {}
            }
            let mut input = [const { std::mem::MaybeUninit::uninit() }; INPUT];
            let mut read = ReadBuf::uninit(&mut input);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                _ => return Poll::Ready(Http2Step::Ended(End::Gone)),
            }
            if let Some(step) = self.take(read.filled()) {
                return Poll::Ready(step);
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes bytes of the client, and begins the requests that they bring.
    fn take(&mut self, mut bytes: &[u8]) -> Option<Http2Step> {
        let client = self.client;
        let limits = &client.edge.settings.limits;
        let now = Instant::now();
        BUFFERS
            .with_borrow_mut(|buffers| {
                loop {
                    let (arrival, counts) = {
                        let connection = &mut client.link.lock().connection;
                        (connection.receive(&mut bytes, &mut buffers.fields), connection.counts())
                    };
                    if self.traffic.is_abuse(counts, limits, now) {
                        return Some(Http2Step::Abort(ErrorCode::ENHANCE_YOUR_CALM));
                    }
                    let arrival = match arrival {
                        Ok(Some(arrival)) => arrival,
                        Ok(None) => break,
                        Err(_) => return Some(Http2Step::Ended(End::Broken)),
                    };
                    self.requests += 1;
                    self.idle_since = now;
                    let requests = u32::try_from(self.requests).unwrap_or(u32::MAX);
                    exchange::begin(client, Via { requests, ..client.via }, arrival, buffers);
                    if self.requests >= client.bounds().requests {
                        self.drain();
                    }
                }
                None
            })
            .or_else(|| {
                let unfinished = client.link.lock().connection.unfinished();
                self.unfinished = unfinished.map(|number| match self.unfinished {
                    Some((known, since)) if known == number => (known, since),
                    _ => (number, now),
                });
                None
            })
    }

    /// Writes what is ready, as far as the client takes it.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                let mut state = self.client.link.lock();
                std::mem::swap(state.connection.fill_outbox(BATCH), &mut self.writing);
                if self.writing.is_empty() {
                    break;
                }
            }
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = self.writing.slices(&mut pieces);
            let pieces = pieces.get(..count).unwrap_or_default();
            match Pin::new(&mut self.stream).poll_write_vectored(context, pieces) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.writing.advance(written);
                    self.traffic.sent(written);
                    self.blocked_since = None;
                    self.must_flush = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.blocked(),
            }
        }
        if self.must_flush {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return self.blocked(),
            }
            self.must_flush = false;
        }
        self.blocked_since = None;
        Poll::Ready(Ok(()))
    }

    fn blocked(&mut self) -> Poll<io::Result<()>> {
        self.blocked_since.get_or_insert_with(Instant::now);
        Poll::Pending
    }

    fn unsent(&self) -> usize {
        self.writing.len() + self.client.link.lock().connection.outbox().len()
    }

    /// Writes what is left, and ends the sending side.
    async fn say_goodbye(&mut self) {
        let written = std::future::poll_fn(|context| self.poll_write(context)).await;
        if written.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }

    /// How long the client may leave the connection in this state.
    fn patience(&self) -> Duration {
        let bounds = self.client.bounds();
        let left = |since: Option<Instant>, whole: Duration| {
            since.map_or(Duration::MAX, |since| whole.saturating_sub(since.elapsed()))
        };
        let idle = if self.requests == 0 { bounds.head } else { bounds.keepalive };
        let (idle_since, idle) = match self.draining {
            Some(begun) => (self.idle_since.max(begun), idle.min(DRAINED)),
            None => (self.idle_since, idle),
        };
        let is_idle = self.writing.is_empty() && self.client.link.lock().connection.open_streams() == 0;
        left(self.unfinished.map(|(_, since)| since), bounds.head)
            .min(left(self.blocked_since, bounds.send))
            .min(if is_idle { left(Some(idle_since), idle) } else { LOOK_AGAIN })
    }

    /// The client owes the edge something that has a deadline of its own.
    fn waits(&self) -> bool {
        self.unfinished.is_some() || self.blocked_since.is_some()
    }

    /// Sends GOAWAY: requests in progress finish, new ones use another connection.
    fn drain(&mut self) {
        if self.draining.is_none() {
            self.draining = Some(Instant::now());
            self.client.link.lock().connection.drain();
        }
    }
}
