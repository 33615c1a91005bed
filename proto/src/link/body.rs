//! The bytes of a message's body: from a stream of `h2` to a service or a caller, and the other way.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body as _, Frame, SizeHint};
use tokio::task::JoinHandle;
use tonic::body::Body;

/// A body that arrives.
pub(super) struct ReceivedBody {
    stream: RecvStream,
    at_trailers: bool,
    /// What the other side of the stream still sends, which ends with it.
    _sending: Option<SendingTask>,
}

/// The rest of a body, sent by a task of its own. When it is dropped, nothing more is sent.
pub(super) struct SendingTask(pub(super) JoinHandle<()>);

impl Drop for SendingTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReceivedBody {
    pub(super) fn new(stream: RecvStream, sending: Option<SendingTask>) -> Self {
        Self { stream, at_trailers: false, _sending: sending }
    }
}

impl http_body::Body for ReceivedBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        while !self.at_trailers {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(data)) => {
                    // It fails only for more than was received.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // The peer wants no more of it, or has nothing more to say.
                Some(Err(error)) if matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.at_trailers = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(context)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Sends the whole body. Ends early if the peer wants no more of it, or the body breaks off.
///
/// The first piece is queued without asking for a window, which a stream that is not open yet does not have:
/// so it leaves together with the head. What follows waits for room, a piece at a time.
pub(super) async fn send(mut body: Body, mut stream: SendStream<Bytes>) {
    let mut next = next_frame(&mut body, &mut stream).await;
    let mut is_first = true;
    while let Some(frame) = next {
        let data = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(other)) => {
                if let Ok(trailers) = other.into_trailers() {
                    let _ = stream.send_trailers(trailers);
                }
                return;
            }
            Err(_) => return stream.send_reset(Reason::INTERNAL_ERROR),
        };
        if !is_first && !data.is_empty() && !has_room(&mut stream).await {
            return;
        }
        is_first = false;
        // What follows decides whether this is the last frame.
        let ahead = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await;
        let ends = matches!(ahead, Poll::Ready(None));
        if stream.send_data(data, ends).is_err() || ends {
            return;
        }
        next = match ahead {
            Poll::Ready(frame) => frame.map(|frame| frame.map_err(drop)),
            Poll::Pending => next_frame(&mut body, &mut stream).await,
        };
    }
    let _ = stream.send_data(Bytes::new(), true);
}

/// The body's next frame. An error: the body has broken off, or the peer wants no more.
async fn next_frame(body: &mut Body, stream: &mut SendStream<Bytes>) -> Option<Result<Frame<Bytes>, ()>> {
    poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(drop))),
        Poll::Pending => stream.poll_reset(context).map(|_| Some(Err(()))),
    })
    .await
}

/// Waits until the peer takes more. False: it never will.
pub(super) async fn has_room(stream: &mut SendStream<Bytes>) -> bool {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return false,
        }
    }
    true
}
