//! The end of a connection: whether it ends after an answer, and how, if the client may still be reading its
//! last reply.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::connection::stream::Stream;
use http1::head::Head;

/// After a reply that ends a connection early, the edge reads and discards what the client still sends for at
/// most this time, so that the client sees the reply. It is nginx's `lingering_time`.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(30);
/// The longest silence within it, which is nginx's `lingering_timeout`.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
/// The longest silence of a client that sends nothing after the reply.
pub(crate) const FIRST_SILENCE: Duration = Duration::from_secs(2);
/// The most bytes that are read and discarded each second.
const RATE: usize = 16 * 1024 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// What happens to a connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// The client may send another request.
    Next,
    /// RFC 9112 section 9.6: a client that says close "MUST NOT send further requests on that connection". So
    /// nothing arrives that would cause a reset, which could destroy the reply.
    Close,
    /// The client may send more, because it does not know yet that nobody reads.
    Linger,
}

impl Persistence {
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

/// Closes the sending side and reads the rest for a while: a reset would destroy the reply.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let _ = timeout(LINGER_TIME, discard(stream)).await;
}

/// Lingers for a moment, where the client has no upload under way.
pub(crate) async fn linger_briefly(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let _ = timeout(FIRST_SILENCE, discard(stream)).await;
}

async fn discard(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    if !matches!(timeout(SILENCE, stream.shutdown()).await, Ok(Ok(()))) {
        return;
    }
    let mut sink = BytesMut::with_capacity(READ);
    let (mut discarded, mut patience) = (DiscardPace::default(), FIRST_SILENCE);
    loop {
        sink.clear();
        match timeout(patience, stream.read_buf(&mut sink)).await {
            Ok(Ok(length @ 1..)) => discarded.more(length).await,
            _ => return,
        }
        patience = SILENCE;
    }
}

/// What a client has sent in vain. More of it is read no faster than `RATE`.
pub(crate) struct DiscardPace {
    since: Instant,
    bytes: usize,
}

impl Default for DiscardPace {
    fn default() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }
}

impl DiscardPace {
    pub(crate) async fn more(&mut self, bytes: usize) {
        self.bytes += bytes;
        let due = Duration::from_secs_f64(self.bytes as f64 / RATE as f64);
        let early = due.saturating_sub(self.since.elapsed());
        // Short pauses are saved up: a timer is no finer than a millisecond.
        if early > Duration::from_millis(10) {
            sleep(early).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_upload_is_read_to_its_end_but_not_faster_than_allowed() {
        const UPLOAD: usize = 4 * 1024 * 1024;
        let (mut client, mut ours) = tokio::io::duplex(64 * 1024);
        let lingering = tokio::spawn(async move { linger(&mut ours).await });
        let begun = Instant::now();
        client.write_all(&vec![b'x'; UPLOAD]).await.unwrap();
        assert!(begun.elapsed() > Duration::from_millis(150), "{:?}", begun.elapsed());
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the sending side is closed");
        drop(client);
        lingering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_left_soon_and_who_goes_on_not_for_ever() {
        let begun = tokio::time::Instant::now();
        let (_client, mut ours) = tokio::io::duplex(1024);
        linger(&mut ours).await;
        assert_eq!(begun.elapsed().as_secs(), 2);
        let begun = tokio::time::Instant::now();
        let (mut client, mut ours) = tokio::io::duplex(1024);
        let dribble = async {
            loop {
                let _ = client.write_all(b"x").await;
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! { () = linger(&mut ours) => {}, () = dribble => {} }
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}
