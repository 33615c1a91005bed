//! Takes one request to the application and its reply back, top to bottom.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use process::least_rate::LeastRate;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{Span, warn};
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::{Attempt, Kind, RequestHead};
use weir_proto::plain::PlainRequest;

use crate::config::{PoolConfig, ServerConfig};
use crate::deadline::Deadline;
use crate::error::{Error, FetchFailure, ServerError};
use crate::exchange::{Exchange, Progress, Reply, ServerRequest};
use crate::pool::{Pool, Slot, SlotRequest};
use crate::replies::Replies;
use crate::request::openings::Openings;
use crate::request::protocol::Dialect;
use crate::request::upload::{EdgeBody, Upload};
use crate::request::{self, BodyLength, RequestTerms};
use crate::spans;
use new_connection::NewConnection;

mod first_reply;
mod new_connection;
mod relay;

/// Between two attempts at a server whose listen queue is full: at first, and at most.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
const MAX_BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A body that is whole within this time is not counted among the uploads.
const AT_HAND: Duration = Duration::from_millis(250);

/// A plain request, as far as it is made where it is asked.
pub(crate) struct PlainFetch {
    terms: RequestTerms<'static>,
    wanted: SlotRequest,
    openings: Openings<'static>,
    deadline_ms: u64,
}

impl PlainFetch {
    /// `None`: there is more to say of it, or something against it, which its head says.
    pub(crate) fn of(pool: &Pool, request: &PlainRequest<'_>) -> Option<Self> {
        let config = &pool.config;
        let dialect = Dialect::of_all(config)?;
        Some(Self {
            terms: RequestTerms::of_plain(request),
            wanted: pool.wanted_plain(request)?,
            openings: Openings::only(dialect, dialect.plain_opening(request, config)?),
            deadline_ms: request.deadline_ms,
        })
    }
}

/// A wait for room in a server's listen queue, which nobody tells of.
struct BusyWait {
    until: Instant,
    pause: Duration,
}

/// One request, ready to be sent to any server of its pool.
pub(crate) struct Fetch<'a> {
    pool: &'a Arc<Pool>,
    /// `None`: all that is needed of it is in the fields below.
    head: Option<&'a RequestHead>,
    terms: RequestTerms<'a>,
    wanted: SlotRequest,
    replies: &'a Replies,
    openings: Openings<'a>,
    upload: Upload,
    deadline: Deadline,
    /// What follows the head of a request to switch protocols. It belongs to the protocol that is switched
    /// to.
    messages: Option<BodyMessages>,
    /// How long the last attempt took to connect; zero if it used an earlier connection.
    connecting: Duration,
    /// Servers that were asked in vain.
    earlier: Vec<Attempt>,
    /// How fast the client takes a reply that cannot be put aside.
    reading: LeastRate,
}

impl<'a> Fetch<'a> {
    /// Receives the request's body, unless it is to be passed on as it comes. A slow client holds no server
    /// meanwhile.
    pub(crate) async fn prepare(
        pool: &'a Arc<Pool>,
        head: &'a RequestHead,
        messages: BodyMessages,
        replies: &'a Replies,
    ) -> Result<Self, FetchFailure> {
        let config = &pool.config;
        let unknown = may_stay_unknown(config, head);
        // Refused before a byte of the body is received.
        let told = match head.content_length {
            Some(length) => request::told(head, length),
            None if unknown => BodyLength::Unknown,
            None => BodyLength::Nothing,
        };
        let mut openings = Openings::new(head, told, config)?;
        let (upload, messages) = if head.upgrade.is_empty() {
            let incoming = EdgeBody::new(messages, head.content_length, &pool.config, &pool.waiting_uploads)?;
            (replies.while_wanted(pin!(receive(pool, head, incoming, unknown))).await?, None)
        } else {
            (Upload::empty(), Some(messages))
        };
        if let (None, Some(length)) = (head.content_length, upload.length()) {
            openings = Openings::new(head, BodyLength::Length(length), config)?;
        }
        // A slow client's upload is not the application's time: the edge has a limit of its own for that.
        let deadline = Deadline::in_millis(head.deadline_ms);
        Ok(Self {
            pool,
            head: Some(head),
            terms: RequestTerms::of(head),
            wanted: pool.wanted(head),
            replies,
            openings,
            upload,
            deadline,
            messages,
            connecting: Duration::ZERO,
            earlier: Vec::new(),
            reading: relay::reading(),
        })
    }

