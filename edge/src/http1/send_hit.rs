//! Sends a plain hit over HTTP/1: head and what was asked of the body in one call, from buffers of the
//! thread's own.

use std::io::{self, IoSlice};
use std::task::Context;
use std::time::Instant;

use bytes::Bytes;
use http_cache::cache_status::X_CACHE_STATUS;
use http1::head::{Head, KnownFields, Version};
use http1::write::{field_line, number, persistence_line, title_names};

use crate::Edge;
use crate::cache::page::Page;
use crate::connection::clock;
use crate::connection::stream::{Stream, WriteResult};
use crate::fields::reply::ReplyFields;
use crate::handler::plain::{CONDITIONAL, PlainAnswer, PlainHit};
use crate::http1::joined::{HitHead, JoinedPages};
use crate::http1::write::{self, WriteManner};
use crate::log::facts::{HitReply, HitRequest};
use crate::reply::answer;
use crate::reply::body::ReplyBody;
use crate::request::Via;

/// Fields that can make the answer less than the whole page.
pub(crate) const PARTIAL: KnownFields = KnownFields::of(CONDITIONAL);

/// The buffers for an answer.
#[derive(Default)]
pub(crate) struct Room {
    head: Vec<u8>,
    joined: JoinedPages,
}

/// What the socket did not take: rest of the head, rest of the body. Boxed: it is rare, and a connection
/// keeps the room for it.
pub(crate) type RestOfHit = Option<Box<(Bytes, Bytes)>>;

/// Where a hit is sent, and with what.
pub(crate) struct HitReceiver<'a, 'b> {
    pub(crate) edge: &'a Edge,
    pub(crate) via: &'a Via,
    pub(crate) room: &'a mut Room,
    pub(crate) stream: &'a mut Stream,
    pub(crate) context: &'a mut Context<'b>,
    /// Bytes of the request's head.
    pub(crate) head_bytes: usize,
}

impl<'a> PlainHit<'a> {
    /// Sends it. `keep_alive`: the connection may be used again.
    pub(crate) fn send(
        self,
        to: HitReceiver<'_, '_>,
        head: &Head<'_>,
        keep_alive: bool,
    ) -> io::Result<RestOfHit> {
        let HitReceiver { edge, via, room, stream, context, head_bytes } = to;
        let head_only = head.method == "HEAD";
        let Self { found, record, https } = self;
        let fields = record.location.reply_fields.as_deref();
        let Room { head: out, joined } = room;
        let (status, body) = match found {
            PlainAnswer::Page(page)
                if !head.seen.any(PARTIAL) && fields.is_none_or(|fields| fields.only_adds(&page.headers)) =>
            {
                let around = HeadContext { fields, https, now: record.started };
                let said = HitHead::of(&page, around, keep_alive, head.version);
                let write_head = |out: &mut Vec<u8>| write_head(edge, &page, said, around, out);
                if !head_only && let Some((whole, body_at)) = joined.find(&page, said, write_head) {
                    let taken = stream.write_now(context, &[IoSlice::new(whole)])?;
                    let unsent = rest(taken, whole.get(..body_at).unwrap_or_default(), &page.body);
                    let reply = HitReply {
                        status: page.head.status,
                        head: body_at as u64,
                        sent: page.body.len() as u64,
                    };
                    let by = HitRequest { via, head_bytes, tls: stream.session().map(|tls| &**tls) };
                    edge.log.hit(&record, head, by, reply);
                    return Ok(unsent);
                }
                out.clear();
                write_head(out);
                (page.head.status, page.body.clone())
            }
            found => {
                let reply = found.reply(edge, head, (record.location, https));
                let title_names = edge.settings.title_names;
                let manner = WriteManner { head_only, version: head.version.into(), keep_alive, title_names };
                write::whole_head(out, &reply, manner);
                let body = if let ReplyBody::Whole(body) = reply.body { body } else { Bytes::new() };
                (reply.status, body)
            }
        };
        let body = if head_only { Bytes::new() } else { body };
        let taken = stream.write_now(context, &[IoSlice::new(out), IoSlice::new(&body)])?;
        let unsent = rest(taken, out, &body);
        let reply = HitReply { status, head: out.len() as u64, sent: body.len() as u64 };
        let by = HitRequest { via, head_bytes, tls: stream.session().map(|tls| &**tls) };
        edge.log.hit(&record, head, by, reply);
        Ok(unsent)
    }
}

impl HitHead {
    pub(crate) fn of(page: &Page, around: HeadContext<'_>, keep_alive: bool, version: Version) -> Self {
        let age = page.head.age(around.now);
        let date = if page.has_date { 0 } else { clock::second(around.now) };
        let ttl = page.head.lifetime.ttl_at(age);
        // Some fields are for HTTPS only.
        let fields = around.fields.map_or(0, |fields| fields.number * 2 + u64::from(around.https));
        Self { age: age.as_secs(), ttl, date, keep_alive, version, fields }
    }
}

/// What a head says besides the page.
#[derive(Clone, Copy)]
pub(crate) struct HeadContext<'a> {
    pub(crate) fields: Option<&'a ReplyFields>,
    pub(crate) https: bool,
    pub(crate) now: Instant,
}

fn write_head(edge: &Edge, page: &Page, said: HitHead, around: HeadContext<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    write_fields(edge, page, said, around, out);
    persistence_line(out, said.keep_alive, said.version.into());
    out.extend_from_slice(b"\r\n");
    if edge.settings.title_names {
        let head = out.get_mut(begin..).unwrap_or_default();
        title_names(head);
        if let Some(fields) = around.fields {
            fields.spell(head);
        }
    }
}

/// Writes the status line and the fields that do not depend on the connection.
pub(crate) fn write_fields(
    edge: &Edge,
    page: &Page,
    said: HitHead,
    around: HeadContext<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&page.wire_head);
    if let Some(fields) = around.fields {
        fields.write_added(page.head.status, around.https, out);
    }
    let status = answer::hit_status(said.ttl);
    out.extend_from_slice(b"cache-status: ");
    status.write(out);
    out.extend_from_slice(b"\r\n");
    if edge.settings.nginx_cache_status {
        field_line(out, X_CACHE_STATUS.as_str(), status.nginx_word().as_bytes());
    }
    out.extend_from_slice(b"age: ");
    number(out, said.age);
    out.extend_from_slice(b"\r\n");
    if !page.has_date {
        write::date_line(out, around.now);
    }
}

fn rest(taken: WriteResult, head: &[u8], body: &Bytes) -> RestOfHit {
    let written = taken.bytes;
    if taken.flushed && written == head.len() + body.len() {
        return None;
    }
    let head_rest = head.get(written..).unwrap_or_default();
    let body_rest = body.slice(written.saturating_sub(head.len())..);
    Some(Box::new((Bytes::copy_from_slice(head_rest), body_rest)))
}
