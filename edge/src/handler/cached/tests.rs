//! What is made of an entry that a cache-node should not have: it is as if it were not there. Who joins whom.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use process::shutdown::Shutdown;
use process::units::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};
use weir_proto::cache::cache_server::{Cache as CacheService, CacheServer};
use weir_proto::cache::{
    EdgesReply, EdgesRequest, EntryHead, ExchangeReply, ExchangeRequest, LookupHit, PurgeReply, PurgeRequest,
    SecretReply, SecretRequest, StoreReply, Use, WatchReply, WatchRequest, exchange_reply, exchange_request,
};
use weir_proto::fetch::{BodyMessages, FetchReplies, Fetcher, Replies};
use weir_proto::origin::{
    End, Failure, FetchReply, Field, Kind, ReplyHead, RequestHead, fetch_reply, fetch_request,
};
use weir_proto::transport;

use super::*;
use crate::connection::stream::Stream;
use crate::http1::connection::Connection;
use crate::request::Via;
use crate::settings::{CacheConfig, Config, LocationConfig, LogFormat, SiteConfig, Timeouts};
use crate::{CacheNodes, Edge, Peers, WsgiAdapters};

/// A node that has this entry, and takes what is stored in its place.
#[derive(Clone)]
struct Node {
    entry: EntryHead,
    lease: bool,
    stored: Arc<Mutex<Vec<u8>>>,
}

#[tonic::async_trait]
impl CacheService for Node {
    type ExchangeStream = ReceiverStream<Result<ExchangeReply, Status>>;
    type WatchStream = ReceiverStream<Result<WatchReply, Status>>;

