//! Waits for a reply, and sends the application's interim replies meanwhile (RFC 8297).

use std::io;
use std::pin::{Pin, pin};

use bytes::BytesMut;
use futures_util::FutureExt;
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
        let (arrived, mut reply) = tokio::select! {
            biased;
            reply = &mut handling => (hints.take(), Some(reply)),
            arrived = hints.next() => (arrived, None),
            () = visit.client_abort.heed(left(stream, buffer)) => return None,
        };
        for fields in arrived {
            send_beside(send((edge, visit.listener), stream, &fields), handling.as_mut(), &mut reply).await;
        }
        if reply.is_some() {
            return reply;
        }
    }
}

/// Sends while the reply is being made: the application's server is not kept waiting for a client that does
/// not read. A client that has left is noticed when the reply is sent.
async fn send_beside(
    sending: impl Future<Output = io::Result<()>>,
    handling: Pin<&mut impl Future<Output = Reply>>,
    reply: &mut Option<Reply>,
) {
    let mut sending = pin!(sending);
    if reply.is_none() {
        tokio::select! {
            biased;
            _ = &mut sending => return,
            made = handling => *reply = Some(made),
        }
    }
    if sending.as_mut().now_or_never().is_none() {
        if let Some(reply) = reply {
            reply.body.go_on();
        }
        let _ = sending.await;
    }
}

async fn send((edge, listener): (&Edge, u16), stream: &mut Stream, fields: &HeaderMap) -> io::Result<()> {
    let mut head = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields {
        field_line(&mut head, name.as_str(), value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    if edge.settings.title_names {
        title_names(&mut head);
    }
    edge.pace(listener)
        .wait(async {
            stream.write_all(&head).await?;
            stream.flush().await
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;
    use crate::http1::abandon;

    #[tokio::test]
    async fn a_reply_is_made_while_a_hint_waits_for_its_client() {
        let (made, told) = oneshot::channel();
        let sending = async { told.await.map_err(io::Error::other) };
        let handling = async {
            let _ = made.send(());
            abandon::nothing_sent().1
        };
        let (mut handling, mut reply) = (pin!(handling), None);
        let sent = send_beside(sending, handling.as_mut(), &mut reply);
        timeout(Duration::from_secs(20), sent).await.unwrap();
        assert!(reply.is_some());
    }
}
