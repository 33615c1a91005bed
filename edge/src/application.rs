//! The edge's view of the application: one request through a wsgi-adapter, streamed in both directions. It
//! does not know uwsgi.
//!
//! `ask` makes the head of the request, `adapters` chooses the adapter. A call that is lost with its
//! connection is repeated if nothing can have happened twice.

pub(crate) mod adapters;
pub(crate) mod ask;
pub(crate) mod hints;
pub(crate) mod upstream;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache::ReplyManner;
use parking_lot::Mutex;
use process::wait::within;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::Status;
use weir_proto::fetch::{Replies, Rest};
use weir_proto::fields;
use weir_proto::origin::{End, FetchReply, FetchRequest, Kind, RequestHead, fetch_reply, fetch_request};

use crate::application::adapters::{Adapters, Call};
use crate::application::hints::Hints;
use crate::application::upstream::Upstream;
use crate::metrics::Metrics;
use crate::request::body::BodyFault;
use crate::request::body::RequestBody;

/// The longest time added to the application's deadline, so that the adapter's own answer arrives first and
/// names the server.
const SLACK: Duration = Duration::from_millis(500);

/// Pauses before a call that was lost with its connection is repeated: connections break together, but not at
/// the same moment.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(100)];

/// Why there is no complete reply from the application.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}{}", kind.as_str_name(), on(server))]
pub(crate) struct Failure {
    pub kind: Kind,
    pub server: String,
    pub detail: String,
    /// The application may have acted on the request.
    pub reached: bool,
    /// Seconds, in the case of OVERLOADED.
    pub retry_after: u32,
    /// What was wrong with the client's body, in the case of BAD_BODY.
    pub fault: Option<BodyFault>,
}

fn on(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" (server {server})") }
}

impl Failure {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (server, detail) = (String::new(), detail.into());
        Self { kind, server, detail, reached: false, retry_after: 0, fault: None }
    }
}

/// The application's answer: the head is here, the body follows.
pub(crate) struct OriginReply {
    /// 101 only if the request asked for it.
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub server: String,
    pub upstream: Arc<Upstream>,
    pub body: Body,
}

impl OriginReply {
    pub(crate) fn manner(&self) -> ReplyManner {
        ReplyManner::of(self.status, &self.headers)
    }
}

/// The application, reached through the wsgi-adapters of this edge.
pub(crate) struct Application {
    adapters: Arc<Adapters>,
    /// The longest wait for a reply's head, and between two chunks of its body.
    patience: Duration,
    metrics: Arc<Metrics>,
}

impl Application {
    pub(crate) fn new(adapters: Arc<Adapters>, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self { adapters, patience, metrics }
    }

    pub(crate) fn adapters(&self) -> &Arc<Adapters> {
        &self.adapters
    }

    /// Writes one log line that says which server failed and why.
    pub(crate) fn log_failure(&self, target: &str, failure: &Failure) {
        self.metrics.application_failed(failure.kind.as_str_name());
        tracing::warn!(
            target,
            server = failure.server,
            kind = failure.kind.as_str_name(),
            reached = failure.reached,
            "application failed: {}",
            failure.detail
        );
    }

    /// Makes one counted call.
    pub(crate) async fn fetch(
        &self,
        head: impl Fn() -> RequestHead,
        body: RequestBody,
        hints: Option<&Hints>,
    ) -> Result<OriginReply, Failure> {
        let fetched = self.fetch_by_adapters(head, body, hints).await;
        self.metrics.application_calls.inc();
        fetched
    }

