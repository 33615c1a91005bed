//! The end of a connection whose last reply the client may still be reading.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// After a reply that ends a connection early, so much more is read and thrown away, so that the client sees the reply.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Read at a time.
const READ: usize = 16 * 1024;

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
