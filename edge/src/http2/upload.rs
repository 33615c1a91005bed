//! The body of a request on a stream: handed up as it is taken, and discarded once nobody wants more of it.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::http1::linger::{DiscardPace, FIRST_SILENCE, LINGER_TIME, SILENCE};
use crate::request::body::{BodyFault, BodyPump};

/// The upload side of a request's body.
pub(super) struct StreamUpload {
    pub(super) pump: BodyPump,
    pub(super) body: RecvStream,
    /// Sends `100 Continue`.
    pub(super) waits: bool,
}

impl StreamUpload {
    /// Hands the body up, as fast as it is taken. `go_on` is told when somebody wants it from a client that
    /// waits to be asked. What nobody wants is discarded for a while: a client whose stream is reset may lose
    /// the reply that tells it why.
    pub(super) async fn run(self, go_on: oneshot::Sender<()>, patience: Duration) {
        let Self { pump: BodyPump { chunks, wanted }, mut body, waits } = self;
        if waits && wanted.await.is_ok() {
            let _ = go_on.send(());
        }
        loop {
            let next = tokio::select! {
                biased;
                () = chunks.closed() => break,
                next = timeout(patience, body.data()) => next,
            };
            let chunk = match next {
                Ok(None) => return,
                Ok(Some(Ok(chunk))) => Ok(chunk),
                Ok(Some(Err(_))) => Err(BodyFault::CutOff),
                Err(_) => Err(BodyFault::TooSlow),
            };
            let taken = chunk.as_ref().map_or(0, Bytes::len);
            let failed = chunk.is_err();
            let sent = chunks.send(chunk).await;
            if failed {
                return;
            }
            // The client may send this much more, now that it has been read.
            let _ = body.flow_control().release_capacity(taken);
            if sent.is_err() {
                break;
            }
        }
        let_go(body).await;
    }
}

/// Discards what still comes of a body that nobody wants, for a while.
pub(super) async fn let_go(mut body: RecvStream) {
    let _ = timeout(LINGER_TIME, discard(&mut body)).await;
}

async fn discard(body: &mut RecvStream) {
    let (mut discarded, mut patience) = (DiscardPace::default(), FIRST_SILENCE);
    while let Ok(Some(Ok(piece))) = timeout(patience, body.data()).await {
        patience = SILENCE;
        let _ = body.flow_control().release_capacity(piece.len());
        discarded.more(piece.len()).await;
    }
}

/// How long the end of a body that was announced as empty is waited for.
const MOMENT: Duration = Duration::from_millis(100);

/// Whether a body that was announced as empty has something in it, as far as that shows within a moment. `h2`
/// has reset the stream then (RFC 9113 section 8.1.1: content that differs from Content-Length makes a
/// request malformed).
pub(super) async fn is_lying(body: &mut RecvStream) -> bool {
    let ends = async {
        loop {
            match body.data().await {
                None => return false,
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(_) => return true,
            }
        }
    };
    timeout(MOMENT, ends).await.unwrap_or(false)
}
