//! An edge as far as a node can see it, and a node reached over either transport.

use std::time::Duration;

use admin::Readiness;
use bytes::{Bytes, BytesMut};
use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status, Streaming};
use weir_proto::cache::cache_client::CacheClient;
use weir_proto::cache::exchange_reply::Message as Reply;
use weir_proto::cache::exchange_request::Message as Request;
use weir_proto::cache::purge_target::Target;
use weir_proto::cache::{
    EntryHead, ExchangeReply, ExchangeRequest, Follow, LeaseReturn, LimitReply, LimitRequest, Lookup,
    PassReason, Position, PurgeOrder, PurgeReply, PurgeRequest, PurgeTarget, ReturnReason, SecretReply,
    SecretRequest, StoreReply, Use, WatchBeat, WatchHello, WatchLeave, WatchPurge, WatchReply, WatchRequest,
    watch_reply, watch_request,
};
use weir_proto::link::{Channel, ChannelSettings};
use weir_proto::origin::{End, Field};
use weir_proto::transport::{self, Transport};

use crate::{Config, Metrics, RunError, open, run, service};

/// The longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node of a test's own. Its server stops with it.
pub(crate) struct TestNode {
    client: CacheClient<Transport>,
    pub(crate) shutdown: Shutdown,
    pub(crate) server: Option<JoinHandle<Result<(), RunError>>>,
    pub(crate) address: Option<std::net::SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum PeerTransport {
    InProcess,
    Network,
}

impl TestNode {
    pub(crate) async fn start(way: PeerTransport, config: Config) -> Self {
        let shutdown = Shutdown::new();
        let name = config.name.clone().unwrap_or_else(|| format!("node-{:08x}", rand::random::<u32>()));
        let config = Config { name: Some(name), ..config };
        match way {
            PeerTransport::InProcess => {
                let (node, _) = service(&config, &Metrics::default(), &shutdown).unwrap();
                let client = CacheClient::new(transport::in_process(node));
                Self { client, shutdown, server: None, address: None }
            }
            PeerTransport::Network => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let node = open(&config, Metrics::default(), &shutdown).unwrap();
                let server =
                    tokio::spawn(run(node, config, listener, Readiness::default(), shutdown.clone()));
                let url = format!("http://{address}").parse().unwrap();
                let channel = Channel::new(&url, ChannelSettings::default());
                let client = CacheClient::new(transport::network(vec![channel]));
                Self { client, shutdown, server: Some(server), address: Some(address) }
            }
        }
    }

    /// Looks a page up, and may be kept waiting for long.
    pub(crate) async fn ask(&self, key: &str) -> Edge {
        self.look_up(lookup(key)).await
    }

    /// Sends the look-up and returns the first answer.
    pub(crate) async fn answer(&self, key: &str) -> Answer {
        self.ask(key).await.answer().await
    }

    pub(crate) async fn refresh(&self, key: &str) -> Edge {
        self.look_up(Lookup { refresh: true, ..lookup(key) }).await
    }

    pub(crate) async fn ask_as(&self, key: &str, fields: &[(&str, &str)]) -> Edge {
        self.look_up(Lookup { fields: fields.iter().map(field).collect(), ..lookup(key) }).await
    }

    pub(crate) async fn look_up(&self, lookup: Lookup) -> Edge {
        self.open(Request::Lookup(lookup)).await.unwrap()
    }

    pub(crate) async fn open(&self, first: Request) -> Result<Edge, Status> {
        let (requests, receiver) = mpsc::channel(4);
        requests.send(ExchangeRequest { message: Some(first) }).await.unwrap();
        let replies = self.client.clone().exchange(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Edge { requests, replies })
    }

    /// Follows the purge log from here.
    pub(crate) async fn watch(&self, name: &str, position: Option<Position>, grace: Duration) -> Watch {
        let (requests, receiver) = mpsc::channel(4);
        let grace_ms = grace.as_millis() as u32;
        let hello = WatchHello { name: name.to_owned(), position, grace_ms, admin: String::new() };
        let message = Some(watch_request::Message::Hello(hello));
        requests.send(WatchRequest { message }).await.unwrap();
        let watching = self.client.clone().watch(ReceiverStream::new(receiver)).await;
        Watch { requests, replies: watching.unwrap().into_inner() }
    }

    pub(crate) async fn purge(&self, targets: &[Target], soft: bool, wait: Duration) -> PurgeReply {
        let request = PurgeRequest { order: Some(order(targets, soft)), wait_ms: wait.as_millis() as u32 };
        self.client.clone().purge(request).await.unwrap().into_inner()
    }

    pub(crate) async fn try_purge(&self, targets: &[Target], soft: bool) -> Result<PurgeReply, Status> {
        let request = PurgeRequest { order: Some(order(targets, soft)), wait_ms: 0 };
        Ok(self.client.clone().purge(request).await?.into_inner())
    }