    /// A plain request, which has no body.
    pub(crate) fn plain(pool: &'a Arc<Pool>, plain: PlainFetch, replies: &'a Replies) -> Self {
        let PlainFetch { terms, wanted, openings, deadline_ms } = plain;
        Self {
            pool,
            head: None,
            terms,
            wanted,
            replies,
            openings,
            upload: Upload::empty(),
            deadline: Deadline::in_millis(deadline_ms),
            messages: None,
            connecting: Duration::ZERO,
            earlier: Vec::new(),
            reading: relay::reading(),
        }
    }

    /// Takes the request to a server and its reply to the edge, up to its end. `span` is told who replied;
    /// `joiners` tells of clients that wait for the page, too.
    pub(crate) async fn run(
        mut self,
        span: &Span,
        joiners: &mut Option<BodyMessages>,
    ) -> Result<(), FetchFailure> {
        let (pool, head, replies) = (self.pool, self.head, self.replies);
        let wanted = std::mem::take(&mut self.wanted);
        let slot = async { Ok(pool.slot_for_all(wanted, self.deadline, joiners).await?) };
        let mut slot = replies.while_wanted(pin!(slot)).await?;
        let mut reply = self.reach(&mut slot).await?;
        slot.bind(head, &mut reply.head.fields);
        let server = Arc::clone(slot.server());
        spans::replied(span, server.address.as_str(), reply.head.status);
        let relayed = match self.messages.take() {
            Some(messages) if reply.head.status == 101 => Box::pin(self.switch(reply, slot, messages)).await,
            _ => self.relay(reply, slot).await,
        };
        let server = || server.address.to_string();
        relayed.map_err(|error| FetchFailure { error, server: server(), reached: true, earlier: Vec::new() })
    }

    /// Tries servers until one replies.
    async fn reach(&mut self, slot: &mut Slot) -> Result<Reply, FetchFailure> {
        let config = &self.pool.config;
        let (mut tries, mut reached, mut busy) = (0, false, None);
        loop {
            tries += 1;
            let mut progress = Progress::Nothing;
            let begun = Instant::now();
            let error = match self.attempt(slot, &mut progress).await {
                Ok(reply) => {
                    let status = reply.head.status;
                    slot.replied(status);
                    if !config.retry.statuses.contains(&status) {
                        return Ok(reply);
                    }
                    let server = slot.server().address.to_string();
                    if !self.leaves(slot, tries).await {
                        return Ok(reply);
                    }
                    self.asked_in_vain(server, u32::from(status), begun);
                    continue;
                }
                Err(error) => error,
            };
            reached |= progress >= Progress::Sent;
            let is_busy = matches!(error, Error::Server(ServerError::Busy)) && progress == Progress::Nothing;
            if is_busy && !slot.move_on() && self.wait_while_busy(&mut busy).await? {
                continue;
            }
            slot.broke_off(&error);
            let server = slot.server().address.to_string();
            let harmless = match progress {
                Progress::Nothing => true,
                Progress::Sent => self.may_repeat(),
                Progress::Replied => false,
            };
            let again = harmless
                && matches!(error, Error::Server(_))
                && tries < config.tries
                && !self.deadline.has_passed()
                && self.upload.rewind().await
                && slot.move_on();
            if !again {
                let earlier = std::mem::take(&mut self.earlier);
                return Err(FetchFailure { error, server, reached, earlier });
            }
            let (next, kind) = (&slot.server().address, error.kind_name());
            if let Some(more) = self.pool.repeated.happened(&format!("{server} {kind}")) {
                warn!(pool = config.name, %server, kind, reached, more, "{error}; trying {next}");
            }
            self.pool.metrics.failure(&config.name, &server, kind);
            let status = if error.kind() == Some(Kind::Timeout) { 504 } else { 502 };
            self.asked_in_vain(server, status, begun);
        }
    }

    /// Whether the request may be sent once more although a server has had it.
    fn may_repeat(&self) -> bool {
        self.pool.config.retry.any_method || self.terms.is_idempotent()
    }

    /// Leaves a server whose reply has one of `retry.statuses`. False: no other server may be asked, so that
    /// this reply is the answer.
    async fn leaves(&mut self, slot: &mut Slot, tries: usize) -> bool {
        self.may_repeat()
            && tries < self.pool.config.tries
            && !self.deadline.has_passed()
            && self.upload.rewind().await
            && slot.move_on()
    }

