//! The edge's view of the application: one request through a wsgi-adapter, streamed both ways. Knows no uwsgi.

pub(crate) mod adapters;
pub(crate) mod ask;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::UPGRADE;
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use process::wait::within;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::Status;
use weir_proto::fetch::{Replies, Rest};
use weir_proto::fields;
use weir_proto::origin::{End, FetchReply, FetchRequest, Kind, RequestHead, fetch_reply, fetch_request};

use crate::application::adapters::{Adapters, Call};
use crate::metrics::Metrics;
use crate::request::body::BodyFault;
use crate::request::body::RequestBody;

/// Longest gap added to the application's deadline, so that the adapter's own answer arrives first and names the server.
const SLACK: Duration = Duration::from_millis(500);

/// A call that got lost with its connection is made again after these: connections break together, but not at the same moment.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(100)];

/// Why there is no whole reply from the application.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}{}", kind.as_str_name(), on(server))]
pub(crate) struct Failure {
    pub kind: Kind,
    pub server: String,
    pub detail: String,
    /// The application may have acted on the request.
    pub reached: bool,
    /// Seconds, for OVERLOADED.
    pub retry_after: u32,
    /// For BAD_BODY: what was wrong with the client's body.
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

/// The application's answer: head here, body to come.
pub(crate) struct OriginReply {
    /// 101 only where the request asked for it.
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub server: String,
    pub body: Body,
}

/// The application, reached through the wsgi-adapters that this edge may use.
pub(crate) struct Application {
    adapters: Arc<Adapters>,
    /// The longest wait for a reply's head, and between two pieces of its body.
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
    ) -> Result<OriginReply, Failure> {
        let fetched = self.fetch_by_adapters(head, body).await;
        self.metrics.application_calls.inc();
        fetched
    }

    /// Sends the request that `head` makes; returns when the reply's head is there. If its connection to an adapter is lost, or the
    /// adapter has no server for it, it is sent again where nothing of it was sent, or where it has no body and may be repeated (RFC
    /// 9110 section 9.2.2).
    async fn fetch_by_adapters(
        &self,
        head: impl Fn() -> RequestHead,
        body: RequestBody,
    ) -> Result<OriginReply, Failure> {
        let (first, begun) = (head(), Instant::now());
        let repeatable = body.is_empty() && first.upgrade.is_empty() && is_idempotent(&first.method);
        let nobody = || Failure::new(Kind::Unreachable, "no wsgi-adapter is found");
        let mut call = self.adapters.begin(None).await.ok_or_else(nobody)?;
        let (mut pauses, mut others) = (PAUSES.into_iter(), self.adapters.others());
        let mut attempted = self.attempt(&call, first, body, self.patience).await;
        loop {
            let Lost { failure, unsent } = match attempted {
                Ok(answered) => return answered.map(|reply| reply.of(call)),
                Err(lost) => lost,
            };
            let refused = unsent.is_some();
            let Some(body) = unsent.or_else(|| repeatable.then(RequestBody::empty)) else {
                return Err(failure);
            };
            // Addresses where nobody listens cost no time, and nobody a request.
            if refused && others > 0 {
                others -= 1;
            } else {
                let Some(pause) = pauses.next() else { return Err(failure) };
                sleep(pause).await;
            }
            let left = self.patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(failure);
            }
            tracing::info!("{failure}; asked again by another connection");
            call = self.adapters.begin(Some(&call)).await.ok_or(failure)?;
            attempted = self.attempt(&call, head(), body, left).await;
        }
    }

    /// One try, by one adapter.
    async fn attempt(
        &self,
        call: &Call,
        mut head: RequestHead,
        body: RequestBody,
        patience: Duration,
    ) -> Result<Result<OriginReply, Failure>, Lost> {
        head.content_length = body.length();
        head.deadline_ms = patience.as_millis() as u64;
        let switches = !head.upgrade.is_empty();
        let fault = Arc::new(OnceLock::new());
        let (sending, sent) = oneshot::channel();
        // What a client sends after a switch is no body that the application waits for.
        let sending = (!switches).then_some(sending);
        let (upload, unread) = if call.may_get_lost() && (switches || !body.is_empty()) {
            let unread = Arc::new(Mutex::new(Some(body)));
            (Upload::Unread(unread.clone()), Some(unread))
        } else {
            (Upload::Reading(body), None)
        };
        let mut replies = call.fetch(head, rest(upload, fault.clone(), sending));
        // An upload is the client's time, and has a limit of its own: the application's begins when it is sent.
        let too_late = async {
            let _ = sent.await;
            sleep(patience + SLACK).await;
        };
        let answered = tokio::select! {
            biased;
            first = replies.next() => first.transpose(),
            () = too_late => {
                let failure = Failure::new(Kind::Timeout, "no reply from the wsgi-adapter in time");
                return Ok(Err(blame_client(failure, &fault)));
            }
        };
        match answered {
            Ok(first) => match begun(first, replies, fault, patience, switches) {
                Err(failure) if failure.kind == Kind::Unreachable && !failure.reached => {
                    call.refused();
                    // None of this adapter's servers took it: another adapter may have others.
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

/// No reply came from this adapter, and nothing says that none will come from another: mostly its connection broke, or there was none.
struct Lost {
    failure: Failure,
    /// The request's body, if nothing of the request was sent.
    unsent: Option<RequestBody>,
}

/// From the first message of a reply.
fn begun(
    first: Option<FetchReply>,
    replies: Replies,
    fault: Arc<OnceLock<BodyFault>>,
    mut patience: Duration,
    switches: bool,
) -> Result<OriginReply, Failure> {
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
        // Silence is for those at both ends of the tunnel to bound.
        patience = Duration::MAX;
    }
    let body = Body { replies, patience, fault, first: None, ended: false, call: None };
    Ok(OriginReply { status, headers, server: head.server, body })
}

impl OriginReply {
    fn of(mut self, call: Call) -> Self {
        self.body.call = Some(call);
        self
    }
}

/// The trailers of a whole reply follow it at once.
const TRAILERS: Duration = Duration::from_secs(1);

/// A reply's body from the application.
pub(crate) struct Body {
    replies: Replies,
    patience: Duration,
    fault: Arc<OnceLock<BodyFault>>,
    /// Looked at already, and not given out.
    first: Option<Bytes>,
    ended: bool,
    /// Until the end.
    call: Option<Call>,
}

impl Body {
    /// Waits for the first chunk, or the end, no longer than this. An error: there will be none.
    pub(crate) async fn begin(&mut self, patience: Duration) -> Result<(), Failure> {
        if let Ok(message) = within(patience.min(self.patience), self.replies.next()).await
            && let Some(first) = self.take(message).await
        {
            self.first = Some(first?);
        }
        Ok(())
    }

    /// The next chunk; `None` at the end of a whole body; an error if it broke off.
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
                Some(Err(Failure::new(Kind::Timeout, "the reply's body stopped coming")))
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
                // A stream that is dropped before its trailers is a reset one, and h2 gives up a connection that has had many.
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
    }

    /// Nobody will ask for more for a while: the application is read on without, so far ahead as may be.
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

/// The call got lost with its connection. What the adapter itself says has other codes.
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

/// A body that did not arrive whole from the client explains whatever went wrong after it.
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
    /// Whoever takes it has it: the connection, to send it, or the caller, to try elsewhere.
    Unread(Arc<Mutex<Option<RequestBody>>>),
    Reading(RequestBody),
}

/// Body chunks, end; then drops `sending`. A body that breaks off ends the stream without `end`: the adapter never takes it for whole.
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
