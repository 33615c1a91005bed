//! A request with a body: uploads it while the handler works and while the reply is sent.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Edge;
use crate::connection::stream::Stream;
use crate::handler::visit::ClientAbort;
use crate::http1::abandon::{either, left, unless};
use crate::http1::exchanged::ExchangeResult;
use crate::http1::upload::UploadEnd;
use crate::http1::write::WriteManner;
use crate::http1::{abandon, upload, write};
use crate::reply::Reply;
use crate::request::body::BodyFault;
use crate::request::body::BodyPump;
use http1::head::Framing;

/// The upload side of the request's body.
pub(crate) struct BodyUpload<'a> {
    pub(crate) framing: Framing,
    pub(crate) pump: BodyPump,
    pub(crate) expects_continue: bool,
    /// And the listener that has accepted the connection.
    pub(crate) edge: (&'a Edge, u16),
    pub(crate) client_abort: &'a ClientAbort,
}

/// Uploads the body while the handler works and while the reply is sent.
pub(crate) async fn both_ways(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    upload: BodyUpload<'_>,
    handling: impl Future<Output = Reply>,
    mut manner: WriteManner,
) -> ExchangeResult {
    let BodyUpload { framing, pump: BodyPump { chunks, wanted }, expects_continue, edge, client_abort } =
        upload;
    let (edge, listener) = edge;
    let bounds = edge.bounds(listener);
    let (mut read, mut write) = tokio::io::split(stream);
    let (go, may_go) = oneshot::channel();
    let (ended, mut end) = oneshot::channel();
    // Resolves when the client has left, before or after the end of its body.
    let going_up = client_abort.heed(async {
        if expects_continue && unless(left(&mut read, buffer), may_go).await.is_none_or(|go| go.is_err()) {
            let _ = chunks.send(Err(BodyFault::CutOff)).await;
            return;
        }
        let end = upload::pump(&mut read, buffer, framing, chunks, bounds.body).await;
        let _ = ended.send(end);
        match end {
            UploadEnd::Whole => left(&mut read, buffer).await,
            UploadEnd::Unusable => pending().await,
        }
    });
    let going_up = going_up.fuse();
    tokio::pin!(going_up);
    let answering = async {
        tokio::select! {
            biased;
            reply = handling => reply,
            never = ask_to_go_on(&mut write, expects_continue, wanted, go, bounds.send) => match never {},
        }
    };
    let Some(reply) = unless(going_up.as_mut(), answering).await else {
        return ExchangeResult::to_the_end(abandon::nothing_sent());
    };
    // What is there already of a body that nobody wants is discarded, as nginx does.
    let _ = futures_util::poll!(going_up.as_mut());
    let mut body_read = end.try_recv() == Ok(UploadEnd::Whole);
    // A body that was not read completely leaves bytes that must never be taken for a request.
    manner.keep_alive &= body_read;
    let left = either(going_up, edge.breaks_off(reply.is_event_stream()));
    let (sent, reply) = write::send(&mut write, reply, manner, edge.pace(listener), left).await;
    body_read |= end.try_recv() == Ok(UploadEnd::Whole);
    ExchangeResult { sent, reply, body_read }
}

/// Asks a waiting client for its body, once somebody wants it.
async fn ask_to_go_on<W: tokio::io::AsyncWrite + Unpin>(
    write: &mut W,
    expects_continue: bool,
    wanted: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
    patience: Duration,
) -> Infallible {
    // RFC 9110 section 10.1.1: send 100 (Continue) only once the body is going to be read.
    if expects_continue && wanted.await.is_ok() {
        match request_continue(write, patience).await {
            Ok(()) => drop(go.send(())),
            Err(_) => drop(go),
        }
    }
    pending().await
}

async fn request_continue<W: tokio::io::AsyncWrite + Unpin>(
    write: &mut W,
    patience: Duration,
) -> io::Result<()> {
    let writing = async {
        write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        write.flush().await
    };
    match timeout(patience, writing).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
