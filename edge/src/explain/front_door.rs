//! Reads the request of a question as a connection would: with the same reader and the same rules.

use std::net::{Ipv4Addr, SocketAddr};

use http1::head::{self, Refusal, Scheme};

use crate::Edge;
use crate::explain::ExplainQuestion;
use crate::request::body::RequestBody;
use crate::request::{Request, Upgrade, Via};
use crate::settings::Listen;
use crate::settings::site_listen::port_of;

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
    let listener = listener(&edge.settings.listen, question);
    let read = head::read(&text, &edge.bounds(listener).request_head, &mut spans)?;
    let (head, _) = read.ok_or(Refusal::HeadTooLarge)?;
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let via = Via { scheme: question.scheme, ..Via::accepted((peer, question.port), listener, 0) };
    let (body, _) = RequestBody::announced(head.framing);
    let sites = edge.routes.load();
    let hosts = |asked: &str, told: &str| edge.may_be_told(&sites, &via, (asked, told));
    let request = Request::new(edge.settings.forwarding(&hosts), &head, &via, body)?;
    Ok(Request { upgrade: Upgrade::of_head(&head), ..request })
}

/// The listener at the port of the URL; if there is none (a balancer or a container changes ports), the first
/// with its scheme, or the first of all.
fn listener(listeners: &[Listen], question: &ExplainQuestion) -> u16 {
    let at_port = |listen: &Listen| port_of(&listen.address) == Some(question.port);
    let with_scheme = |listen: &Listen| listen.tls.is_some() == (question.scheme == Scheme::Https);
    let found = listeners.iter().position(at_port).or_else(|| listeners.iter().position(with_scheme));
    found.and_then(|index| u16::try_from(index).ok()).unwrap_or(0)
}
