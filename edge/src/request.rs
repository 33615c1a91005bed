//! A request as the handler gets it, whichever protocol it came by: checked, with trusted proxies resolved.

use std::time::Instant;

use http::{HeaderMap, Method, Version};

use process::trace::TraceContext;

use crate::ask::{Client, Scheme};
use crate::body::RequestBody;

pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query as sent; begins with "/" (or is "*").
    pub(crate) target: String,
    /// Host as sent: valid, with the port if there was one. Empty for HTTP/1.0 without Host.
    pub(crate) authority: String,
    pub(crate) version: Version,
    /// End-to-end fields; no Host, no hop-by-hop field, none that only a trusted proxy may send.
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    pub(crate) client: Client,
    pub(crate) scheme: Scheme,
    /// Port the client connected to.
    pub(crate) server_port: u16,
    /// Accepted from the client or begun here.
    pub(crate) trace: TraceContext,
    pub(crate) started: Instant,
}