    /// Sends the request that `head` makes, and returns when the reply's head has arrived. If its connection
    /// to an adapter is lost, or the adapter has no server for it, it is sent again if nothing of it was
    /// sent, or if it has no body and may be repeated (RFC 9110 section 9.2.2).
    async fn fetch_by_adapters(
        &self,
        head: impl Fn() -> RequestHead,
        body: RequestBody,
        hints: Option<&Hints>,
    ) -> Result<OriginReply, Failure> {
        let (first, begun) = (head(), Instant::now());
        let patience = match first.deadline_ms {
            0 => self.patience,
            limit => Duration::from_millis(limit),
        };
        let repeatable = body.is_empty() && first.upgrade.is_empty() && is_idempotent(&first.method);
        let nobody = || Failure::new(Kind::Unreachable, "no wsgi-adapter is found");
        let mut call = self.adapters.begin(None).await.ok_or_else(nobody)?;
        let (mut pauses, mut others) = (PAUSES.into_iter(), self.adapters.others());
        let mut attempted = self.attempt(&call, first, (body, hints), patience).await;
        loop {
            let Lost { failure, unsent } = match attempted {
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
            attempted = self.attempt(&call, head(), (body, hints), left).await;
        }
    }

    /// One attempt, at one adapter.
    async fn attempt(
        &self,
        call: &Call,
        mut head: RequestHead,
        (body, hints): (RequestBody, Option<&Hints>),
        patience: Duration,
    ) -> Result<Result<OriginReply, Failure>, Lost> {
        head.content_length = body.length();
        head.deadline_ms = patience.as_millis() as u64;
        let switches = !head.upgrade.is_empty();
        let fault = Arc::new(OnceLock::new());
        let asked = Instant::now();
        let (sending, sent) = oneshot::channel();
        // What a client sends after a switch is not a body that the application waits for.
        let sending = (!switches).then_some(sending);
        let (upload, unread) = if call.may_get_lost() && (switches || !body.is_empty()) {
            let unread = Arc::new(Mutex::new(Some(body)));
            (Upload::Unread(unread.clone()), Some(unread))
        } else {
            (Upload::Reading(body), None)
        };
        let mut replies = call.fetch(head, rest(upload, fault.clone(), sending));
        // An upload takes the client's time and has a limit of its own; the application's time begins when it
        // is sent.
        let too_late = async {
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
            Ok(first) => match begun(first, Reading { replies, fault, patience, asked }, switches) {
                Err(failure) if failure.kind == Kind::Unreachable && !failure.reached => {
                    call.refused();
                    // No server of this adapter accepted the request: another adapter may have others.
                    if self.adapters.is_any_well() {
                        Err(Lost { failure, unsent: None })
                    } else {
                        Ok(Err(failure))
                    }
                }
                reply => {
                    call.answered();
                    Ok(reply)
                }
            },
            Err(status) if is_lost(&status) && fault.get().is_none() => {
                call.lost();
                let unsent = replies.take_back().then(|| match unread {
                    Some(unread) => unread.lock().take(),
                    None => Some(RequestBody::empty()),
                });
                Err(Lost { unsent: unsent.flatten(), failure: from_status(status) })
            }
            Err(status) => Ok(Err(blame_client(from_status(status), &fault))),
        }
    }
}

/// No reply came from this adapter, but another one may reply: usually its connection broke, or there was
/// none.
struct Lost {
    failure: Failure,
    /// The request's body, if nothing of the request was sent.
    unsent: Option<RequestBody>,
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

/// What a reply comes from.
struct Reading {
    replies: Replies,
    fault: Arc<OnceLock<BodyFault>>,
    patience: Duration,
    asked: Instant,
}

/// The first message of a reply.
fn begun(first: Option<FetchReply>, reading: Reading, switches: bool) -> Result<OriginReply, Failure> {
    let Reading { replies, fault, mut patience, asked } = reading;
    let head = match first.and_then(|reply| reply.message) {
        Some(fetch_reply::Message::Head(head)) => head,
        Some(fetch_reply::Message::Failure(failure)) => return Err(blame_client(failure.into(), &fault)),
        _ => return Err(Failure::new(Kind::BadReply, "the wsgi-adapter sent no head")),
    };
    let invalid = || Failure::new(Kind::BadReply, "the wsgi-adapter sent an invalid head");
    let status = u16::try_from(head.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(invalid)?;
    let mut headers = fields::to_headers(&head.fields).map_err(|_| invalid())?;
    if status.is_informational() {
        let protocol = HeaderValue::try_from(head.upgrade).map_err(|_| invalid())?;
        if !switches || status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(invalid());
        }
        headers.insert(UPGRADE, protocol);
        // The two ends of the tunnel bound how long it may be silent.
        patience = Duration::MAX;
    }
    let connect = Duration::from_micros(head.connect_us.into());
    let upstream = Arc::new(Upstream::replied(asked, (head.server.clone(), status.as_u16()), connect));
    let body =
        Body { replies, patience, fault, first: None, ended: false, call: None, upstream: upstream.clone() };
    Ok(OriginReply { status, headers, server: head.server, upstream, body })
}

impl OriginReply {
    fn of(mut self, call: Call) -> Self {
        self.body.call = Some(call);
        self
    }
}

/// The trailers of a complete reply follow it at once.
const TRAILERS: Duration = Duration::from_secs(1);

/// A reply's body from the application.
pub(crate) struct Body {
    replies: Replies,
    patience: Duration,
    fault: Arc<OnceLock<BodyFault>>,
    /// A chunk that was received but not returned yet.
    first: Option<Bytes>,
    ended: bool,
    /// Chunks until the end.
    call: Option<Call>,
    upstream: Arc<Upstream>,
}

impl Body {
    /// Waits for the first chunk, or the end, for at most this long. An error: there will be none.
    pub(crate) async fn begin(&mut self, patience: Duration) -> Result<(), Failure> {
        if let Ok(message) = within(patience.min(self.patience), self.replies.next()).await
            && let Some(first) = self.take(message).await
        {
            self.first = Some(first?);
        }
        Ok(())
    }

