//! A request as the handler gets it, from HTTP/1 or HTTP/2: checked, with trusted proxies resolved.
//!
//! `forwarded` decides who the client is and which URL it asked for, `path` normalises the path, and `body`
//! is read only when somebody wants it.

pub(crate) mod body;
pub(crate) mod body_file;
pub(crate) mod cache_terms;
pub(crate) mod client;
mod facts;
pub(crate) mod forwarded;
pub(crate) mod path;
pub(crate) mod snapshot;
pub(crate) mod via;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_cache::RequestParts;
use process::telemetry;
use process::trace::TraceContext;

use crate::access::secure_link::SecureLink;
use crate::connection::client_check::ClientRefusal;
use crate::connection::proxied::ProxyAddresses;
use crate::connection::tls_session::TlsSession;
use crate::request::body::RequestBody;
use crate::request::cache_terms::CacheTerms;
use crate::request::client::Client;
use crate::request::forwarded::Origin;
use crate::request::path::NormalPath;
use crate::settings::ForwardingRules;
use crate::variables::body_copy::BodyCopy;
use crate::variables::{EarlierReply, LimitStatus, Values};
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

    /// The protocol that the client of a request switches to.
    pub(crate) fn of_head(head: &Head<'_>) -> Option<Self> {
        head.upgrade.filter(|_| head.method == "GET" && !head.has_body()).and_then(Self::of)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
        }
    }
}

/// Where a request goes on after a change of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It begins with the rules of its site.
    Site,
    /// It begins with the location of its path.
    Location,
    /// A named location answers.
    Named(Arc<str>),
}

/// What rules did, each with the rule: "rewritten to /x", "rule[0]".
pub(crate) type Trail = Mutex<Vec<(String, String)>>;

/// The connection that a request came by, and what was read of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The number of the connection among all that the edge has accepted.
    pub(crate) connection: u32,
    /// How many requests came by it, with this one.
    pub(crate) requests: u32,
    /// When it was accepted.
    pub(crate) since: Instant,
    /// Bytes of its head.
    pub(crate) head: usize,
    pub(crate) tls: Option<Arc<TlsSession>>,
    /// Why it gets no answer but one.
    pub(crate) refusal: Option<ClientRefusal>,
    /// The address that the client connected to.
    pub(crate) server: Option<IpAddr>,
    /// Who has sent it: the client, or a proxy.
    pub(crate) peer: Option<SocketAddr>,
    /// What a proxy has said of the connection.
    pub(crate) proxied: Option<Arc<ProxyAddresses>>,
    /// Its body, as far as variables want it.
    pub(crate) body: Option<Arc<BodyCopy>>,
    /// What somebody who is not trusted has said of its client.
    pub(crate) claims: Option<Arc<HeaderMap>>,
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
    /// The application or a rule has sent the request here: not the client.
    pub(crate) internal: bool,
    /// The application has named this very path (X-Accel-Redirect): files of all names are served.
    pub(crate) named_by_application: bool,
    /// What the client asked for, in the normal form of `target`, if rules have made another target of it.
    pub(crate) asked: Option<Box<str>>,
    /// Where the request goes on.
    pub(crate) entry: Entry,
    /// It asks for the page of an error.
    pub(crate) for_error: Option<StatusCode>,
    /// If that fails, no other page is sought.
    pub(crate) last_page: bool,
    /// The status that the answer to an error will have; `None`: that of the page.
    pub(crate) error_status: Option<StatusCode>,
    /// Its body went elsewhere.
    pub(crate) body_gone: bool,
    /// It asks the page of `auth_request` for a request with this method.
    pub(crate) check_of: Option<Method>,
    /// Whether it may go on was decided for this visitor alone, and so is the answer.
    pub(crate) for_one: bool,
    /// What rules did with it, if somebody wants to know.
    pub(crate) trail: Option<Arc<Trail>>,
    pub(crate) client: Client,
    /// Authorization, if it was for this server and not for the application.
    pub(crate) credentials: Option<HeaderValue>,
    pub(crate) scheme: Scheme,
    /// The port that the client connected to: the edge's, or that of a trusted proxy.
    pub(crate) server_port: u16,
    /// The listener that accepted the connection: its index in `edge.listen`.
    pub(crate) listener: u16,
    /// The client's trace, or one that begins here.
    pub(crate) trace: TraceContext,
    pub(crate) started: Instant,
    /// Names the request in logs and to the application.
    pub(crate) id: u128,
    /// The application's reply that has sent it here.
    pub(crate) upstream: Option<Arc<EarlierReply>>,
    /// How it came.
    pub(crate) arrival: Arrival,
    /// What rules have set for the request: captures, and `set`.
    pub(crate) values: Values,
    /// What the settings of a cache say of this request besides its usual rules.
    pub(crate) cache_terms: Option<Box<CacheTerms>>,
    /// What limits have done with it.
    pub(crate) limited: LimitStatus,
    /// Whose link it was by, right or wrong.
    pub(crate) link: Option<Arc<SecureLink>>,
    /// A regular expression that a variable needed could not be searched to its end.
    pub(crate) endless: AtomicBool,
}

