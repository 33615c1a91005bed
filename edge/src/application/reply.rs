//! The application's reply as it arrives from the adapter: the head, then chunks until the end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::header::UPGRADE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache::ReplyManner;
use process::wait::within;
use tonic::Status;
use weir_proto::fetch::Replies;
use weir_proto::fields;
use weir_proto::origin::{End, FetchReply, Kind, fetch_reply};

use crate::application::adapters::Call;
use crate::application::failure::{Failure, blame_client, from_status, is_lost};
use crate::application::plain_fields::PlainFields;
use crate::application::upstream::Upstream;
use crate::request::body::BodyFault;
use crate::variables::application_work::WEIR_VIEW;

/// The application's answer: the head is here, the body follows.
pub(crate) struct OriginReply {
    /// 101 only if the request asked for it.
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// They go through as these lines, and are not among `headers`.
    pub plain: Option<PlainFields>,
    pub server: String,
    pub upstream: Arc<Upstream>,
    pub body: Body,
}

impl OriginReply {
    pub(crate) fn manner(&self) -> ReplyManner {
        ReplyManner::of(self.status, &self.headers)
    }

    /// The reply by this call, which learns how it ends.
    pub(super) fn of(mut self, call: Call) -> Self {
        self.body.call = Some(call);
        self
    }
}

/// What a reply comes from.
pub(super) struct ReplySource {
    pub(super) replies: Replies,
    pub(super) fault: Arc<OnceLock<BodyFault>>,
    pub(super) patience: Duration,
    pub(super) asked: Instant,
    /// The reply goes through: nobody looks at fields that say nothing to us.
    pub(super) plain: bool,
}

/// The first message of a reply.
pub(super) fn begun(
    first: Option<FetchReply>,
    reading: ReplySource,
    switches: bool,
) -> Result<OriginReply, Failure> {
    let ReplySource { replies, fault, mut patience, asked, plain } = reading;
    let head = match first.and_then(|reply| reply.message) {
        Some(fetch_reply::Message::Head(head)) => head,
        Some(fetch_reply::Message::Failure(failure)) => return Err(blame_client(failure.into(), &fault)),
        _ => return Err(Failure::new(Kind::BadReply, "the wsgi-adapter sent no head")),
    };
    let invalid = || Failure::new(Kind::BadReply, "the wsgi-adapter sent an invalid head");
    let status = u16::try_from(head.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(invalid)?;
    let plain = if plain { PlainFields::of(&head.fields) } else { None };
    let mut headers = match plain {
        Some(_) => HeaderMap::new(),
        None => fields::into_headers(head.fields).map_err(|_| invalid())?,
    };
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
    let work = headers.remove(WEIR_VIEW);
    let upstream = Upstream::replied(asked, (head.server.clone(), status.as_u16()), connect, head.earlier);
    let upstream = Arc::new(upstream.saying(work));
    let body = Body {
        replies,
        patience,
        fault,
        first: None,
        ahead: None,
        ended: false,
        call: None,
        upstream: upstream.clone(),
    };
    Ok(OriginReply { status, headers, plain, server: head.server, upstream, body })
}

/// How long a head is held back if its application sends it long before its body (a stream of events).
pub(crate) const MOMENT: Duration = Duration::from_millis(20);

/// The trailers of a complete reply follow it at once.
const TRAILERS: Duration = Duration::from_secs(1);

/// A reply's body from the application.
pub(crate) struct Body {
    replies: Replies,
    patience: Duration,
    fault: Arc<OnceLock<BodyFault>>,
    /// A chunk that was received but not returned yet.
    first: Option<Bytes>,
    /// The message behind it, if it was looked at already.
    ahead: Option<Option<Result<FetchReply, Status>>>,
    ended: bool,
    /// Chunks until the end.
    call: Option<Call>,
    upstream: Arc<Upstream>,
}

impl Body {
    /// Waits a moment for the first chunk, or the end. An error: there will be none.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        if self.first.is_some() || self.ended {
            return Ok(()); // it has begun already
        }
        if let Ok(message) = within(MOMENT.min(self.patience), self.replies.next()).await
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
        let message = match self.ahead.take() {
            Some(ahead) => Ok(ahead),
            None => within(self.patience, self.replies.next()).await,
        };
        match message {
            Ok(message) => self.take(message).await,
            Err(_) => {
                self.end();
                Some(Err(Failure::new(Kind::Timeout, "the application stopped sending the reply's body")))
            }
        }
    }

    /// The whole body, if all of it and its end are here, and none of it was taken.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        if self.ended {
            return Some(self.first.take().unwrap_or_default());
        }
        if self.first.is_none() || self.ahead.is_some() {
            return None;
        }
        let next = self.replies.next().now_or_never()?;
        let end = Some(fetch_reply::Message::End(End {}));
        let is_end = matches!(&next, Some(Ok(reply)) if reply.message == end);
        // Trailers may still be on their way: whoever reads on waits for them.
        if !is_end || self.replies.next().now_or_never().is_none() {
            self.ahead = Some(next);
            return None;
        }
        self.end();
        self.first.take()
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
