//! Client aborts: how the edge notices that a client has left during its request, and which requests
//! continue.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};

use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;
use crate::reply::{Reply, ReplyParts};

/// nginx's status for a client that did not wait for its reply. It is only logged.
const CLIENT_LEFT: u16 = 499;
/// The most bytes of a client's next requests that are read during one request. A client that has sent more
/// is not watched.
const AHEAD: usize = 16 * 1024;
/// Bytes read at once.
const READ: usize = 1024;

/// Runs the work while the client stays. `None`: the client has left.
pub(crate) async fn unless<T>(left: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = left => None,
    }
}

/// Resolves with the first of two reasons to send no more.
pub(crate) async fn either(left: impl Future<Output = ()>, breaks_off: impl Future<Output = ()>) {
    tokio::select! {
        () = left => {}
        () = breaks_off => {}
    }
}

/// Resolves when the client has closed its side, or its connection is broken. What it sends before that, its
/// next requests, goes into `buffer`. A client that has closed only its side, and still reads, looks like one
/// that is gone; Weir treats it so, as nginx does.
pub(crate) async fn left<R: AsyncRead + Unpin>(reader: &mut R, buffer: &mut BytesMut) {
    poll_fn(|context| {
        while buffer.len() < AHEAD {
            let mut piece = [MaybeUninit::uninit(); READ];
            let mut read = ReadBuf::uninit(&mut piece);
            match ready!(Pin::new(&mut *reader).poll_read(context, &mut read)) {
                Ok(()) if !read.filled().is_empty() => buffer.extend_from_slice(read.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    })
    .await;
}

/// Records a request whose client has left before its reply began.
pub(crate) fn nothing_sent() -> (Delivery, Reply) {
    let status = StatusCode::from_u16(CLIENT_LEFT).unwrap_or(StatusCode::BAD_REQUEST);
    (
        Delivery { broken: true, ..Delivery::default() },
        ReplyParts::new(status, HeaderMap::new(), ReplyBody::Empty),
    )
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::io::AsyncWriteExt;

    use crate::handler::visit::ClientAbort;

    use super::*;

    #[tokio::test]
    async fn what_a_client_sends_ahead_is_kept_and_its_end_is_seen() {
        let (mut client, mut ours) = tokio::io::duplex(64 * 1024);
        let mut buffer = BytesMut::from("GET /2");
        client.write_all(&[b'x'; 3000]).await.unwrap();
        let still = unless(left(&mut ours, &mut buffer), tokio::task::yield_now()).await;
        assert_eq!((still, buffer.len()), (Some(()), 3006));
        drop(client);
        left(&mut ours, &mut buffer).await;
        assert_eq!(&buffer[..7], b"GET /2x");
    }

    #[tokio::test]
    async fn no_more_is_taken_than_has_room() {
        let (mut client, mut ours) = tokio::io::duplex(64 * 1024);
        let mut buffer = BytesMut::new();
        client.write_all(&[b'x'; 60_000]).await.unwrap();
        drop(client);
        let wait = tokio::time::timeout(std::time::Duration::from_millis(50), left(&mut ours, &mut buffer));
        assert!(wait.await.is_err());
        assert!(buffer.len() < AHEAD + READ);
    }

    #[tokio::test]
    async fn what_may_change_something_goes_on_and_so_does_what_its_location_says() {
        let gone = || std::future::ready(());
        let work = || async {
            tokio::task::yield_now().await;
            7
        };
        for (method, ignored, done) in [
            (Method::GET, false, None),
            (Method::HEAD, false, None),
            (Method::GET, true, Some(7)),
            (Method::POST, false, Some(7)),
            (Method::DELETE, true, Some(7)),
        ] {
            let client_abort = ClientAbort::default();
            assert_eq!(unless(client_abort.heed(gone()), work()).await, Some(7), "nobody is asked yet");
            client_abort.decide(&method, ignored);
            assert_eq!(unless(client_abort.heed(gone()), work()).await, done, "{method} {ignored}");
        }
    }
}
