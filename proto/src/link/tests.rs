//! Calls over real sockets: whether each is answered once, also while its server drains.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::body::Body;

use super::gathered::gathered;
use super::{Channel, ChannelSettings, LinkSettings, OnceOnly, serve};
use crate::tls::incoming;

const SERVER: LinkSettings = LinkSettings {
    max_streams: 1000,
    aborted_calls: 1000,
    broken_streams: 1000,
    stream_window: 64 << 10,
    connection_window: 1 << 20,
    ping_every: Duration::from_secs(20),
    ping_timeout: Duration::from_secs(10),
};

/// An empty message of gRPC, which notes that it was asked for.
struct NotedBody {
    begun: Arc<AtomicBool>,
}

impl http_body::Body for NotedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let is_first = !self.begun.swap(true, Ordering::Relaxed);
        Poll::Ready(is_first.then(|| Ok(Frame::data(Bytes::from_static(&[0; 5])))))
    }
}

/// Calls until one fails. Returns whether this one may have been acted on.
async fn call_on(channel: Channel, answered: Arc<AtomicUsize>) -> bool {
    loop {
        let begun = Arc::new(AtomicBool::new(false));
        let body = Body::new(NotedBody { begun: begun.clone() });
        let request = Request::post("/grpc.health.v1.Health/Check")
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .extension(OnceOnly);
        let called = channel.call(request.body(body).unwrap()).await;
        match called {
            Ok(reply) => assert_eq!(reply.status(), 200),
            Err(_) => return begun.load(Ordering::Relaxed),
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_loses_no_call_that_is_made_once_only() {
    for round in 0..50 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (drain, drains) = oneshot::channel::<()>();
        let (_, health) = tonic_health::server::health_reporter();
        let draining = async move { drop(drains.await) };
        let served =
            tokio::spawn(serve(incoming(listener, None), (health.clone(), health), SERVER, draining));
        let channel = Channel::new(&url, ChannelSettings::default());
        let answered = Arc::new(AtomicUsize::new(0));
        let call = |_| tokio::spawn(call_on(channel.clone(), answered.clone()));
        let callers: Vec<_> = (0..8).map(call).collect();
        while answered.load(Ordering::Relaxed) < round {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drain.send(()).unwrap();
        served.await.unwrap();
        for caller in callers {
            assert!(!caller.await.unwrap(), "round {round}");
        }
    }
}

#[tokio::test]
async fn what_is_gathered_leaves_at_the_end_of_the_turn_in_order() {
    // It takes ten bytes at a time.
    let (socket, mut peer) = tokio::io::duplex(10);
    let (mut ours, turn_end) = gathered(socket);
    let turn = async || poll_fn(|context| turn_end.after(context, Poll::Ready(()))).await.unwrap();
    let mut received = vec![0; 26];
    for piece in ["abcdefgh", "ijklmnop", "qrstuvwxyz"] {
        ours.write_all(piece.as_bytes()).await.unwrap();
        ours.flush().await.unwrap();
    }
    let nothing = tokio::time::timeout(Duration::from_millis(20), peer.read(&mut received)).await;
    assert!(nothing.is_err(), "before the turn has ended");
    for end in [10, 20, 26] {
        turn().await;
        let begin = end / 11 * 10;
        peer.read_exact(&mut received[begin..end]).await.unwrap();
    }
    assert_eq!(received, b"abcdefghijklmnopqrstuvwxyz");
}
