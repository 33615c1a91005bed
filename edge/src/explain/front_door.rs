//! Reads the request of a question as a connection would: with the same reader and the same rules.

use std::net::{Ipv4Addr, SocketAddr};

use http1::head::{self, Refusal};

use crate::Edge;
use crate::explain::ExplainQuestion;
use crate::request::body::RequestBody;
use crate::request::{Request, Upgrade, Via};

/// The request, from a client on this machine, or the refusal that it would get.
pub(super) fn settle(edge: &Edge, question: &ExplainQuestion) -> Result<Request, Refusal> {
    let line = format!("{} {} HTTP/1.1\r\n", question.method, question.target);
    let mut text = format!("{line}host: {}\r\n", question.authority).into_bytes();
    for (name, value) in &question.fields {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    let mut spans = Vec::new();
    let read = head::read(&text, &edge.head_limits, &mut spans)?;
    let (head, _) = read.ok_or(Refusal::HeadTooLarge)?;
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let via = Via { peer, port: question.port, scheme: question.scheme, http2: false };
    let (body, _) = RequestBody::announced(head.framing);
    let request = Request::new(edge.settings.trusted(), &head, &via, body)?;
    Ok(Request { upgrade: Upgrade::of_head(&head), ..request })
}
