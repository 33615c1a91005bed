//! Takes a reply from its server to the edge: head, body, end; or bytes both ways once protocols are
//! switched.

use std::mem;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http1::reply::ResponseHead;
use http1::reply::body::is_bodiless;
use process::least_rate::LeastRate;
use process::wait::within;
use tokio::time::Instant;
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{End, Field, ReplyHead};

use super::Fetch;
use crate::error::{Error, PoolFull};
use crate::exchange::{Reply, tunnel};
use crate::pool::{Slot, Unread};
use crate::replies::ReplyReader;
use crate::replies::spool::Spool;

/// How long a reply's head waits for the beginning of its body, which servers send behind it, so that both go
/// over the network together.
const MOMENT: Duration = Duration::from_millis(10);

/// Bytes per second that a client takes of a reply which keeps its place, over this time, while others wait
/// for the place. Sockets take much at once of who is slow.
const READING_RATE: u64 = 8 * 1024;
const READING_WINDOW: Duration = Duration::from_secs(5);
/// How often a reply that waits for its client looks whether others wait for its place.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn reading() -> LeastRate {
    LeastRate::new(READING_RATE, READING_WINDOW)
}

impl Fetch<'_> {
    /// Takes the reply off the server, and gives the server's place back as soon as it is done, however slow
    /// the client is.
    pub(super) async fn relay(&mut self, mut reply: Reply, mut slot: Slot) -> Result<(), Error> {
        let (pool, replies) = (self.pool, self.replies);
        let is_buffered = !self.terms.stream_reply && is_buffered(&reply.head);
        if is_event_stream(&reply.head) {
            lasts(&reply, &mut slot)?;
        }
        let file = if is_buffered { pool.config.reply_buffer.file.0 } else { 0 };
        let mut spool = Spool::new(&pool.file_space, file);
        let head = self.told_head(&mut reply, &slot);
        let taken = self.take_off(head, &mut reply, &mut spool).await;
        let unread = (!spool.is_empty()).then(|| Unread::new(pool, slot.holder()));
        match &taken {
            Ok(()) => self.park(reply, slot),
            Err(error) => {
                slot.broke_off(error);
                drop((reply, slot));
            }
        }
        if !matches!(taken, Err(Error::Unread)) {
            // The client may take long: nothing waits for it in memory.
            if !replies.has_room() {
                spool.write_gathered().await;
            }
            while !spool.is_empty() {
                // What waits for the edge waits in the file.
                replies.room().await?;
                if let Some(piece) = spool.take().await.map_err(Error::Storage)? {
                    replies.send(Message::Chunk(piece)).await?;
                }
            }
        }
        drop(unread);
        taken?;
        replies.send(Message::End(End {})).await
    }

    /// Takes the whole reply off the server. What the edge had no room for is in `spool`.
    async fn take_off(&mut self, head: ReplyHead, reply: &mut Reply, spool: &mut Spool) -> Result<(), Error> {
        let replies = self.replies;
        // An edge that leaves here closes the connection: the server finds out when it next writes.
        let mut first = None;
        if replies.reader() == ReplyReader::Network {
            first = replies.while_wanted(pin!(async { Ok(within(MOMENT, reply.next()).await.ok()) })).await?;
        }
        replies.send(Message::Head(head)).await?;
        let mut next = match first {
            Some(piece) => piece?,
            None => self.next(reply, spool).await?,
        };
        while let Some(piece) = next {
            self.forward(piece, spool).await?;
            next = self.next(reply, spool).await?;
        }
        Ok(())
    }

    /// Sends a piece of the body to the edge, or puts it aside where the edge is behind.
    async fn forward(&mut self, piece: Bytes, spool: &mut Spool) -> Result<(), Error> {
        while !spool.is_empty() || !self.replies.has_room() {
            if spool.add(&piece).await {
                return Ok(());
            }
            self.room_at_the_clients_pace().await?;
            match spool.take().await.map_err(Error::Storage)? {
                Some(earlier) => self.pass_on(earlier).await?,
                None => break,
            }
        }
        self.pass_on(piece).await
    }

    async fn pass_on(&mut self, piece: Bytes) -> Result<(), Error> {
        self.reading.moved(piece.len() as u64);
        self.replies.send(Message::Chunk(piece)).await
    }

    /// There is no room anywhere: the client sets the pace. It may not hold a place for longer that others
    /// wait for, unless it reads as fast as people do.
    async fn room_at_the_clients_pace(&mut self) -> Result<(), Error> {
        loop {
            let begun = Instant::now();
            let room = within(LOOK_AGAIN, self.replies.room()).await;
            self.reading.waited(begun.elapsed());
            if let Ok(room) = room {
                return room;
            }
            if self.reading.left().is_zero() && self.pool.is_crowded() {
                return Err(Error::SlowReader);
            }
        }
    }

    /// The next piece that the server sends. Meanwhile the edge gets what was put aside.
    async fn next(&mut self, reply: &mut Reply, spool: &mut Spool) -> Result<Option<Bytes>, Error> {
        while !spool.is_empty() {
            let room = tokio::select! {
                biased;
                () = self.replies.unwanted() => return Err(Error::Unread),
                next = reply.next() => return Ok(next?),
                room = self.replies.room() => room,
            };
            room?;
            if let Some(piece) = spool.take().await.map_err(Error::Storage)? {
                self.replies.send(Message::Chunk(piece)).await?;
            }
        }
        self.replies.while_wanted(pin!(async { Ok(reply.next().await?) })).await
    }

    /// The server is done: its connection may serve another request, and its place is free.
    fn park(&self, reply: Reply, slot: Slot) {
        if let Some(connection) = reply.into_connection() {
            self.pool.idle.park(slot.server().address.as_str(), connection);
        }
    }

    /// The reply's head as the edge is told it.
    fn told_head(&self, reply: &mut Reply, slot: &Slot) -> ReplyHead {
        let head = told_head(&mut reply.head, self.terms.method, slot.server().address.as_str());
        let connect_us = u32::try_from(self.connecting.as_micros()).unwrap_or(u32::MAX);
        ReplyHead { connect_us, earlier: self.earlier.clone(), ..head }
    }

    /// Turns the connection into a tunnel, after 101.
    pub(super) async fn switch(
        &mut self,
        mut reply: Reply,
        mut slot: Slot,
        messages: BodyMessages,
    ) -> Result<(), Error> {
        let config = &self.pool.config;
        lasts(&reply, &mut slot)?;
        let _counted = self.pool.metrics.tunnel(&config.name);
        let head = self.told_head(&mut reply, &slot);
        self.replies.send(Message::Head(head)).await?;
        let (socket, received) = reply.into_tunnel();
        let ended = tunnel::run(socket, received, messages, self.replies, config.tunnel_timeout.0).await;
        if let Err(error) = &ended {
            slot.broke_off(error);
        }
        ended?;
        self.replies.send(Message::End(End {})).await
    }
}

