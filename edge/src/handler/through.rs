//! The straight way of a GET or HEAD that only goes through: no cache answers it, and no setting of its place
//! looks at more of it than the head says. What the application is asked is made of the head's bytes, without
//! a request for the handler. Everything else goes through the handler, which asks the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Version;
use http1::head::{self, Head, KnownField, KnownFields, Limits};
use process::telemetry;
use process::trace::TraceContext;
use weir_proto::fetch::Replies;
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use crate::Edge;
use crate::acme::CHALLENGE_PATH;
use crate::application::{Application, Failure, OriginReply, admin_field};
use crate::handler::pass::BypassCall;
use crate::handler::{self, finish};
use crate::reply::{Reply, answer, first_chunk};
use crate::request::body::RequestBody;
use crate::request::client::{Client, protocol};
use crate::request::{Via, forwarded, path};
use crate::route::{Location, Site};

/// Fields that the handler has to look at.
const NOT_STRAIGHT: KnownFields = KnownFields::of(&[
    KnownField::Authorization,
    KnownField::Expect,
    KnownField::Forwarded,
    KnownField::Traceparent,
    KnownField::Upgrade,
    KnownField::XForwarded,
    KnownField::XRealIp,
]);
/// Fields that make 304 a reply.
const CONDITIONS: KnownFields = KnownFields::of(&[KnownField::IfModifiedSince, KnownField::IfNoneMatch]);

/// A request on the straight way.
pub(crate) struct ThroughRequest {
    pub(crate) location: Arc<Location>,
    pub(crate) client: Client,
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) trace: TraceContext,
    pub(crate) started: Instant,
    is_conditional: bool,
    /// As it came.
    head: Box<[u8]>,
}

/// What the application is asked.
pub(crate) enum AskedRequest {
    /// In this process, what was made of the head where it was read; and how long it may take.
    Made(Replies, Duration),
    Copied(Box<RequestHead>),
}

/// A plain request's place, and when it came.
pub(crate) struct PlaceOfRequest<'a> {
    pub(crate) site: &'a Site,
    pub(crate) location: &'a Arc<Location>,
    pub(crate) started: Instant,
}

impl ThroughRequest {
    /// `None`: it goes the long way. `head` is one that `plain::find` has found no more in than a path.
    pub(crate) fn of(
        edge: &Edge,
        head: &Head<'_>,
        via: &Via,
        at: &PlaceOfRequest<'_>,
    ) -> Option<(Self, AskedRequest)> {
        let PlaceOfRequest { site, location, started } = *at;
        let target = head.target.as_str();
        let trusted = edge.settings.trusted();
        if !location.only_passes()
            || !site.only_passes()
            || telemetry::exporting()
            || head.seen.any(NOT_STRAIGHT)
            || !target.starts_with('/')
            || target.starts_with(CHALLENGE_PATH)
            || path::without_dots(target).is_some()
            || trusted.names_own_field() && head.fields.iter().any(|(name, _)| trusted.is_field(name))
            || head.seen.has(KnownField::Other) && head.fields.iter().any(|(name, _)| forwarded::steers(name))
        {
            return None;
        }
        let client = Client { address: via.peer.ip().to_canonical(), port: via.peer.port() };
        let (version, trace) = (via.version(head), telemetry::sampler().decide(None));
        let application = &edge.cache.application;
        let patience = application.patience(location.timeout);
        let head_only = head.method == "HEAD";
        let mut fields = head.fields.handed_on()?;
        let (sent, admin) = (fields.len(), application.admin_value());
        fields.extend(admin.as_deref().map(|value| (admin_field::NAME, value)));
        let request = PlainRequest {
            pool: location.pool.as_deref()?,
            method: if head_only { "HEAD" } else { "GET" },
            target: target.as_bytes(),
            scheme: via.scheme.as_str(),
            protocol: protocol(version),
            authority: head.host.map_or("", |host| host.as_str()),
            fields: &fields,
            client: client.is_named_by_address().then_some(client.address),
            client_address: &client.address_text(),
            client_port: client.port,
            server_name: &site.name,
            server_port: via.port,
            document_root: location.document_root.constant.as_deref().unwrap_or_default(),
            deadline_ms: milliseconds(patience),
            read_timeout_ms: milliseconds(location.timeout),
            traceparent: &trace.to_header(),
            priority: location.priority,
            stream_body: location.stream_body,
            stream_reply: location.stream_reply,
            variables: &location.variables,
        };
        let asked = match application.ask_here(&request) {
            Some(replies) => AskedRequest::Made(replies, patience),
            // What is sent to another process gets that field on its way.
            None => {
                let request = PlainRequest { fields: fields.get(..sent)?, ..request };
                AskedRequest::Copied(Box::new(request.to_head()))
            }
        };
        let request = Self {
            location: location.clone(),
            client,
            version,
            head_only,
            trace,
            started,
            is_conditional: head.seen.any(CONDITIONS),
            head: head.fields.of_head().into(),
        };
        Some((request, asked))
    }

    /// Reads the head once more, for what few requests need.
    pub(crate) fn reread<T>(&self, limits: &Limits, look: impl FnOnce(&Head<'_>) -> Option<T>) -> Option<T> {
        let mut spans = Vec::new();
        let (head, _) = head::read(&self.head, limits, &mut spans).ok().flatten()?;
        look(&head)
    }

    /// Bytes of the head.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head.len()
    }

    /// What the application replies, as the handler would pass it on. If it names another location
    /// (`elsewhere`), the handler has to go on.
    pub(crate) async fn answered(&self, edge: &Edge, asked: AskedRequest, limits: &Limits) -> Reply {
        let application = &edge.cache.application;
        let call = BypassCall::begin(self.is_conditional, None);
        let fetched = match asked {
            AskedRequest::Made(replies, patience) => application.answered_here(replies, patience).await,
            // Boxed, as what a request in this process has no use for.
            AskedRequest::Copied(head) => Box::pin(fetch_copied(application, *head)).await,
        };
        let reply = match call.reply(fetched) {
            Ok(reply) => answer::relayed(reply, None),
            Err(failure) => {
                let target = self.reread(limits, |head| Some(head.target.as_str().to_owned()));
                call.failed(&edge.cache, &target.unwrap_or_default(), failure)
            }
        };
        let reply = reply.at(&self.location);
        if reply.elsewhere.is_some() {
            return reply;
        }
        let reply = handler::at_pace(first_chunk::settle(reply).await, None);
        finish::in_last_form(edge, reply)
    }
}

/// Asks with a head that may be sent to another process.
async fn fetch_copied(application: &Application, first: RequestHead) -> Result<OriginReply, Failure> {
    // Where a call can be lost on its way, the same may be asked once more.
    let again = application.may_ask_again().then(|| first.clone());
    let again = || again.clone().unwrap_or_default();
    application.fetch_again(first, again, RequestBody::empty(), None).await
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
