//! The end of a connection: whether it ends after an answer, and how, if the client may still be reading its
//! last reply.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::stream::Stream;
use http1::head::Head;

/// After a reply that ends a connection early, the edge reads and discards at most this much, so that the
/// client sees the reply.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// What happens to a connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The client may send another request.
    Next,
    /// RFC 9112 section 9.6: a client that says close "MUST NOT send further requests on that connection". So
    /// nothing arrives that would cause a reset, which could destroy the reply.
    Close,
    /// The client may send more, because it does not know yet that nobody reads.
    Linger,
}

impl After {
    /// `is_last`: the edge wants no further request.
    pub(crate) fn of(head: &Head<'_>, stream: &Stream, is_last: bool) -> Self {
        // A client that speaks TLS must be told the end too.
        let is_plain = matches!(stream, Stream::Plain(_));
        match head.keep_alive {
            true if is_last => Self::Linger,
            true => Self::Next,
            false if is_plain && !head.has_body() && matches!(head.method, "GET" | "HEAD") => Self::Close,
            false => Self::Linger,
        }
    }
}

/// Closes the sending side and reads the rest for a moment: a reset would destroy the reply.
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
