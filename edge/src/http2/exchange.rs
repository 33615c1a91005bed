//! One request of an HTTP/2 connection: read strictly, answered on the spot if it is a plain hit, otherwise
//! in a task of its own.

use std::future::poll_fn;

use ::http2::{Arrival, ErrorCode};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tracing::Instrument;

use crate::handler;
use crate::handler::plain::{self, PlainAnswer, PlainHit, PlainWay};
use crate::handler::visit::Visit;
use crate::http1::abandon;
use crate::http1::joined::HitHead;
use crate::http1::send_hit::{self, HeadContext, PARTIAL};
use crate::http2::link::ClientStream;
use crate::http2::reply::StreamPace;
use crate::http2::upload::{StreamUpload, is_lying, let_go};
use crate::http2::{Http2Buffers, Http2Client, blocks, head, reply};
use crate::log::facts::{HitReply, HitRequest};
use crate::log::{record, spans};
use crate::reply::delivery::Delivery;
use crate::reply::{Reply, error};
use crate::request::body::BodyPump;
use crate::request::body::RequestBody;
use crate::request::{Request, Via};
use http1::head as strict;
use http1::head::{Framing, Head, Refusal, Scheme};

const EARLY_HINTS: u16 = 103;

/// Accepts one request of the connection, whose fields are in the buffers. Never waits: what takes time runs
/// in a task.
pub(super) fn begin(client: &Http2Client, via: Via, arrival: Arrival, buffers: &mut Http2Buffers) {
    let Http2Buffers { fields, head: bytes, spans, key, block, blocks, lines } = buffers;
    let has_body = arrival.has_body;
    let read = head::write(fields, has_body, via.scheme, bytes).and_then(|scheme| {
        match strict::read(bytes, &client.bounds().request_head, spans)? {
            // RFC 9113 section 8.1.1: content that differs from Content-Length makes a request malformed.
            Some((head, _)) if head.has_body() && !has_body => Err(Refusal::ContentLength),
            Some((head, used)) if used == bytes.len() => Ok((scheme, head, used)),
            _ => Err(Refusal::RequestLine),
        }
    });
    let head_only = || fields.iter().any(|field| field == (&b":method"[..], &b"HEAD"[..]));
    let (scheme, head, head_bytes) = match read {
        Ok(read) => read,
        Err(refusal) => return refuse(client, (refusal, head_only()), arrival),
    };
    let edge = &client.edge;
    let sites = edge.routes.load();
    let sni = client.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    if sites.misdirected(via.listener, sni, head.host.as_ref()) {
        return refuse(client, (Refusal::Misdirected, head_only()), arrival);
    }
    if !has_body && let Some(PlainWay::Hit(hit)) = plain::find(edge, &sites, &head, &via, key) {
        let by = HitRequest { via: &via, head_bytes, tls: client.tls.as_deref() };
        return answer(client, arrival, (hit, &head), by, (block, blocks, lines));
    }
    match incoming(client, &head, scheme, (via, head_bytes)) {
        Ok((request, pump)) => {
            let stream = client.link.open(arrival);
            if let Framing::Length(length) = head.framing
                && has_body
            {
                stream.announce(length);
            }
            let up =
                pump.map(|pump| StreamUpload { pump, body: stream.clone(), waits: head.expect_continue });
            let client = client.clone();
            match up {
                None if has_body => edge.shutdown.spawn(exchange_without_body(client, request, stream)),
                up => edge.shutdown.spawn(exchange(client, request, up, stream)),
            };
        }
        Err(refusal) => refuse(client, (refusal, head_only()), arrival),
    }
}

/// Sends a plain hit.
fn answer(
    client: &Http2Client,
    arrival: Arrival,
    (hit, head): (PlainHit<'_>, &Head<'_>),
    by: HitRequest<'_>,
    (block, blocks, lines): (&mut Vec<u8>, &mut blocks::HitBlocks, &mut Vec<u8>),
) {
    let edge = &client.edge;
    let PlainHit { found, record, https } = hit;
    let head_only = head.method == "HEAD";
    let added = record.location.reply_fields.as_deref();
    let (status, length, body, rest) = match found {
        PlainAnswer::Page(page)
            if !head.seen.any(PARTIAL) && added.is_none_or(|added| added.only_adds(&page.headers)) =>
        {
            let around = HeadContext { fields: added, https, now: record.started };
            let said = HitHead::of(&page, around, true, head.version);
            let (block, length) = blocks.find(&page, said, |block| {
                lines.clear();
                send_hit::write_fields(edge, &page, said, around, lines);
                blocks::of_lines(lines, block)
            });
            let body = if head_only { Bytes::new() } else { page.body.clone() };
            let sent = body.len();
            (page.head.status, length as u64, sent, client.link.answer(arrival, block, body))
        }
        found => {
            let found = found.reply(edge, head, (record.location, https));
            let length = reply::head(&found, block);
            let body = reply::whole_body(&found, head_only);
            let sent = body.len();
            (found.status, length, sent, client.link.answer(arrival, block, body))
        }
    };
    edge.log.hit(&record, head, by, HitReply { status, head: length, sent: body as u64 });
    if let Some((stream, rest)) = rest {
        let pace = StreamPace { pace: edge.pace(client.via.listener), open: client.open() };
        edge.shutdown.spawn(reply::send_rest(stream, rest, pace));
    }
}

