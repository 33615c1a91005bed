//! The straight way of a GET or HEAD that only goes through: no cache answers it, and no setting of its place
//! looks at more of it than the head says. What the application is asked is made of the head's bytes, without
//! a request for the handler. Everything else goes through the handler, which asks the same.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Version;
use http1::head::{self, Head, KnownField, KnownFields, Limits};
use process::telemetry;
use process::trace::TraceContext;
use weir_proto::origin::{Field, RequestHead};

use crate::Edge;
use crate::acme::CHALLENGE_PATH;
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
    /// The head as it came, but for names of fields, which are in lower case.
    head: Bytes,
    asked: RequestHead,
}

/// A plain request's place, and when it came.
pub(crate) struct PlaceOfRequest<'a> {
    pub(crate) site: &'a Site,
    pub(crate) location: &'a Arc<Location>,
    pub(crate) started: Instant,
}

impl ThroughRequest {
    /// `None`: it goes the long way. `head` is one that `plain::find` has found no more in than a path.
    pub(crate) fn of(edge: &Edge, head: &Head<'_>, via: &Via, at: &PlaceOfRequest<'_>) -> Option<Box<Self>> {
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
        let line = |name, value| Field { name, value };
        let (memory, fields) = head.fields.to_lines(line)?;
        let client = Client { address: via.peer.ip().to_canonical(), port: via.peer.port() };
        let (version, trace) = (via.version(head), telemetry::sampler().decide(None));
        let timeout = u64::try_from(location.timeout.as_millis()).unwrap_or(u64::MAX);
        let asked = RequestHead {
            pool: location.pool.as_deref()?.to_owned(),
            method: head.method.to_owned(),
            target: Bytes::copy_from_slice(target.as_bytes()),
            scheme: via.scheme.as_str().to_owned(),
            protocol: protocol(version).to_owned(),
            authority: head.host.map_or("", |host| host.as_str()).to_owned(),
            fields,
            client_address: client.address_text(),
            client_port: client.port.into(),
            server_name: site.name.to_string(),
            server_port: via.port.into(),
            document_root: location.document_root.constant.as_deref().unwrap_or_default().to_owned(),
            deadline_ms: timeout,
            traceparent: trace.to_header(),
            priority: location.priority.into(),
            stream_body: location.stream_body,
            stream_reply: location.stream_reply,
            variables: location.variables.to_string(),
            read_timeout_ms: timeout,
            ..RequestHead::default()
        };
        Some(Box::new(Self {
            location: location.clone(),
            client,
            version,
            head_only: head.method == "HEAD",
            trace,
            started,
            is_conditional: head.seen.any(CONDITIONS),
            head: memory,
            asked,
        }))
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
    pub(crate) async fn answered(&mut self, edge: &Edge) -> Reply {
        let application = &edge.cache.application;
        let call = BypassCall::begin(self.is_conditional, None);
        // Where a call can be lost on its way, the same may be asked once more.
        let again = application.may_ask_again().then(|| self.asked.clone());
        let again = || again.clone().unwrap_or_default();
        let (first, body) = (std::mem::take(&mut self.asked), RequestBody::empty());
        let target = first.target.clone();
        let fetched = application.fetch_again(first, again, body, None).await;
        let reply = match call.reply(fetched) {
            Ok(reply) => answer::relayed(reply, None),
            Err(failure) => call.failed(&edge.cache, &String::from_utf8_lossy(&target), failure),
        };
        let reply = reply.at(&self.location);
        if reply.elsewhere.is_some() {
            return reply;
        }
        let reply = handler::at_pace(first_chunk::settle(reply).await, None);
        finish::in_last_form(edge, reply)
    }
}

#[cfg(test)]
mod tests;
