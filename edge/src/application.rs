//! The edge's view of the application: one request through a wsgi-adapter, streamed in both directions. It
//! does not know uwsgi.
//!
//! `ask` makes the head of the request, `adapters` chooses the adapter. A call that is lost with its
//! connection is repeated if nothing can have happened twice.

pub(crate) mod adapters;
pub(crate) mod admin_field;
pub(crate) mod ask;
mod failure;
pub(crate) mod hints;
pub(crate) mod page_span;
pub(crate) mod passes;
pub(crate) mod plain_fields;
pub(crate) mod reply;
pub(crate) mod told;
mod upload;
pub(crate) mod upstream;

use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::SET_COOKIE;
use parking_lot::Mutex;
use process::repeated::RepeatCounter;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::Status;
use weir_proto::fetch::Replies;
use weir_proto::fields;
use weir_proto::joiners::Joiners;
use weir_proto::origin::{FetchReply, Kind, RequestHead, fetch_reply};
use weir_proto::plain::PlainRequest;
use weir_proto::transport::TransportError;

use crate::application::adapters::{Adapters, Call};
use crate::application::admin_field::AdminField;
use crate::application::failure::{blame_client, from_status, is_lost};
use crate::application::hints::Hints;
use crate::application::reply::{ReplySource, begun};
use crate::application::upload::{Upload, nothing, rest, with_joiners};
use crate::metrics::Metrics;
use crate::request::body::{BodyFault, RequestBody};

pub(crate) use crate::application::failure::Failure;
pub(crate) use crate::application::reply::{Body, OriginReply};

/// The longest time added to the application's deadline, so that the adapter's own answer arrives first and
/// names the server.
const SLACK: Duration = Duration::from_millis(500);

/// Pauses before a call that was lost with its connection is repeated: connections break together, but not at
/// the same moment.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(100)];

/// How long a request of which nothing was sent is sent anew while connections refuse it because they drain.
/// How many of these there are says nothing: each adapter has several, and a slow machine learns of their end
/// one by one.
const REFUSALS: Duration = Duration::from_secs(1);
const REFUSAL_PAUSE: Duration = Duration::from_millis(20);

/// The application, reached through the wsgi-adapters of this edge.
pub(crate) struct Application {
    adapters: Arc<Adapters>,
    /// The longest wait for a reply's head, and between two chunks of its body.
    patience: Duration,
    metrics: Arc<Metrics>,
    /// Where changes purge what this edge keeps.
    admin: Arc<AdminField>,
    failures: RepeatCounter,
    /// The fault of bodies that are empty: none.
    no_fault: Arc<OnceLock<BodyFault>>,
}

impl Application {
    pub(crate) fn new(
        adapters: Arc<Adapters>,
        patience: Duration,
        metrics: Arc<Metrics>,
        admin: Arc<AdminField>,
    ) -> Self {
        Self {
            adapters,
            patience,
            metrics,
            admin,
            failures: RepeatCounter::default(),
            no_fault: Arc::default(),
        }
    }

    pub(crate) fn adapters(&self) -> &Arc<Adapters> {
        &self.adapters
    }

    /// What an application is told of where changes purge.
    pub(crate) fn admin_value(&self) -> Option<Bytes> {
        self.admin.value()
    }

    /// Counts the failure, and logs which server failed and why: `more` times since the last such line.
    pub(crate) fn log_failure(&self, target: &str, failure: &Failure) {
        self.metrics.application_failed(failure.kind.as_str_name());
        let (server, kind) = (&failure.server, failure.kind.as_str_name());
        let Some(more) = self.failures.happened(&format!("{server} {kind}")) else { return };
        tracing::warn!(
            target,
            server,
            kind,
            reached = failure.reached,
            more,
            "application failed: {}",
            failure.detail
        );
    }

    /// Whether a call may be made again, because it was lost on its way.
    pub(crate) fn may_ask_again(&self) -> bool {
        self.adapters.may_lose_calls()
    }

    /// How long the application may take for a reply's head, where its location says so.
    pub(crate) fn patience(&self, of_location: Duration) -> Duration {
        if of_location.is_zero() { self.patience } else { of_location }
    }

