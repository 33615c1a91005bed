//! Takes a reply from its server to the edge: head, body, end; or bytes both ways once protocols are switched.

use std::mem;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http1::reply::ResponseHead;
use http1::reply::body::is_bodiless;
use process::wait::within;
use weir_proto::fetch::Rest;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{End, Field, ReplyHead};

use super::Fetch;
use crate::error::Error;
use crate::exchange::{Reply, tunnel};
use crate::replies::Reader;

/// How long a reply's head waits for the beginning of its body, which servers send behind it, so that both go over the
/// network together.
const MOMENT: Duration = Duration::from_millis(10);

impl Fetch<'_> {
    pub(super) async fn relay(&mut self, mut reply: Reply, server: &str) -> Result<(), Error> {
        let replies = self.replies;
        let head = told_head(&mut reply.head, &self.head.method, server);
        // An edge that leaves here closes the connection: the server finds out when it next writes.
        let mut first = None;
        if replies.reader() == Reader::Network {
            first = replies.while_wanted(pin!(async { Ok(within(MOMENT, reply.next()).await.ok()) })).await?;
        }
        replies.send(Message::Head(head)).await?;
        let mut next = match first {
            Some(piece) => piece?,
            None => replies.while_wanted(pin!(async { Ok(reply.next().await?) })).await?,
        };
        while let Some(piece) = next {
            replies.send(Message::Chunk(piece)).await?;
            next = replies.while_wanted(pin!(async { Ok(reply.next().await?) })).await?;
        }
        if let Some(connection) = reply.into_connection() {
            self.pool.idle.park(server, connection, &self.pool.config.keepalive);
        }
        replies.send(Message::End(End {})).await
    }

    /// Turns the connection into a tunnel, after 101.
    pub(super) async fn switch(
        &mut self,
        mut reply: Reply,
        server: &str,
        messages: Rest,
    ) -> Result<(), Error> {
        let config = &self.pool.config;
        let _counted = self.pool.metrics.tunnel(&config.name);
        let head = told_head(&mut reply.head, &self.head.method, server);
        self.replies.send(Message::Head(head)).await?;
        let (socket, received) = reply.into_tunnel();
        tunnel::run(socket, received, messages, self.replies, config.tunnel_timeout.0).await?;
        self.replies.send(Message::End(End {})).await
    }
}

/// The reply's head as the edge is told it.
fn told_head(head: &mut ResponseHead, method: &str, server: &str) -> ReplyHead {
    let fields = mem::take(&mut head.fields).into_iter();
    let mut fields: Vec<Field> = fields.map(|field| Field { name: field.name, value: field.value }).collect();
    if let Some(length) = told_length(head, method) {
        let name = Bytes::from_static(b"content-length");
        fields.push(Field { name, value: length.to_string().into() });
    }
    let switched = head.upgrade.as_deref().filter(|_| head.status == 101).unwrap_or_default();
    let upgrade = String::from_utf8_lossy(switched).into_owned();
    ReplyHead { status: head.status.into(), fields, server: server.to_owned(), upgrade }
}

/// The length that the edge is told. To HEAD it is the length of what GET would give.
fn told_length(head: &ResponseHead, method: &str) -> Option<u64> {
    match head.status {
        101 => None,
        // RFC 9110 section 15.3.6: "a server MUST NOT generate content in a 205 response", and says so with a length of 0.
        205 => Some(0),
        // The length would tell of a body that never comes.
        status if method != "HEAD" && is_bodiless(status) => None,
        _ => head.content_length,
    }
}
