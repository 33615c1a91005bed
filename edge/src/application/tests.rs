//! What is asked again, and where, when an adapter is lost.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::fetch;
use weir_proto::link::{Channel, ChannelSettings};
use weir_proto::origin::origin_server::{Origin, OriginServer};
use weir_proto::origin::{End, FetchReply, FetchRequest, ReplyHead, fetch_reply, fetch_request};
use weir_proto::transport;

use super::*;
use crate::peers::WsgiAdapters;

/// Reads a whole request and says how long its body was; or is lost with its head in hand.
#[derive(Clone, Default)]
struct Peer {
    asked: Arc<AtomicUsize>,
    lost: bool,
}

#[tonic::async_trait]
impl Origin for Peer {
    type FetchStream = stream::Iter<std::vec::IntoIter<Result<FetchReply, Status>>>;

    async fn fetch(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let (mut messages, mut length) = (request.into_inner(), 0);
        messages.message().await?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.lost {
            return Err(Status::unavailable("lost"));
        }
        while let Some(fetch_request::Message::Chunk(chunk)) =
            messages.message().await?.and_then(|it| it.message)
        {
            length += chunk.len();
        }
        let head = ReplyHead { status: 200, server: length.to_string(), ..ReplyHead::default() };
        let messages = [fetch_reply::Message::Head(head), fetch_reply::Message::End(End {})];
        let replies: Vec<_> =
            messages.into_iter().map(|message| Ok(FetchReply { message: Some(message) })).collect();
        Ok(Response::new(stream::iter(replies)))
    }
}

async fn serve(peer: &Peer) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = Server::builder().add_service(OriginServer::new(peer.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    at
}

/// Nobody listens there.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One request by an edge that knows nothing of these adapters yet. The length of the body that was received.
async fn ask(adapters: &[SocketAddr], method: &str, body: &'static [u8]) -> Result<String, Kind> {
    let urls = adapters.iter().map(|at| format!("http://{at}").parse().unwrap()).collect();
    let adapters = Arc::new(Adapters::new(WsgiAdapters::Named { urls, tls: None }));
    let origins = Application::new(
        adapters,
        Duration::from_secs(5),
        Arc::new(Metrics::new(Default::default)),
        Arc::default(),
    );
    let upload = if body.is_empty() {
        RequestBody::empty()
    } else {
        let (upload, pump) = RequestBody::pumped(Some(body.len() as u64));
        pump.chunks.send(Ok(body.into())).await.unwrap();
        upload
    };
    let head = || RequestHead { method: method.to_owned(), ..RequestHead::default() };
    let mut reply = origins.fetch(head, upload, None).await.map_err(|failure| failure.kind)?;
    assert!(reply.body.next().await.is_none());
    Ok(reply.server)
}

#[tokio::test]
async fn what_was_not_sent_is_sent_elsewhere_and_what_was_only_if_it_may_be_repeated() {
    let (well, losing) = (Peer::default(), Peer { lost: true, ..Peer::default() });
    let (at, lost) = (serve(&well).await, serve(&losing).await);
    let unlistened: Vec<_> = (0..6).map(|_| nobody()).collect();
    // Method, body, adapters in turn, the reply; how often the one that is well, and the other, was asked.
    type Case<'a> = (&'a str, &'static [u8], &'a [&'a [SocketAddr]], Result<&'a str, Kind>, (usize, usize));
    let table: &[Case<'_>] = &[
        ("GET", b"", &[&unlistened, &[at]], Ok("0"), (1, 0)),
        ("POST", b"a body", &[&unlistened, &[at]], Ok("6"), (1, 0)),
        ("POST", b"", &[&unlistened, &[at]], Ok("0"), (1, 0)),
        ("POST", b"a body", &[&unlistened], Err(Kind::Unreachable), (0, 0)),
        ("GET", b"", &[&[lost, at]], Ok("0"), (1, 1)),
        ("GET", b"", &[&[lost]], Err(Kind::Unreachable), (0, 3)),
        ("PUT", b"a body", &[&[lost, at]], Err(Kind::Unreachable), (0, 1)),
        ("POST", b"", &[&[lost, at]], Err(Kind::Unreachable), (0, 1)),
    ];
    for (method, body, adapters, expected, calls) in table {
        let answer = ask(&adapters.concat(), method, body).await;
        assert_eq!(answer.as_deref(), expected.as_ref().map(|text| *text), "{method} {body:?} {adapters:?}");
        let asked = (well.asked.swap(0, Ordering::Relaxed), losing.asked.swap(0, Ordering::Relaxed));
        assert_eq!(asked, *calls, "{method} {body:?} {adapters:?}");
    }
}

/// An adapter of which this many connections say GOAWAY before they are asked for anything.
async fn drain(listener: tokio::net::TcpListener, mut left: usize, peer: Peer) -> io::Result<()> {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    loop {
        let (mut connection, _) = listener.accept().await?;
        if left > 0 {
            left -= 1;
            connection.write_all(&[SETTINGS, GOAWAY].concat()).await?;
            tokio::spawn(async move { tokio::io::copy(&mut connection, &mut tokio::io::sink()).await });
        } else {
            let server = Server::builder().add_service(OriginServer::new(peer.clone()));
            tokio::spawn(server.serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(connection))));
        }
    }
}

#[tokio::test]
async fn what_draining_connections_refuse_waits_for_one_that_does_not() {
    for (draining, expected) in [(0, Ok("0")), (8, Ok("0")), (usize::MAX, Err(Kind::Unreachable))] {
        let peer = Peer::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(drain(listener, draining, peer.clone()));
        let channel = Channel::new(&url, ChannelSettings::default());
        let fetcher = fetch::over(transport::network(vec![channel]));
        let adapters = Arc::new(Adapters::new(WsgiAdapters::Connected(vec![fetcher])));
        let origins = Application::new(
            adapters,
            Duration::from_secs(5),
            Arc::new(Metrics::new(Default::default)),
            Arc::default(),
        );
        let head = || RequestHead { method: "POST".to_owned(), ..RequestHead::default() };
        let begun = Instant::now();
        let answer = origins.fetch(head, RequestBody::empty(), None).await.map_err(|failure| failure.kind);
        assert_eq!(answer.map(|reply| reply.server).as_deref(), expected.as_ref().copied(), "{draining}");
        assert_eq!(peer.asked.load(Ordering::Relaxed), usize::from(expected.is_ok()), "{draining}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