    pub(crate) async fn limit(&self, request: LimitRequest) -> Result<LimitReply, Status> {
        Ok(self.client.clone().limit(request).await?.into_inner())
    }

    pub(crate) async fn secret(&self, request: SecretRequest) -> Result<SecretReply, Status> {
        Ok(self.client.clone().secret(request).await?.into_inner())
    }

    /// As somebody who sends this as `authorization`.
    pub(crate) async fn purge_showing(&self, shown: Option<&'static str>) -> Result<PurgeReply, Status> {
        let order = Some(order(&[Target::All(true)], false));
        let mut request = tonic::Request::new(PurgeRequest { order, wait_ms: 0 });
        if let Some(shown) = shown {
            request.metadata_mut().insert("authorization", MetadataValue::from_static(shown));
        }
        Ok(self.client.clone().purge(request).await?.into_inner())
    }

    /// Gets the lease and stores the page.
    pub(crate) async fn fill(&self, key: &str, head: EntryHead, body: &str) {
        let mut edge = self.ask(key).await;
        edge.expect_lease().await;
        assert!(edge.store(head, body).await.kept);
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// An edge that follows the purge log. Dropping it breaks off.
pub(crate) struct Watch {
    requests: mpsc::Sender<WatchRequest>,
    replies: Streaming<WatchReply>,
}

impl Watch {
    pub(crate) async fn follow(&mut self) -> Follow {
        match self.reply().await {
            watch_reply::Message::Follow(follow) => follow,
            other => panic!("{other:?} instead of a log to follow"),
        }
    }

    pub(crate) async fn logged(&mut self) -> WatchPurge {
        match self.reply().await {
            watch_reply::Message::Logged(logged) => logged,
            other => panic!("{other:?} instead of a purge"),
        }
    }

    /// Beats, and returns whether the node is in touch with the log. Purges that come before the echo are not
    /// looked at.
    pub(crate) async fn beat(&mut self, number: u64, acknowledged: u64) -> bool {
        self.send(watch_request::Message::Beat(WatchBeat { number, acknowledged })).await;
        loop {
            if let watch_reply::Message::Echo(echo) = self.reply().await
                && echo.number == number
            {
                return echo.left_ms > 0;
            }
        }
    }

    pub(crate) async fn leave(mut self) {
        self.send(watch_request::Message::Leave(WatchLeave {})).await;
        while let Ok(Ok(Some(_))) = timeout(PATIENCE, self.replies.message()).await {}
    }

    async fn send(&self, message: watch_request::Message) {
        self.requests.send(WatchRequest { message: Some(message) }).await.unwrap();
    }

    async fn reply(&mut self) -> watch_reply::Message {
        let reply = timeout(PATIENCE, self.replies.message()).await.expect("the node says something");
        reply.unwrap().expect("the stream goes on").message.unwrap()
    }
}

fn order(targets: &[Target], soft: bool) -> PurgeOrder {
    let targets = targets.iter().map(|target| PurgeTarget { target: Some(target.clone()) });
    PurgeOrder { targets: targets.collect(), soft }
}

pub(crate) fn url(url: &str) -> Target {
    Target::Url(Bytes::copy_from_slice(url.as_bytes()))
}

pub(crate) fn tag(tag: &str) -> Target {
    Target::Tag(Bytes::copy_from_slice(tag.as_bytes()))
}

/// One exchange. Dropping it is an edge that leaves.
pub(crate) struct Edge {
    requests: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<ExchangeReply>,
}

/// What a node says, a body put together.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Found { body: Bytes, usage: Use, lease: bool },
    Wait,
    Lease,
    Pass(PassReason),
}

impl Answer {
    pub(crate) fn fresh(body: &str) -> Self {
        Self::Found { body: Bytes::copy_from_slice(body.as_bytes()), usage: Use::Fresh, lease: false }
    }

    pub(crate) fn stale(body: &str, lease: bool) -> Self {
        Self::Found { body: Bytes::copy_from_slice(body.as_bytes()), usage: Use::Stale, lease }
    }