    fn asked_in_vain(&mut self, server: String, status: u32, begun: Instant) {
        let took_us = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.earlier.push(Attempt { server, status, took_us });
    }

    /// Waits a moment for a server whose listen queue is full. False: it has been full for the whole of
    /// `queue.timeout`.
    async fn wait_while_busy(&mut self, busy: &mut Option<BusyWait>) -> Result<bool, Error> {
        let queue = &self.pool.config.queue;
        if queue.length == 0 {
            return Ok(false);
        }
        let until = || self.deadline.within(queue.timeout.0);
        let wait = busy.get_or_insert_with(|| BusyWait { until: until(), pause: BUSY_PAUSE });
        if Instant::now() >= wait.until {
            return Ok(false);
        }
        let end = wait.until.min(Instant::now() + wait.pause);
        wait.pause = (wait.pause * 2).min(MAX_BUSY_PAUSE);
        let pause = async {
            sleep_until(end).await;
            Ok(())
        };
        self.replies.while_wanted(pin!(pause)).await?;
        Ok(true)
    }

    /// Sends the request to one server, and waits for its reply's head.
    async fn attempt(&mut self, slot: &Slot, progress: &mut Progress) -> Result<Reply, Error> {
        let server = slot.server();
        server.metrics.requests.inc();
        let (terms, config, deadline) = (self.terms, &self.pool.config, self.deadline);
        self.connecting = Duration::ZERO;
        let dialect = Dialect::of(&server.address, config);
        let idempotent = terms.is_idempotent();
        let outgoing = ServerRequest {
            dialect,
            body: self.openings.body,
            opening: self.openings.of(dialect)?,
            head_only: terms.method == "HEAD",
            idempotent,
            form: dialect.form(terms.upgrade),
        };
        let (upload, replies) = (&mut self.upload, self.replies);
        // The location's own time goes before the pool's, and may be longer.
        let patience = match terms.read_timeout_ms {
            0 => config.read_timeout.0,
            location => Duration::from_millis(location),
        };
        let hints = terms.early_hints;
        let mut exchange = Exchange { upload, replies, config, deadline, patience, hints, progress };
        // The server may close it just now, so it is only for a request that may be sent again.
        let may_be_kept = dialect.keeps_connections() && idempotent && terms.upgrade.is_empty();
        let place = server.address.as_str();
        let kept = if may_be_kept { self.pool.idle.take(place) } else { None };
        if let Some(connection) = kept {
            match exchange.run(connection, outgoing.clone()).await {
                // It was about to be closed when the request came: that says nothing of the server.
                Err(Error::Server(ServerError::Closed | ServerError::Lost(_)))
                    if *exchange.progress < Progress::Replied && exchange.upload.rewind().await =>
                {
                    *exchange.progress = Progress::Nothing;
                }
                exchanged => return exchanged,
            }
        }
        let asked = NewConnection { pool: self.pool, server, connecting: &mut self.connecting };
        asked.run(&mut exchange, outgoing).await
    }
}

fn streams(pool: &PoolConfig, head: &RequestHead) -> bool {
    head.stream_body || !pool.request_buffering
}

/// Tells whether a body of unknown length may be passed on as it comes.
fn may_stay_unknown(pool: &PoolConfig, head: &RequestHead) -> bool {
    let takes = |server: &ServerConfig| Dialect::of(&server.address, pool).takes_unknown_length();
    head.content_length.is_none() && streams(pool, head) && pool.servers.iter().all(takes)
}

/// The body, ready to be sent.
async fn receive(
    pool: &Pool,
    head: &RequestHead,
    incoming: EdgeBody,
    unknown: bool,
) -> Result<Upload, Error> {
    match head.content_length {
        Some(0) => Ok(Upload::empty()),
        Some(_) if streams(&pool.config, head) => Ok(Upload::live(incoming)),
        None if unknown => Ok(Upload::live(incoming)),
        _ => {
            let mut whole = pin!(Upload::receive(incoming, &pool.config, &pool.body_memory));
            let leave = async {
                sleep(AT_HAND).await;
                pool.upload(head).await
            };
            // A body that is at hand, as most are, takes no place among the uploads.
            let _leave = tokio::select! {
                biased;
                whole = &mut whole => return whole,
                leave = leave => leave?,
            };
            whole.await
        }
    }
}