fn incoming(
    client: &Http2Client,
    head: &Head<'_>,
    scheme: Option<Scheme>,
    (via, head_bytes): (Via, usize),
) -> Result<(Request, Option<BodyPump>), Refusal> {
    let (body, pump) = RequestBody::announced(head.framing);
    let (edge, sites) = (&client.edge, client.edge.routes.load());
    let hosts = |asked: &str, told: &str| edge.may_be_told(&sites, &via, (asked, told));
    let mut request = Request::new(edge.settings.forwarding(&hosts), head, &via, body)?;
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

/// Answers a refusal, and whether the request wants a head alone.
fn refuse(client: &Http2Client, refusal: (Refusal, bool), arrival: Arrival) {
    // RFC 9113 section 8.1.1: "Malformed requests or responses that are detected MUST be treated as a stream
    // error (Section 5.4.2) of type PROTOCOL_ERROR. For malformed requests, a server MAY send an HTTP
    // response prior to closing or resetting the stream."
    if refusal.0.status() == StatusCode::BAD_REQUEST {
        return refuse_stream(client, refusal, client.link.open_malformed(arrival));
    }
    let stream = client.link.open(arrival);
    if arrival.has_body {
        client.edge.shutdown.spawn(let_go(stream.clone()));
    }
    refuse_stream(client, refusal, stream);
}

fn refuse_stream(client: &Http2Client, (refusal, head_only): (Refusal, bool), stream: ClientStream) {
    let refused = error::refused(refusal);
    let mut block = Vec::with_capacity(256);
    let length = reply::head(&refused, &mut block);
    let body = reply::whole_body(&refused, head_only);
    let sent = Delivery { head: length, body: body.len() as u64, reusable: true, ..Delivery::default() };
    client.edge.log.refusal((&client.via, &client.edge.routes.load()), (refusal, b""), sent, &refused);
    if stream.send_head(&block, body.is_empty()).is_err() || body.is_empty() {
        return;
    }
    let pace = StreamPace { pace: client.edge.pace(client.via.listener), open: client.open() };
    client.edge.shutdown.spawn(reply::send_rest(stream, body, pace));
}

/// Runs a request whose body was announced as empty though its stream goes on.
async fn exchange_without_body(client: Http2Client, request: Request, stream: ClientStream) {
    let lies = is_lying(&stream).await;
    client.edge.shutdown.spawn(let_go(stream.clone()));
    if lies {
        let head_only = request.method == Method::HEAD;
        return refuse_stream(&client, (Refusal::ContentLength, head_only), stream);
    }
    exchange(client, request, None, stream).await;
}

/// Runs one request through the handler, both directions at once.
async fn exchange(client: Http2Client, mut request: Request, up: Option<StreamUpload>, stream: ClientStream) {
    let edge = &client.edge;
    let turn = tokio::select! {
        biased;
        turn = client.turn() => turn,
        () = poll_fn(|context| stream.poll_reset(context)) => return,
    };
    let Some(turn) = turn else {
        // RFC 9113 section 8.7: "The REFUSED_STREAM error code can be included in a RST_STREAM frame to
        // indicate that the stream is being closed prior to any processing having occurred."
        return stream.reset(ErrorCode::REFUSED_STREAM);
    };
    let pace = StreamPace { pace: edge.pace(client.via.listener), open: client.open() };
    let visit = Visit::of(edge, &mut request);
    let line = record::Line::of(&request, visit.kept.clone());
    let head_only = request.method == Method::HEAD;
    let body_timeout = client.bounds().body;
    let handling = handler::handle(edge, request, &visit).instrument(visit.span.clone());
    let (go_on, told) = tokio::sync::oneshot::channel();
    let uploading = async {
        if let Some(up) = up {
            up.run(go_on, body_timeout).await;
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
                    stream.send_interim(&reply::interim(StatusCode::CONTINUE, &HeaderMap::new()));
                }
            }
            () = &mut uploading, if !uploaded => uploaded = true,
            arrived = hints(&visit) => interim(&stream, arrived),
            () = poll_fn(|context| stream.poll_reset(context)), if !left => match visit.client_abort.is_decided() {
                true => break None,
                false => left = true,
            },
        }
    };
    if let Some(hints) = &visit.hints {
        interim(&stream, hints.take());
    }
    let Some(reply) = reply else {
        let (sent, reply) = abandon::nothing_sent();
        spans::answered(&visit.span, &reply);
        return edge.log.request(&line, sent, &reply);
    };
    let breaks_off = edge.breaks_off(reply.is_event_stream());
    // Events come for as long as the client likes, and few of them wait: no other request waits for that.
    let _turn = (!reply.is_event_stream()).then_some(turn);
    let sending = reply::send(&stream, reply, head_only, pace, breaks_off);
    tokio::pin!(sending);
    let (sent, reply): (Delivery, Reply) = loop {
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
fn interim(stream: &ClientStream, arrived: Vec<HeaderMap>) {
    let status = StatusCode::from_u16(EARLY_HINTS).unwrap_or(StatusCode::CONTINUE);
    for fields in arrived {
        stream.send_interim(&reply::interim(status, &fields));
    }
}
