//! One request of an HTTP/2 connection: read strictly, answered on the spot if it is a plain hit, otherwise
//! in a task of its own.

use std::future::poll_fn;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Response, StatusCode};
use tracing::Instrument;

use crate::handler;
use crate::handler::plain;
use crate::handler::visit::Visit;
use crate::http1::abandon;
use crate::http2::reply::StreamPace;
use crate::http2::upload::{StreamUpload, is_lying, let_go};
use crate::http2::{Http2Client, StreamBuffers, head, reply};
use crate::log::facts::{HitReply, HitRequest};
use crate::log::{record, spans};
use crate::reply::error;
use crate::request::body::BodyPump;
use crate::request::body::RequestBody;
use crate::request::{Request, Via};
use http1::head as strict;
use http1::head::{Head, Refusal, Scheme};

const EARLY_HINTS: u16 = 103;

/// Accepts one request of the connection. Never waits: what takes time runs in a task.
pub(super) fn begin(
    (client, via): (&Http2Client, Via),
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    scratch: &mut StreamBuffers,
) {
    let has_body = !request.body().is_end_stream();
    let StreamBuffers { head: bytes, spans, key } = scratch;
    let read = head::scheme(&request)
        .and_then(|scheme| head::write(&request, has_body, bytes).map(|()| scheme))
        .and_then(|scheme| match strict::read(bytes, &client.edge.head_limits, spans)? {
            Some((head, used)) if used == bytes.len() => Ok((scheme, head, used)),
            _ => Err(Refusal::RequestLine),
        });
    let (scheme, head, head_bytes) = match read {
        Ok(read) => read,
        Err(refusal) => return refuse(client, refusal, respond, request.into_body()),
    };
    let edge = &client.edge;
    let sites = edge.routes.load();
    let sni = client.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    if sites.misdirected(via.listener, sni, head.host.as_ref()) {
        return refuse(client, Refusal::Misdirected, respond, request.into_body());
    }
    if let Some(hit) = plain::find(edge, &sites, &head, &via, key) {
        let (found, entry) = hit.reply(edge, &head);
        let sent = reply::send_now(&mut respond, &found, head.method == "HEAD");
        if let Ok((sent, rest)) = sent {
            let reply = HitReply { status: found.status, head: sent.head, sent: sent.body };
            let by = HitRequest { via: &via, head_bytes, tls: client.tls.as_deref() };
            edge.log.hit(&entry, &head, by, reply);
            if let Some((stream, body)) = rest {
                let pace = StreamPace { pace: edge.pace(), open: client.open() };
                edge.shutdown.spawn(reply::send_rest(stream, body, pace));
            }
        }
        return;
    }
    match incoming(client, &head, scheme, (via, head_bytes)) {
        Ok((request_, None)) if has_body => {
            let mut body = request.into_body();
            let client = client.clone();
            edge.shutdown.spawn(async move {
                if !is_lying(&mut body).await {
                    client.edge.shutdown.spawn(let_go(body));
                    exchange(client, request_, None, respond).await;
                }
            });
        }
        Ok((request_, pump)) => {
            let up = pump.map(|pump| StreamUpload {
                pump,
                body: request.into_body(),
                waits: head.expect_continue,
            });
            edge.shutdown.spawn(exchange(client.clone(), request_, up, respond));
        }
        Err(refusal) => refuse(client, refusal, respond, request.into_body()),
    }
}

fn incoming(
    client: &Http2Client,
    head: &Head<'_>,
    scheme: Option<Scheme>,
    (via, head_bytes): (Via, usize),
) -> Result<(Request, Option<BodyPump>), Refusal> {
    let (body, pump) = RequestBody::announced(head.framing);
    let mut request = Request::new(client.edge.settings.trusted(), head, &via, body)?;
    request.arrival.head = head_bytes;
    request.arrival.tls.clone_from(&client.tls);
    request.arrival.server = client.server;
    request.arrival.proxied.clone_from(&client.proxied);
    // RFC 9110 section 7.4, as with absolute targets in HTTP/1.
    if scheme == Some(Scheme::Https) && request.scheme == Scheme::Http {
        return Err(Refusal::TargetForm);
    }
    Ok((request, pump))
}

fn refuse(client: &Http2Client, refusal: Refusal, mut respond: SendResponse<Bytes>, body: RecvStream) {
    let refused = error::refused(refusal);
    // Short enough for any window that a client which goes on may have left.
    let sent = reply::send_now(&mut respond, &refused, false).map(|(sent, _)| sent).unwrap_or_default();
    client.edge.log.refusal(client.via.peer, refusal, sent, &refused);
    if !body.is_end_stream() {
        client.edge.shutdown.spawn(let_go(body));
    }
}

/// Runs one request through the handler, both directions at once.
async fn exchange(
    client: Http2Client,
    mut request: Request,
    up: Option<StreamUpload>,
    mut respond: SendResponse<Bytes>,
) {
    let edge = &client.edge;
    let pace = StreamPace { pace: edge.pace(), open: client.open() };
    let visit = Visit::of(edge, &mut request);
    let line = record::Line::of(&request, visit.kept.clone());
    let head_only = request.method == Method::HEAD;
    let timeouts = &edge.settings.timeouts;
    let handling = handler::handle(edge, request, &visit).instrument(visit.span.clone());
    let (go_on, told) = tokio::sync::oneshot::channel();
    let uploading = async {
        if let Some(up) = up {
            up.run(go_on, timeouts.body.0).await;
        }
    };
    tokio::pin!(handling, uploading, told);
    let (mut asked, mut left, mut uploaded) = (false, false, false);
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut handling => break Some(reply),
            wants = &mut told, if !asked => {
                asked = true;
                if wants.is_ok() {
                    let mut go_on = Response::new(());
                    *go_on.status_mut() = StatusCode::CONTINUE;
                    let _ = respond.send_informational(go_on);
                }
            }
            () = &mut uploading, if !uploaded => uploaded = true,
            arrived = hints(&visit) => interim(&mut respond, arrived),
            _ = poll_fn(|context| respond.poll_reset(context)), if !left => match visit.client_abort.is_decided() {
                true => break None,
                false => left = true,
            },
        }
    };
    if let Some(hints) = &visit.hints {
        interim(&mut respond, hints.take());
    }
    let Some(reply) = reply else {
        let (sent, reply) = abandon::nothing_sent();
        spans::answered(&visit.span, &reply);
        return edge.log.request(&line, sent, &reply);
    };
    let breaks_off = edge.breaks_off(reply.is_event_stream());
    let sending = reply::send(&mut respond, reply, head_only, pace, breaks_off);
    tokio::pin!(sending);
    let (sent, reply) = loop {
        tokio::select! {
            biased;
            sent = &mut sending => break sent,
            () = &mut uploading, if !uploaded => uploaded = true,
        }
    };
    spans::answered(&visit.span, &reply);
    edge.log.request(&line, sent, &reply);
    if !uploaded && !sent.broken {
        uploading.await;
    }
}

/// The next interim replies of the application.
async fn hints(visit: &Visit) -> Vec<HeaderMap> {
    match &visit.hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}

/// Sends them (RFC 8297).
fn interim(respond: &mut SendResponse<Bytes>, arrived: Vec<HeaderMap>) {
    for fields in arrived {
        let mut hint = Response::new(());
        *hint.status_mut() = StatusCode::from_u16(EARLY_HINTS).unwrap_or(StatusCode::CONTINUE);
        *hint.headers_mut() = fields;
        let _ = respond.send_informational(hint);
    }
}
