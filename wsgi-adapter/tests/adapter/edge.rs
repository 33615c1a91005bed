//! Plays the edge: asks an adapter, in this process or over the network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use process::shutdown::Shutdown;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};
use weir_proto::fetch::{self, Fetcher};
use weir_proto::link::{Channel, ChannelSettings};
use weir_proto::origin::origin_client::OriginClient;
use weir_proto::origin::{
    End, Failure, FetchReply, FetchRequest, Field, Kind, ReplyHead, RequestHead, fetch_reply, fetch_request,
};
use weir_proto::transport::{self, Transport};
use wsgi_adapter::{Config, PoolConfig, Pools, ServerConfig};

/// No test waits for anything longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Does the work until it took less than `bound` once: a busy machine makes some times too long, and what is
/// slow by itself is slow each time.
pub(crate) async fn once_within(bound: Duration, what: &str, mut work: impl AsyncFnMut()) {
    let mut times = Vec::new();
    while times.len() < 10 {
        let start = Instant::now();
        work().await;
        if start.elapsed() < bound {
            return;
        }
        times.push(start.elapsed());
    }
    panic!("{what}: each time {bound:?} or more: {times:?}");
}

#[derive(Clone)]
pub(crate) struct Edge {
    adapter: Arc<dyn Fetcher>,
    network: Option<Transport>,
    pools: Pools,
}

/// A reply that comes.
pub(crate) struct Replies(fetch::Replies);

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum AnswerEnd {
    Whole,
    Failed(Failure),
    Refused(Code),
    /// Neither an end nor a failure.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Option<ReplyHead>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: AnswerEnd,
}

/// A pool of these servers, with waits short enough for tests.
pub(crate) fn pool(servers: &[&str]) -> PoolConfig {
    let servers = servers.iter().map(|address| ServerConfig::new(address.parse().unwrap()));
    // All requests here come from one client.
    let client_share = 100;
    PoolConfig { name: "app".to_owned(), servers: servers.collect(), client_share, ..PoolConfig::default() }
}

pub(crate) fn get(target: &str) -> RequestHead {
    RequestHead {
        pool: "app".to_owned(),
        method: "GET".to_owned(),
        target: target.as_bytes().to_vec().into(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        authority: "example.com".to_owned(),
        client_address: "192.0.2.1".to_owned(),
        client_port: 40000,
        server_name: "example.com".to_owned(),
        server_port: 80,
        document_root: "/var/www".to_owned(),
        content_length: Some(0),
        ..RequestHead::default()
    }
}

pub(crate) fn with_body(method: &str, target: &str, content_length: Option<u64>) -> RequestHead {
    RequestHead { method: method.to_owned(), content_length, ..get(target) }
}

pub(crate) fn field(name: &str, value: &[u8]) -> Field {
    Field { name: name.as_bytes().to_vec().into(), value: value.to_vec().into() }
}

pub(crate) fn chunk(bytes: &[u8]) -> FetchRequest {
    FetchRequest { message: Some(fetch_request::Message::Chunk(Bytes::copy_from_slice(bytes))) }
}

pub(crate) fn end() -> FetchRequest {
    FetchRequest { message: Some(fetch_request::Message::End(End {})) }
}

impl Edge {
    pub(crate) fn in_process(pool: PoolConfig) -> Self {
        let pools = Pools::open(&Config { pool: vec![pool], ..Config::default() }).unwrap();
        Self { adapter: wsgi_adapter::fetcher(&pools, &Shutdown::new()), network: None, pools }
    }

    /// And what `run` comes back with.
    pub(crate) async fn over_network(
        pool: PoolConfig,
        shutdown: Shutdown,
    ) -> (Self, tokio::task::JoinHandle<bool>) {
        let pools = Pools::open(&Config { pool: vec![pool], ..Config::default() }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = pools.clone();
        let run =
            tokio::spawn(async move { wsgi_adapter::run(serving, None, listener, shutdown).await.is_ok() });
        let channel = Channel::new(&url.parse().unwrap(), ChannelSettings::default());
        let network = transport::network(vec![channel]);
        (Self { adapter: fetch::over(network.clone()), network: Some(network), pools }, run)
    }

    /// Sends the head, then these messages as they come; the reply comes whether it is read or not.
    pub(crate) fn open(
        &self,
        head: RequestHead,
        messages: impl Stream<Item = FetchRequest> + Send + 'static,
    ) -> Replies {
        let mut replies = self.adapter.fetch(head, Box::pin(messages));
        replies.go_on();
        Replies(replies)
    }

    pub(crate) async fn ask(&self, head: RequestHead) -> Answer {
        self.send(head, vec![end()]).await
    }

    /// The head, then these messages, then the end of the stream.
    pub(crate) async fn send(&self, head: RequestHead, body: Vec<FetchRequest>) -> Answer {
        read(Replies(self.adapter.fetch(head, Box::pin(tokio_stream::iter(body))))).await
    }

    /// Breaks the contract, which only a network lets it do.
    pub(crate) async fn send_no_head(&self) -> Result<(), Status> {
        let mut client = OriginClient::new(self.network.clone().unwrap());
        client.fetch(tokio_stream::iter([end()])).await.map(|_| ())
    }

    /// What the admin listener would show.
    pub(crate) fn metrics(&self) -> String {
        let mut registry = Registry::default();
        self.pools.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

/// Reads a reply to its end.
pub(crate) async fn read(mut replies: Replies) -> Answer {
    let mut answer = Answer { head: None, body: Vec::new(), end: AnswerEnd::Lost };
    loop {
        let message = tokio::time::timeout(PATIENCE, replies.message()).await.expect("the reply goes on");
        match message {
            Ok(Some(FetchReply { message: Some(message) })) => match message {
                fetch_reply::Message::Head(head) => answer.head = Some(head),
                fetch_reply::Message::Chunk(piece) => answer.body.extend_from_slice(&piece),
                fetch_reply::Message::End(_) => answer.end = AnswerEnd::Whole,
                fetch_reply::Message::Hints(_) => {}
                fetch_reply::Message::Failure(failure) => answer.end = AnswerEnd::Failed(failure),
            },
            Ok(_) => return answer,
            Err(status) => {
                answer.end = AnswerEnd::Refused(status.code());
                return answer;
            }
        }
    }
}

impl Replies {
    pub(crate) fn go_on(&mut self) {
        self.0.go_on();
    }

    pub(crate) async fn message(&mut self) -> Result<Option<FetchReply>, Status> {
        self.0.next().await.transpose()
    }
}

impl Answer {
    /// The status of an answer that came whole.
    pub(crate) fn status(&self) -> u32 {
        assert!(matches!(self.end, AnswerEnd::Whole), "{self:?}");
        self.head.as_ref().unwrap().status
    }

    pub(crate) fn text(&self) -> String {
        assert!(matches!(self.end, AnswerEnd::Whole), "{self:?}");
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let found = self.head.as_ref()?.fields.iter().find(|field| field.name == name)?;
        Some(String::from_utf8_lossy(&found.value).into_owned())
    }

    pub(crate) fn failure(&self) -> &Failure {
        match &self.end {
            AnswerEnd::Failed(failure) => failure,
            other => panic!("no failure: {other:?}"),
        }
    }

    /// The failure's kind, and whether the request reached a server.
    pub(crate) fn failed(&self) -> (Kind, bool) {
        (self.failure().kind(), self.failure().reached)
    }
}
