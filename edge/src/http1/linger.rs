//! The end of a connection: when it comes after an answer, and how, where the client may still be reading its last reply.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::stream::Stream;
use http1::head::Head;

/// After a reply that ends a connection early, so much more is read and thrown away, so that the client sees the reply.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Read at a time.
const READ: usize = 16 * 1024;

/// What becomes of a connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The client may ask again.
    Next,
    /// RFC 9112 section 9.6: a client that says close "MUST NOT send further requests on that connection". So nothing comes that
    /// would be answered by a reset, which could take the reply from its hands.
    Close,
    /// It may send more, not knowing yet that nobody listens.
    Linger,
}

impl After {
    /// `is_last`: we want no further request.
    pub(crate) fn of(head: &Head<'_>, stream: &Stream, is_last: bool) -> Self {
        // With TLS the end has to be told the client, too.
        let is_plain = matches!(stream, Stream::Plain(_));
        match head.keep_alive {
            true if is_last => Self::Linger,
            true => Self::Next,
            false if is_plain && !head.has_body() && matches!(head.method, "GET" | "HEAD") => Self::Close,
            false => Self::Linger,
        }
    }
}

/// Closes our side and reads the rest for a moment: a reset would take the reply from the client's hands.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut sink = BytesMut::with_capacity(READ);
        let mut taken = 0;
        while taken < LINGER_BYTES {
            sink.clear();
            match stream.read_buf(&mut sink).await {
                Ok(length @ 1..) => taken += length,
                _ => return,
            }
        }
    };
    let _ = timeout(LINGER_TIME, drain).await;
}