/// Counts a request among tunnels and event streams.
fn lasts(reply: &Reply, slot: &mut Slot) -> Result<(), PoolFull> {
    if reply.may_last() { slot.stream() } else { Err(PoolFull::Tunnels) }
}

/// Tells whether a reply may be put aside. What streams comes at the client's pace; `X-Accel-Buffering` has
/// the last word.
fn is_buffered(head: &ResponseHead) -> bool {
    match value(head, "x-accel-buffering") {
        Some(word) if word.eq_ignore_ascii_case(b"no") => false,
        Some(word) if word.eq_ignore_ascii_case(b"yes") => true,
        _ => !is_event_stream(head),
    }
}

fn is_event_stream(head: &ResponseHead) -> bool {
    let media_type = value(head, "content-type").and_then(|value| value.split(|&byte| byte == b';').next());
    media_type.is_some_and(|media_type| media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
}

fn value<'a>(head: &'a ResponseHead, name: &str) -> Option<&'a [u8]> {
    head.fields.iter().find(|field| field.name == name).map(|field| &field.value[..])
}

/// The head without what is not in it.
fn told_head(head: &mut ResponseHead, method: &str, server: &str) -> ReplyHead {
    let fields = mem::take(&mut head.fields).into_iter();
    let mut fields: Vec<Field> = fields.map(|field| Field { name: field.name, value: field.value }).collect();
    if let Some(length) = told_length(head, method) {
        let name = Bytes::from_static(b"content-length");
        fields.push(Field { name, value: length.to_string().into() });
    }
    let switched = head.upgrade.as_deref().filter(|_| head.status == 101).unwrap_or_default();
    let upgrade = String::from_utf8_lossy(switched).into_owned();
    ReplyHead {
        status: head.status.into(),
        fields,
        server: server.to_owned(),
        upgrade,
        ..ReplyHead::default()
    }
}

/// The length that the edge is told. To HEAD it is the length of what GET would give.
fn told_length(head: &ResponseHead, method: &str) -> Option<u64> {
    match head.status {
        101 => None,
        // RFC 9110 section 15.3.6: "a server MUST NOT generate content in a 205 response", and says so with a
        // length of 0.
        205 => Some(0),
        // The length would tell of a body that never comes.
        status if method != "HEAD" && is_bodiless(status) => None,
        _ => head.content_length,
    }
}
