//! What the edge asks the application: the head of a request to a wsgi-adapter, for one visitor or for a page
//! that will be shared.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version};
use http_cache::{Policy, SharedRequest, holes, revalidate};
use http1::head::Scheme;
use weir_proto::fields;
use weir_proto::origin::{Field, Priority, RequestHead};
use weir_proto::passes;

use crate::application::hints::Hints;
use crate::application::told::ToldValues;
use crate::application::upstream::BackgroundRecorder;
use crate::fields::request::CommonFields;
use crate::request::client::{Client, protocol};

/// The client's address as the application sees it in a request for a page to be shared: nobody's, and not
/// that of a network of our own, to which an application might show more than to the world. The prefix
/// 192.88.99.0/24 is not routed any more (RFC 7526), and neither private nor reserved to Python's
/// `ipaddress`, as 0.0.0.0 and the addresses for documentation are.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 88, 99, 1));

/// All of a request to the application except its method, target, fields and body.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub pool: Arc<str>,
    /// The server to ask, if the pool takes any.
    pub server: Arc<str>,
    pub scheme: Scheme,
    pub version: Version,
    /// The host as the client asked for it.
    pub authority: String,
    /// The host that the application is told in its place; empty: none.
    pub host: String,
    pub client: Client,
    pub server_name: Arc<str>,
    pub server_port: u16,
    pub document_root: Arc<str>,
    /// The W3C traceparent for the application; empty: none.
    pub traceparent: String,
    /// The priority of the location.
    pub priority: Priority,
    /// The location's setting: the body must not be buffered.
    pub stream_body: bool,
    /// The location says that the reply is not to be buffered.
    pub stream_reply: bool,
    /// The location's setting: a set of the pool's variables.
    pub variables: Arc<str>,
    /// How long the application may take; zero: as long as the edge's setting says.
    pub timeout: Duration,
    /// Where interim replies 103 go; `None`: they are not wanted.
    pub hints: Option<Arc<Hints>>,
    /// The protocol to switch to; empty: none.
    pub upgrade: &'static str,
    /// Fields that the settings add, alike for all requests with the same key.
    pub common_fields: CommonFields,
    /// Path and query as the client sent them, if rules have made another target of them.
    pub request_uri: Option<Bytes>,
    /// What the adapter is told besides.
    pub told: Option<Box<ToldValues>>,
    /// The adapters that the request has been through.
    pub passes: Option<HeaderValue>,
}

impl Ask {
    pub(crate) fn head(&self, method: &str, target: Bytes, headers: &HeaderMap) -> RequestHead {
        let mut head = RequestHead {
            pool: self.pool.to_string(),
            server: self.server.to_string(),
            method: method.to_owned(),
            target,
            scheme: self.scheme.as_str().to_owned(),
            protocol: protocol(self.version).to_owned(),
            authority: self.authority.clone(),
            host: self.host.clone(),
            fields: self.all_fields(headers),
            client_address: self.client.address_text(),
            client_port: self.client.port.into(),
            server_name: self.server_name.to_string(),
            server_port: self.server_port.into(),
            document_root: self.document_root.to_string(),
            content_length: None,
            deadline_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            traceparent: self.traceparent.clone(),
            priority: self.priority.into(),
            shared: false,
            upgrade: self.upgrade.to_owned(),
            stream_body: self.stream_body,
            stream_reply: self.stream_reply,
            variables: self.variables.to_string(),
            request_uri: self.request_uri.clone().unwrap_or_default(),
            early_hints: self.hints.is_some(),
            read_timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            told: Vec::new(),
            hash_key: Bytes::new(),
            values: Vec::new(),
            caused_by: String::new(),
        };
        if let Some(told) = &self.told {
            told.put(&mut head, false);
        }
        head
    }

    fn all_fields(&self, headers: &HeaderMap) -> Vec<Field> {
        let mut all = fields::from_headers(headers);
        for (name, value) in self.common_fields.iter().flat_map(|common| common.iter()) {
            all.push(Field {
                name: Bytes::copy_from_slice(name.as_str().as_bytes()),
                value: Bytes::copy_from_slice(value.as_bytes()),
            });
        }
        all
    }
}

/// A request for a page that may be shared: it holds only what the key covers.
#[derive(Clone, Debug)]
pub(crate) struct SharedAsk {
    pub ask: Ask,
    pub request: SharedRequest,
    pub policy: Arc<Policy>,
    /// Whom to tell of a refresh in the background.
    pub recorder: Option<Arc<dyn BackgroundRecorder>>,
}

impl SharedAsk {
    /// Always GET: a HEAD is answered from the page that a GET would have got.
    pub(crate) fn head(&self) -> RequestHead {
        self.head_with(&self.request.outgoing.headers)
    }

    /// Makes the same request conditional on the stored replies; `None` if these have no validators.
    pub(crate) fn conditional_head(&self, stored: &[&HeaderMap]) -> Option<RequestHead> {
        let mut headers = self.request.outgoing.headers.clone();
        let is_conditional = !self.request.look.wants.unconditional
            && revalidate::make_conditional(&mut headers, stored, SystemTime::now());
        is_conditional.then(|| self.head_with(&headers))
    }

    fn head_with(&self, headers: &HeaderMap) -> RequestHead {
        let outgoing = &self.request.outgoing;
        let mut head = self.ask.head("GET", outgoing.target.clone(), headers);
        // The host as in the key: the page must not depend on how one visitor wrote it.
        head.authority.clone_from(&outgoing.authority);
        head.request_uri = outgoing.request_uri.clone().unwrap_or_default();
        // What its key does not hold must not go into the page: neither by which protocol it was asked for,
        // nor from where.
        head.protocol = protocol(Version::HTTP_11).to_owned();
        head.client_address = outgoing.client.unwrap_or(NOBODY).to_string();
        head.client_port = 0;
        // Whoever asks for many pages has no more of the pool for it than its part.
        head.caused_by = caused_by(self.ask.client, self.ask.version);
        // It begins a trace of its own: `page_span`.
        head.traceparent = String::new();
        head.server_port = self.ask.scheme.port(&outgoing.authority).into();
        // An application that knows of holes leaves some, instead of making a page for nobody.
        head.fields.push(Field { name: holes::FIELD.into(), value: holes::OFFER.into() });
        if let Some(passes) = &self.ask.passes {
            let value = Bytes::copy_from_slice(passes.as_bytes());
            head.fields.push(Field { name: Bytes::from_static(passes::FIELD.as_bytes()), value });
        }
        head.shared = true;
        if let Some(told) = &self.ask.told {
            told.put(&mut head, true);
        }
        head
    }

    /// The target, for log lines.
    pub(crate) fn target(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.request.outgoing.target)
    }
}
/// A client's address, with its port where its connection carries many requests at once.
fn caused_by(client: Client, version: Version) -> String {
    if version == Version::HTTP_2 && client.port != 0 && client.is_named_by_address() {
        return SocketAddr::new(client.address, client.port).to_string();
    }
    client.address_text()
}