    /// Begins a call in this process, with what nothing was copied of. `None`: it has to be copied.
    pub(crate) fn ask_here(&self, request: &PlainRequest<'_>) -> Option<Replies> {
        self.adapters.ask_here(request)
    }

    /// What such a call replies: it is not lost on its way, and there is no other adapter.
    pub(crate) async fn answered_here(
        &self,
        mut replies: Replies,
        patience: Duration,
    ) -> Result<OriginReply, Failure> {
        let (asked, fault) = (Instant::now(), self.no_fault.clone());
        let first = after_hints(&mut replies, None).await.transpose();
        self.metrics.application_calls.inc();
        begun(
            first.map_err(from_status)?,
            ReplySource { replies, fault, patience, asked, plain: true },
            false,
        )
    }

    /// Makes one counted call.
    pub(crate) async fn fetch(
        &self,
        head: impl Fn() -> RequestHead,
        body: RequestBody,
        hints: Option<&Hints>,
    ) -> Result<OriginReply, Failure> {
        self.fetch_again(head(), head, body, hints).await
    }

    /// Makes one counted call with this head; `head` makes another for a retry.
    pub(crate) async fn fetch_again(
        &self,
        first: RequestHead,
        head: impl Fn() -> RequestHead,
        body: RequestBody,
        hints: Option<&Hints>,
    ) -> Result<OriginReply, Failure> {
        let fetched = self.fetch_by_adapters(first, head, CallStreams { body, hints, joiners: None }).await;
        self.metrics.application_calls.inc();
        fetched
    }

    /// Makes one counted call for a page that others may come to wait for, too: `joiners`.
    pub(crate) async fn fetch_for_all(
        &self,
        head: impl Fn() -> RequestHead,
        hints: Option<&Hints>,
        joiners: Option<&Joiners>,
    ) -> Result<OriginReply, Failure> {
        let beside = CallStreams { body: RequestBody::empty(), hints, joiners };
        let fetched = self.fetch_by_adapters(head(), head, beside).await;
        self.metrics.application_calls.inc();
        fetched
    }