    /// The next chunk; `None` at the end of a complete body; an error if it broke off.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if self.ended {
            return None;
        }
        match within(self.patience, self.replies.next()).await {
            Ok(message) => self.take(message).await,
            Err(_) => {
                self.end();
                Some(Err(Failure::new(Kind::Timeout, "the application stopped sending the reply's body")))
            }
        }
    }

    /// What a message means: the next chunk, the end, or why it broke off.
    async fn take(&mut self, message: Option<Result<FetchReply, Status>>) -> Option<Result<Bytes, Failure>> {
        let message = match message {
            Some(Ok(reply)) => reply.message,
            None => None,
            Some(Err(status)) => {
                if is_lost(&status)
                    && self.fault.get().is_none()
                    && let Some(call) = &self.call
                {
                    call.lost();
                }
                self.end();
                return Some(Err(blame_client(from_status(status), &self.fault)));
            }
        };
        match message {
            Some(fetch_reply::Message::Chunk(chunk)) => return Some(Ok(chunk)),
            Some(fetch_reply::Message::End(End {})) => {
                self.end();
                // A stream that is dropped before its trailers is reset, and h2 closes a connection with many
                // of those.
                let _ = within(TRAILERS, self.replies.next()).await;
            }
            Some(fetch_reply::Message::Failure(failure)) => {
                self.end();
                return Some(Err(blame_client(failure.into(), &self.fault)));
            }
            _ => {
                self.end();
                return Some(Err(Failure::new(Kind::CutOff, "the wsgi-adapter closed before the end")));
            }
        }
        None
    }

    fn end(&mut self) {
        self.ended = true;
        self.call = None;
        self.upstream.end();
    }

    /// Nobody will read on for a while: the application is read ahead as far as the buffers allow.
    pub(crate) fn go_on(&mut self) {
        self.replies.go_on();
    }
}

impl From<weir_proto::origin::Failure> for Failure {
    fn from(failure: weir_proto::origin::Failure) -> Self {
        Self {
            kind: failure.kind(),
            server: failure.server,
            detail: failure.detail,
            reached: failure.reached,
            retry_after: failure.retry_after,
            fault: None,
        }
    }
}

/// The call was lost with its connection. The adapter's own errors have other codes.
fn is_lost(status: &Status) -> bool {
    use tonic::Code::{Cancelled, Internal, Unavailable, Unknown};
    matches!(status.code(), Unavailable | Unknown | Cancelled | Internal)
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

fn from_status(status: Status) -> Failure {
    let kind = match status.code() {
        tonic::Code::DeadlineExceeded => Kind::Timeout,
        tonic::Code::ResourceExhausted => Kind::Overloaded,
        _ => Kind::Unreachable,
    };
    Failure::new(kind, format!("wsgi-adapter: {}", status.message()))
}

/// A body that did not arrive completely from the client explains every error after it.
fn blame_client(mut failure: Failure, fault: &OnceLock<BodyFault>) -> Failure {
    if let Some(fault) = fault.get() {
        failure.kind = Kind::BadBody;
        failure.detail = fault.to_string();
        failure.fault = Some(*fault);
    }
    failure
}

/// A request's body on its way to the adapter.
enum Upload {
    /// Whoever takes it has the body: the connection, to send it, or the caller, to retry elsewhere.
    Unread(Arc<Mutex<Option<RequestBody>>>),
    Reading(RequestBody),
}

/// Sends body chunks and the end, then drops `sending`. A body that breaks off ends the stream without `end`,
/// so the adapter never takes it for complete.
fn rest(upload: Upload, fault: Arc<OnceLock<BodyFault>>, sending: Option<oneshot::Sender<()>>) -> Rest {
    Box::pin(stream::unfold(Some((upload, sending, fault)), |left| async move {
        let (upload, sending, fault) = left?;
        let mut body = match upload {
            Upload::Unread(unread) => unread.lock().take()?,
            Upload::Reading(body) => body,
        };
        let (message, left) = match body.next().await {
            Some(Ok(chunk)) => {
                (fetch_request::Message::Chunk(chunk), Some((Upload::Reading(body), sending, fault)))
            }
            Some(Err(broken)) => {
                let _ = fault.set(broken);
                return None;
            }
            None => (fetch_request::Message::End(End {}), None),
        };
        Some((FetchRequest { message: Some(message) }, left))
    }))
}

#[cfg(test)]
mod tests;
