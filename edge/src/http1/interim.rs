//! Waits for a reply, and sends the application's interim replies meanwhile (RFC 8297).

use std::io;

use bytes::BytesMut;
use http::HeaderMap;
use http1::write::{field_line, title_names};
use tokio::io::AsyncWriteExt;

use crate::Edge;
use crate::connection::stream::Stream;
use crate::handler::visit::Visit;
use crate::http1::abandon::{left, unless};
use crate::reply::Reply;

/// `None`: the client has left, and that matters.
pub(super) async fn reply(
    edge: &Edge,
    visit: &Visit,
    (stream, buffer): (&mut Stream, &mut BytesMut),
    handling: impl Future<Output = Reply>,
) -> Option<Reply> {
    let Some(hints) = &visit.hints else {
        return unless(visit.client_abort.heed(left(stream, buffer)), handling).await;
    };
    tokio::pin!(handling);
    loop {
        let (arrived, reply) = tokio::select! {
            biased;
            reply = &mut handling => (hints.take(), Some(reply)),
            arrived = hints.next() => (arrived, None),
            () = visit.client_abort.heed(left(stream, buffer)) => return None,
        };
        for fields in arrived {
            // A client that has left is noticed when the reply is sent.
            let _ = send(edge, stream, &fields).await;
        }
        if reply.is_some() {
            return reply;
        }
    }
}

async fn send(edge: &Edge, stream: &mut Stream, fields: &HeaderMap) -> io::Result<()> {
    let mut head = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields {
        field_line(&mut head, name.as_str(), value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    if edge.settings.title_names {
        title_names(&mut head);
    }
    edge.pace()
        .wait(async {
            stream.write_all(&head).await?;
            stream.flush().await
        })
        .await
}