    async fn exchange(
        &self,
        request: tonic::Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let (node, mut requests) = (self.clone(), request.into_inner());
        let (sender, receiver) = mpsc::channel(4);
        let say = move |message| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(Ok(ExchangeReply { message: Some(message) })).await;
            }
        };
        tokio::spawn(async move {
            let _lookup = requests.message().await;
            let kind = if node.lease { Use::Stale } else { Use::Fresh };
            let found = LookupHit {
                entry: Some(node.entry.clone()),
                r#use: kind.into(),
                lease: node.lease,
                max_object: 1000,
                ..LookupHit::default()
            };
            say(exchange_reply::Message::Found(found)).await;
            say(exchange_reply::Message::Chunk("from the node".into())).await;
            say(exchange_reply::Message::End(End {})).await;
            while let Ok(Some(request)) = requests.message().await {
                match request.message {
                    Some(exchange_request::Message::Chunk(chunk)) => node.stored.lock().extend(chunk),
                    Some(exchange_request::Message::End(_)) => {
                        say(exchange_reply::Message::Stored(StoreReply {
                            kept: true,
                            ..StoreReply::default()
                        }))
                        .await;
                    }
                    _ => {}
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn watch(
        &self,
        _: tonic::Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unavailable("not here"))
    }

    async fn secret(&self, _: tonic::Request<SecretRequest>) -> Result<Response<SecretReply>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn limit(
        &self,
        _: tonic::Request<weir_proto::cache::LimitRequest>,
    ) -> Result<Response<weir_proto::cache::LimitReply>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn purge(&self, _: tonic::Request<PurgeRequest>) -> Result<Response<PurgeReply>, Status> {
        Err(Status::unavailable("not here"))
    }

    async fn edges(&self, _: tonic::Request<EdgesRequest>) -> Result<Response<EdgesReply>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

/// An application with one page.
#[derive(Default)]
struct Page200 {
    asked: AtomicUsize,
}

struct Whole(Pin<Box<dyn stream::Stream<Item = Result<FetchReply, Status>> + Send>>);

impl stream::Stream for Whole {
    type Item = Result<FetchReply, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl FetchReplies for Whole {}

impl Fetcher for Page200 {
    fn fetch(&self, _: RequestHead, _: BodyMessages) -> Replies {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::new(Whole(Box::pin(stream::iter(page()))))
    }
}

fn page() -> Vec<Result<FetchReply, Status>> {
    let field = |name: &'static str, value: &'static str| Field { name: name.into(), value: value.into() };
    let fields = vec![field("content-length", "20"), field("cache-control", "public, max-age=60")];
    let head = ReplyHead { status: 200, fields, ..ReplyHead::default() };
    let messages = [
        fetch_reply::Message::Head(head),
        fetch_reply::Message::Chunk("from the application".into()),
        fetch_reply::Message::End(End {}),
    ];
    messages.into_iter().map(|one| Ok(FetchReply { message: Some(one) })).collect()
}

/// An application of whose queue one client has its part: it is told so as soon as another waits for it.
#[derive(Default)]
struct CrowdedApplication;

impl Fetcher for CrowdedApplication {
    fn fetch(&self, head: RequestHead, rest: BodyMessages) -> Replies {
        if head.caused_by != BUSY {
            return Box::new(Whole(Box::pin(stream::iter(page()))));
        }
        let refused = rest
            .filter_map(|request| std::future::ready(request.message))
            .skip_while(|message| std::future::ready(!matches!(message, fetch_request::Message::Joined(_))))
            .take(1)
            .map(|_| {
                let failure =
                    Failure { kind: Kind::Overloaded.into(), client_share: true, ..Failure::default() };
                Ok(FetchReply { message: Some(fetch_reply::Message::Failure(failure)) })
            });
        Box::new(Whole(Box::pin(refused)))
    }
}

const BUSY: &str = "127.0.0.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_a_client_that_is_refused_for_its_part_asks_by_itself() {
    let entry = EntryHead { status: 999, ..EntryHead::default() };
    let edge = edge(&Node { entry, lease: false, stored: Arc::default() }, Arc::new(CrowdedApplication));
    let first = tokio::spawn({
        let edge = edge.clone();
        async move { get_from(&edge, BUSY).await }
    });
    until_one_is_filled(&edge).await;
    let other = get_from(&edge, "192.0.2.1").await;
    assert!(other.ends_with("from the application"), "{other}");
    let first = first.await.unwrap();
    assert!(first.starts_with("HTTP/1.1 503"), "{first}");
}

async fn until_one_is_filled(edge: &Edge) {
    while edge.cache.flights.under_way() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn edge(node: &Node, application: Arc<impl Fetcher + 'static>) -> Arc<Edge> {
    let location = LocationConfig {
        pool: Some("app".into()),
        cache: Some(CacheConfig::default()),
        ..LocationConfig::new("/")
    };
    let site =
        SiteConfig { server_name: vec!["h".into()], location: vec![location], ..SiteConfig::default() };
    // No wait ends because the machine is slow.
    let timeouts = Timeouts { cache: Time::from_secs(20), ..Timeouts::default() };
    let watch_grace = Time::from_secs(60);
    let settings =
        Config { site: vec![site], access_log: LogFormat::Off, timeouts, watch_grace, ..Config::default() };
    let transport = transport::in_process(CacheServer::new(node.clone()));
    let peers = Peers {
        cache_nodes: CacheNodes::Connected(vec![("node".to_owned(), transport)]),
        wsgi_adapters: WsgiAdapters::Connected(vec![application]),
    };
    Edge::new(settings, peers, Shutdown::new()).unwrap()
}

async fn get(edge: &Arc<Edge>) -> String {
    get_from(edge, "127.0.0.1").await
}

async fn get_from(edge: &Arc<Edge>, address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let peer = SocketAddr::new(address.parse().unwrap(), 80);
    let via = Via::accepted((peer, 80), 0, 0);
    let mut connection = Connection::new(Stream::Plain(stream.into()), via, BytesMut::new(), edge.clone());
    let serving = async move { connection.serve().await };
    let talking = async {
        client.write_all(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::join!(serving, talking).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_no_edge_would_have_stored_is_a_miss() {
    let field = |name: &'static str| Field { name: name.into(), value: "a=b".into() };
    for (status, name) in [(200, "set-cookie"), (304, "etag"), (100, "etag"), (999, "etag")] {
        for lease in [false, true] {
            let entry = EntryHead {
                status,
                fields: vec![field(name)],
                ttl_ms: 60_000,
                stale_while_revalidate_ms: 60_000,
                shared: true,
                ..EntryHead::default()
            };
            let (node, application) =
                (Node { entry, lease, stored: Arc::default() }, Arc::new(Page200::default()));
            let edge = edge(&node, application.clone());
            for what in ["miss", "hit"] {
                let answer = get(&edge).await;
                assert!(answer.ends_with("from the application"), "{status} {name} {lease}: {answer}");
                assert!(!answer.contains("bypass"), "{status} {name} {lease}: {answer}");
                assert_eq!(answer.contains("weir; hit"), what == "hit", "{status} {name} {lease}: {answer}");
            }
            assert_eq!(application.asked.load(Ordering::Relaxed), 1, "the page is kept");
            let stored = String::from_utf8(node.stored.lock().clone()).unwrap();
            assert_eq!(stored == "from the application", lease, "replaced under the lease: {stored}");
        }
    }
}
