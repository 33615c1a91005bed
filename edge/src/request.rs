//! A request as the handler gets it, from HTTP/1 or HTTP/2: checked, with trusted proxies resolved.
//!
//! `forwarded` decides who the client is and which URL it asked for, `path` normalises the path, and `body`
//! is read only when somebody wants it.

pub(crate) mod body;
pub(crate) mod client;
mod facts;
pub(crate) mod forwarded;
pub(crate) mod kept;
pub(crate) mod path;
pub(crate) mod via;

use std::time::Instant;

use http::{HeaderMap, HeaderName, Method, Version};

use ipnet::IpNet;
use process::telemetry;
use process::trace::TraceContext;

use crate::request::body::RequestBody;
use crate::request::client::Client;
use crate::request::forwarded::Origin;
use crate::variables::Values;
use http1::head::Scheme;
use http1::head::{Head, Refusal};

pub(crate) use via::Via;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Protocols that may switch through to the application. No others: `h2c` would carry requests past every
/// check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    WebSocket,
}

impl Upgrade {
    /// The protocol that an Upgrade field asks for, if Weir supports it.
    pub(crate) fn of(field: &str) -> Option<Self> {
        let mut protocols = field.split(',').map(str::trim);
        protocols.any(|protocol| protocol.eq_ignore_ascii_case("websocket")).then_some(Self::WebSocket)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
        }
    }
}

pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query as sent, percent-encoded as RFC 3986 requires; begins with "/" (or is "*").
    pub(crate) target: String,
    /// The target as the client sent it, if it is another now: the path had dot segments, or the request was
    /// redirected internally.
    pub(crate) sent_target: Option<Box<str>>,
    /// Host as sent, or as a trusted proxy names it: valid, with the port if there was one. Empty for
    /// HTTP/1.0 without Host.
    pub(crate) authority: String,
    pub(crate) version: Version,
    /// End-to-end fields: no Host, no hop-by-hop field, none that only a trusted proxy may send.
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// The protocol that the client wants to switch to; `body` is then the client's side of it.
    pub(crate) upgrade: Option<Upgrade>,
    /// The application has sent the request here by X-Accel-Redirect.
    pub(crate) internal: bool,
    pub(crate) client: Client,
    pub(crate) scheme: Scheme,
    /// The port that the client connected to: the edge's, or that of a trusted proxy.
    pub(crate) server_port: u16,
    /// The client's trace, or one that begins here.
    pub(crate) trace: TraceContext,
    pub(crate) started: Instant,
    /// Names the request in logs and to the application.
    pub(crate) id: u128,
    /// What rules have set for the request: captures, and `set`.
    pub(crate) values: Values,
}

impl Request {
    /// Makes the request from a parsed head; `body` follows it. Fields in which a proxy describes its client
    /// count only from `trusted` peers.
    pub(crate) fn new(
        trusted: &[IpNet],
        head: &Head<'_>,
        via: &Via,
        body: RequestBody,
    ) -> Result<Self, Refusal> {
        let mut headers = head.to_headers();
        let Origin { client, scheme, authority, port } =
            forwarded::settle(&mut headers, via, head.host, trusted)?;
        if head.target.scheme() == Some(Scheme::Https) && scheme == Scheme::Http {
            return Err(Refusal::TargetForm);
        }
        let parent = headers.remove(TRACEPARENT);
        let parent = parent.and_then(|value| TraceContext::parse(value.to_str().ok()?));
        Ok(Self {
            method: Method::from_bytes(head.method.as_bytes()).map_err(|_| Refusal::Method)?,
            target: head.target.encoded().into_owned(),
            sent_target: None,
            authority,
            version: via.version(head),
            headers,
            body,
            upgrade: None,
            internal: false,
            client,
            scheme,
            server_port: port,
            trace: telemetry::sampler().decide(parent),
            started: Instant::now(),
            id: rand::random(),
            values: Values::default(),
        })
    }

    /// Asks for something else from here on. The log, and `$request_uri`, keep what the client sent.
    pub(crate) fn redirect_to(&mut self, target: String) {
        let before = std::mem::replace(&mut self.target, target);
        self.sent_target.get_or_insert(before.into());
    }
}