impl Request {
    /// Makes the request from a parsed head; `body` follows it. Fields in which a proxy describes its client
    /// count only where the rules allow it.
    pub(crate) fn new(
        rules: ForwardingRules<'_>,
        head: &Head<'_>,
        via: &Via,
        body: RequestBody,
    ) -> Result<Self, Refusal> {
        let mut headers = head.to_headers();
        let Origin { client, scheme, authority, port, claims } =
            forwarded::settle(&mut headers, via, head.host, rules)?;
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
            named_by_application: false,
            asked: None,
            entry: Entry::Site,
            for_error: None,
            last_page: false,
            error_status: None,
            body_gone: false,
            check_of: None,
            for_one: false,
            trail: None,
            client,
            credentials: None,
            scheme,
            server_port: port,
            listener: via.listener,
            trace: telemetry::sampler().decide(parent),
            started: Instant::now(),
            id: rand::random(),
            upstream: None,
            arrival: Arrival {
                connection: via.connection,
                requests: via.requests,
                peer: Some(via.peer),
                refusal: via.refused,
                since: via.since,
                head: 0,
                tls: None,
                server: None,
                proxied: None,
                body: None,
                claims: (!claims.is_empty()).then(|| Arc::new(claims)),
            },
            values: Values::default(),
            cache_terms: None,
            limited: LimitStatus::default(),
            link: None,
            endless: AtomicBool::new(false),
        })
    }

    /// Asks for another path from here on, because a rule says so. The application still learns what the
    /// client asked for.
    pub(crate) fn rewrite_to(&mut self, path: &NormalPath<'_>, query: Option<&[u8]>) {
        let target = path::target(path, query);
        if target != self.target {
            self.asked.get_or_insert_with(|| self.target.as_str().into());
            self.redirect_to(target);
        }
    }

    /// Copies the request without its body.
    pub(crate) fn without_body(&self) -> Self {
        Self {
            method: self.method.clone(),
            target: self.target.clone(),
            sent_target: self.sent_target.clone(),
            authority: self.authority.clone(),
            version: self.version,
            headers: self.headers.clone(),
            body: RequestBody::empty(),
            upgrade: None,
            internal: self.internal,
            named_by_application: false,
            asked: self.asked.clone(),
            entry: self.entry.clone(),
            for_error: self.for_error,
            last_page: self.last_page,
            error_status: self.error_status,
            body_gone: self.body_gone || !self.body.is_empty(),
            check_of: self.check_of.clone(),
            for_one: self.for_one,
            trail: self.trail.clone(),
            client: self.client,
            credentials: self.credentials.clone(),
            scheme: self.scheme,
            server_port: self.server_port,
            listener: self.listener,
            trace: self.trace,
            started: self.started,
            id: self.id,
            upstream: self.upstream.clone(),
            arrival: self.arrival.clone(),
            values: self.values.clone(),
            cache_terms: None,
            limited: self.limited,
            link: self.link.clone(),
            endless: AtomicBool::new(self.endless.load(Relaxed)),
        }
    }

    /// Whether it asks the page of `auth_request`.
    pub(crate) fn is_check(&self) -> bool {
        self.check_of.is_some()
    }

    /// Whether it comes from another place: the application has sent it here, or a rule, also by a rewrite.
    pub(crate) fn is_sent_on(&self) -> bool {
        self.internal || self.asked.is_some()
    }

    /// Notes what a rule does.
    pub(crate) fn note(&self, rule: impl FnOnce() -> String, what: impl FnOnce() -> String) {
        if let Some(trail) = &self.trail {
            trail.lock().unwrap_or_else(PoisonError::into_inner).push((what(), rule()));
        }
    }

    /// Asks for something else from here on. The log, and `$request_uri`, keep what the client sent.
    pub(crate) fn redirect_to(&mut self, target: String) {
        let before = std::mem::replace(&mut self.target, target);
        self.sent_target.get_or_insert_with(|| before.into());
    }

    /// What the rules of the cache read of it: what the client asked for.
    pub(crate) fn parts(&self) -> RequestParts<'_> {
        self.parts_for(self.asked.as_deref().unwrap_or(&self.target))
    }

    /// What they read of it as rules have rewritten it.
    pub(crate) fn rewritten_parts(&self) -> Option<RequestParts<'_>> {
        self.asked.as_ref().map(|_| self.parts_for(&self.target))
    }

    fn parts_for<'a>(&'a self, target: &'a str) -> RequestParts<'a> {
        let (path, query) = path::split(target);
        RequestParts {
            method: &self.method,
            scheme: self.scheme.as_str(),
            authority: &self.authority,
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
            headers: &self.headers,
            client: self.client.address,
        }
    }
}