    /// Sends the request that `head` makes, and returns when the reply's head has arrived. If its connection
    /// to an adapter is lost, or the adapter has no server for it, it is sent again if nothing of it was
    /// sent, or if it has no body and may be repeated (RFC 9110 section 9.2.2).
    async fn fetch_by_adapters(
        &self,
        first: RequestHead,
        head: impl Fn() -> RequestHead,
        CallStreams { body, hints, joiners }: CallStreams<'_>,
    ) -> Result<OriginReply, Failure> {
        let begun = Instant::now();
        let patience = self.patience(Duration::from_millis(first.deadline_ms));
        let repeatable = body.is_empty() && first.upgrade.is_empty() && is_idempotent(&first.method);
        let nobody = || Failure::new(Kind::Unreachable, "no wsgi-adapter is found");
        let mut call = self.adapters.begin(None).await.ok_or_else(nobody)?;
        let (mut pauses, mut others) = (PAUSES.into_iter(), self.adapters.others());
        let mut attempted = self.attempt(&call, first, CallStreams { body, hints, joiners }, patience).await;
        loop {
            let NoReply { failure, unsent, connected } = match attempted {
                Ok(answered) => return answered.map(|reply| reply.of(call)),
                Err(lost) => lost,
            };
            let refused = unsent.is_some();
            let Some(body) = unsent.or_else(|| repeatable.then(RequestBody::empty)) else {
                return Err(failure);
            };
            // Addresses where nobody listens cost no time and no request.
            if refused && others > 0 {
                others -= 1;
            } else if refused && connected && begun.elapsed() < REFUSALS {
                sleep(REFUSAL_PAUSE).await;
            } else {
                let Some(pause) = pauses.next() else { return Err(failure) };
                sleep(pause).await;
            }
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(failure);
            }
            tracing::info!("{failure}; retrying on another connection");
            call = self.adapters.begin(Some(&call)).await.ok_or(failure)?;
            attempted = self.attempt(&call, head(), CallStreams { body, hints, joiners }, left).await;
        }
    }

    /// One attempt, at one adapter.
    async fn attempt(
        &self,
        call: &Call,
        mut head: RequestHead,
        CallStreams { body, hints, joiners }: CallStreams<'_>,
        patience: Duration,
    ) -> Result<Result<OriginReply, Failure>, NoReply> {
        head.fields.extend(self.admin.field());
        head.content_length = body.length();
        head.deadline_ms = patience.as_millis() as u64;
        let switches = !head.upgrade.is_empty();
        let fault = Arc::new(OnceLock::new());
        let asked = Instant::now();
        // In this process the adapter keeps the same time itself.
        let (sending, sent) = call.may_get_lost().then(oneshot::channel).unzip();
        // What a client sends after a switch is not a body that the application waits for.
        let sending = sending.filter(|_| !switches);
        let (upload, unread) = if call.may_get_lost() && (switches || !body.is_empty()) {
            let unread = Arc::new(Mutex::new(Some(body)));
            (Upload::Unread(unread.clone()), Some(unread))
        } else {
            (Upload::Reading(body), None)
        };
        let is_empty = !call.may_get_lost() && !switches && head.content_length == Some(0);
        let rest = if is_empty { nothing() } else { rest(upload, fault.clone(), sending) };
        let (rest, _until_reply) = with_joiners(rest, joiners);
        let mut replies = call.fetch(head, rest);
        // An upload takes the client's time and has a limit of its own; the application's time begins when it
        // is sent.
        let too_late = async {
            let Some(sent) = sent else { return pending().await };
            let _ = sent.await;
            sleep(patience + SLACK).await;
        };
        let answered = tokio::select! {
            biased;
            first = after_hints(&mut replies, hints) => first.transpose(),
            () = too_late => {
                let failure = Failure::new(Kind::Timeout, "no reply from the wsgi-adapter in time");
                return Ok(Err(blame_client(failure, &fault)));
            }
        };
        match answered {
            Ok(first) => {
                match begun(first, ReplySource { replies, fault, patience, asked, plain: false }, switches) {
                    Err(failure) if failure.kind == Kind::Unreachable && !failure.reached => {
                        call.refused();
                        // No server of this adapter accepted the request: another adapter may have others.
                        if self.adapters.is_any_well() {
                            Err(NoReply { failure, unsent: None, connected: true })
                        } else {
                            Ok(Err(failure))
                        }
                    }
                    reply => {
                        call.answered();
                        Ok(reply)
                    }
                }
            }
            Err(status) if is_lost(&status) && fault.get().is_none() => {
                call.lost();
                let unsent = replies.take_back().then(|| match unread {
                    Some(unread) => unread.lock().take(),
                    None => Some(RequestBody::empty()),
                });
                let connected = TransportError::was_connected(&status);
                Err(NoReply { unsent: unsent.flatten(), connected, failure: from_status(status) })
            }
            Err(status) => Ok(Err(blame_client(from_status(status), &fault))),
        }
    }
}

/// No reply came from this adapter, but another one may reply: usually its connection broke, or there was
/// none.
struct NoReply {
    failure: Failure,
    /// The request's body, if nothing of the request was sent.
    unsent: Option<RequestBody>,
    /// There was a connection.
    connected: bool,
}

/// What is sent after the head of a request, and what comes before the head of its reply.
struct CallStreams<'a> {
    body: RequestBody,
    hints: Option<&'a Hints>,
    joiners: Option<&'a Joiners>,
}

/// The first message that is no interim reply.
async fn after_hints(replies: &mut Replies, hints: Option<&Hints>) -> Option<Result<FetchReply, Status>> {
    loop {
        match replies.next().await {
            Some(Ok(FetchReply { message: Some(fetch_reply::Message::Hints(hint)) })) => {
                if let (Some(hints), Ok(mut fields)) = (hints, fields::to_headers(&hint.fields)) {
                    // A hint is forgotten when the reply comes: what it sets would not be.
                    fields.remove(SET_COOKIE);
                    hints.push(fields);
                }
            }
            other => return other,
        }
    }
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

#[cfg(test)]
mod tests;