    pub(crate) fn on_error(body: &str, lease: bool) -> Self {
        Self::Found { body: Bytes::copy_from_slice(body.as_bytes()), usage: Use::OnError, lease }
    }
}

impl Edge {
    pub(crate) async fn answer(&mut self) -> Answer {
        match self.reply().await.unwrap() {
            Reply::Found(found) => {
                let mut body = BytesMut::new();
                loop {
                    match self.reply().await.unwrap() {
                        Reply::Chunk(chunk) => body.extend_from_slice(&chunk),
                        Reply::End(_) => break,
                        other => panic!("{other:?} within a body"),
                    }
                }
                assert_eq!(body.len() as u64, found.length);
                Answer::Found { body: body.freeze(), usage: found.r#use(), lease: found.lease }
            }
            Reply::Wait(_) => Answer::Wait,
            Reply::Lease(_) => Answer::Lease,
            Reply::Pass(pass) => Answer::Pass(pass.reason()),
            other => panic!("{other:?} is no answer"),
        }
    }

    /// The answer after `wait`.
    pub(crate) async fn answer_after_wait(&mut self) -> Answer {
        self.expect_wait().await;
        self.answer().await
    }

    /// The answer, whether it had to wait for it or not.
    pub(crate) async fn final_answer(&mut self) -> Answer {
        match self.answer().await {
            Answer::Wait => self.answer().await,
            answer => answer,
        }
    }

    pub(crate) async fn expect_lease(&mut self) {
        assert_eq!(self.answer().await, Answer::Lease);
    }

    pub(crate) async fn expect_wait(&mut self) {
        assert_eq!(self.answer().await, Answer::Wait);
    }

    /// Nothing more is said for a while.
    pub(crate) async fn expect_silence(&mut self, while_: Duration) {
        let said = timeout(while_, self.replies.message()).await;
        assert!(said.is_err(), "{said:?}");
    }

    pub(crate) async fn expect_end(&mut self) {
        let said = timeout(PATIENCE, self.replies.message()).await.unwrap().unwrap();
        assert_eq!(said, None);
    }

    pub(crate) async fn expect_refusal(&mut self, code: Code) {
        let status = self.reply().await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
    }

    pub(crate) async fn reply(&mut self) -> Result<Reply, Status> {
        let reply = timeout(PATIENCE, self.replies.message()).await.expect("the node says something")?;
        Ok(reply.expect("the stream goes on").message.unwrap())
    }

    pub(crate) async fn send(&self, message: Request) {
        let sent = self.requests.send(ExchangeRequest { message: Some(message) });
        timeout(PATIENCE, sent).await.expect("the node reads").expect("the stream is open");
    }

    pub(crate) async fn begin_store(&self, head: EntryHead, body: &str) {
        self.send(Request::Store(head)).await;
        for chunk in body.as_bytes().chunks(50_000) {
            let message = Some(Request::Chunk(Bytes::copy_from_slice(chunk)));
            let sent = timeout(PATIENCE, self.requests.send(ExchangeRequest { message })).await;
            if sent.expect("the node reads").is_err() {
                // It has refused the page already, and says so.
                break;
            }
        }
    }

    pub(crate) async fn end_store(&mut self) -> StoreReply {
        self.send(Request::End(End {})).await;
        match self.reply().await.unwrap() {
            Reply::Stored(stored) => stored,
            other => panic!("{other:?} after a store"),
        }
    }

    pub(crate) async fn store(&mut self, head: EntryHead, body: &str) -> StoreReply {
        self.begin_store(head, body).await;
        self.end_store().await
    }

    pub(crate) async fn give_up(&self, why: ReturnReason, pass_for: Duration) {
        let pass_ms = pass_for.as_millis() as u64;
        let give_up = LeaseReturn { why: why.into(), pass_ms, ..LeaseReturn::default() };
        self.send(Request::GiveUp(give_up)).await;
    }
}

pub(crate) fn lookup(key: &str) -> Lookup {
    let wait_ms = PATIENCE.as_millis() as u32;
    Lookup { key: Bytes::copy_from_slice(key.as_bytes()), wait_ms, ..Lookup::default() }
}

pub(crate) fn field((name, value): &(&str, &str)) -> Field {
    Field { name: Bytes::copy_from_slice(name.as_bytes()), value: Bytes::copy_from_slice(value.as_bytes()) }
}

/// A page that stays fresh for as long as any test takes.
pub(crate) fn page() -> EntryHead {
    EntryHead {
        status: 200,
        fields: vec![field(&("content-type", "text/html"))],
        ttl_ms: 600_000,
        ..EntryHead::default()
    }
}

/// A page that is stale at once, and may be served so for long while it is refreshed.
pub(crate) fn stale_page() -> EntryHead {
    EntryHead { ttl_ms: 0, stale_while_revalidate_ms: 600_000, ..page() }
}

/// A page that at once may only be used when the application fails.
pub(crate) fn on_error_page() -> EntryHead {
    EntryHead { ttl_ms: 0, stale_if_error_ms: 600_000, ..page() }
}

/// Each of the tests over both transports, against a node with these settings.
macro_rules! over_both {
    ($config:ident; $($test:ident,)*) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $crate::tests::peer::{TestNode, PeerTransport};
                super::$test(TestNode::start(PeerTransport::InProcess, super::$config()).await).await;
            })*
        }
        mod network {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $crate::tests::peer::{TestNode, PeerTransport};
                super::$test(TestNode::start(PeerTransport::Network, super::$config()).await).await;
            })*
        }
    };
}
pub(crate) use over_both;
