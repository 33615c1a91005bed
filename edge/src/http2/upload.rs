//! The body of a request on a stream: handed up as it is taken, and discarded once nobody wants more of it.

use std::future::poll_fn;
use std::time::Duration;

use ::http2::BodyProgress;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::http1::linger::{DiscardPace, FIRST_SILENCE, LINGER_TIME, SILENCE};
use crate::http2::link::ClientStream;
use crate::request::body::{BodyFault, BodyPump};

/// The upload side of a request's body.
pub(super) struct StreamUpload {
    pub(super) pump: BodyPump,
    pub(super) body: ClientStream,
    /// Sends `100 Continue`.
    pub(super) waits: bool,
}

impl StreamUpload {
    /// Hands the body up, as fast as it is taken. `go_on` is told when somebody wants it from a client that
    /// waits to be asked. What nobody wants is discarded for a while: a client whose stream is reset may lose
    /// the reply that tells it why.
    pub(super) async fn run(self, go_on: oneshot::Sender<()>, patience: Duration) {
        let Self { pump: BodyPump { chunks, wanted }, body, waits } = self;
        if waits && wanted.await.is_ok() {
            let _ = go_on.send(());
        }
        loop {
            let next = tokio::select! {
                biased;
                () = chunks.closed() => break,
                next = timeout(patience, next(&body)) => next,
            };
            let chunk = match next {
                Ok(None) => return,
                Ok(Some(chunk)) => chunk,
                Err(_) => Err(BodyFault::TooSlow),
            };
            let taken = chunk.as_ref().map_or(0, Bytes::len);
            let failed = chunk.is_err();
            let sent = chunks.send(chunk).await;
            if failed {
                return;
            }
            // The client may send this much more, now that it has been read.
            body.release(taken);
            if sent.is_err() {
                break;
            }
        }
        let_go(body).await;
    }
}

/// What comes next of a body. `None`: it has ended.
async fn next(body: &ClientStream) -> Option<Result<Bytes, BodyFault>> {
    match poll_fn(|context| body.poll_body(context)).await {
        BodyProgress::Data(data) => Some(Ok(data)),
        BodyProgress::End => None,
        BodyProgress::Malformed => Some(Err(BodyFault::Malformed)),
        BodyProgress::Reset | BodyProgress::Pending => Some(Err(BodyFault::CutOff)),
    }
}

/// Discards what still comes of a body that nobody wants, for a while.
pub(super) async fn let_go(body: ClientStream) {
    let _ = timeout(LINGER_TIME, discard(&body)).await;
}

async fn discard(body: &ClientStream) {
    let (mut discarded, mut patience) = (DiscardPace::default(), FIRST_SILENCE);
    while let Ok(Some(Ok(piece))) = timeout(patience, next(body)).await {
        patience = SILENCE;
        body.release(piece.len());
        discarded.more(piece.len()).await;
    }
}

/// How long the end of a body that was announced as empty is waited for.
const MOMENT: Duration = Duration::from_millis(100);

/// Whether a body that was announced as empty has something in it, as far as that shows within a moment (RFC
/// 9113 section 8.1.1: content that differs from Content-Length makes a request malformed).
pub(super) async fn is_lying(body: &ClientStream) -> bool {
    let progress = timeout(MOMENT, poll_fn(|context| body.poll_body(context))).await;
    matches!(progress, Ok(BodyProgress::Malformed | BodyProgress::Data(_)))
}
