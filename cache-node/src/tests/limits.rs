//! Bounds, and messages that break the rules: what is refused, and that it hurts nobody else.

use std::time::Duration;

use bytes::Bytes;
use process::units::{Size, Time};
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_proto::cache::exchange_reply::Message as Reply;
use weir_proto::cache::exchange_request::Message as Request;
use weir_proto::cache::{EntryHead, LeaseReturn, Lookup, PassReason};
use weir_proto::origin::End;

use super::peer::{Answer, PeerTransport, TestNode, field, lookup, over_both, page};
use crate::Config;

over_both! { config;
    a_page_too_large_lets_all_go,
    what_is_received_at_once_is_bounded,
    those_who_wait_for_a_page_are_bounded,
    variants_are_bounded,
    streams_are_bounded,
    a_vary_that_matches_nothing_is_not_stored,
    messages_out_of_order_end_the_stream_and_hand_over,
    first_messages_that_are_no_lookup_are_refused,
}

fn config() -> Config {
    Config {
        max_object: Size::kibibytes(640),
        max_receiving: Size::kibibytes(700),
        max_streams: 6,
        max_waiting_per_page: 2,
        max_variants: 3,
        send_timeout: Time::from_millis(300),
        ..Config::default()
    }
}

async fn a_page_too_large_lets_all_go(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = node.ask("/a").await;
    waiter.expect_wait().await;
    holder.send(Request::Store(page())).await;
    for _ in 0..7 {
        holder.send(Request::Chunk(Bytes::from(vec![b'x'; 100 * 1024]))).await;
    }
    let Reply::Stored(stored) = holder.reply().await.unwrap() else { panic!("it is refused") };
    assert!(!stored.kept && stored.detail.contains("max_object"), "{stored:?}");
    assert_eq!(waiter.answer().await, Answer::Pass(PassReason::UncacheableReply));
    assert_eq!(node.answer("/a").await, Answer::Pass(PassReason::HitForMiss));
}

async fn what_is_received_at_once_is_bounded(node: TestNode) {
    let body = "x".repeat(500 * 1024);
    let (mut first, mut second) = (node.ask("/a").await, node.ask("/b").await);
    first.expect_lease().await;
    second.expect_lease().await;
    first.begin_store(page(), &body).await;
    // Until the node has taken it all in.
    tokio::time::sleep(Duration::from_millis(200)).await;
    second.begin_store(page(), &body[..300 * 1024]).await;
    let Reply::Stored(stored) = second.reply().await.unwrap() else { panic!("it is refused") };
    assert!(!stored.kept && stored.detail.contains("max_receiving"), "{stored:?}");
    assert!(first.end_store().await.kept);
    node.fill("/b", page(), &body).await;
}

async fn those_who_wait_for_a_page_are_bounded(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiters = Vec::new();
    for _ in 0..2 {
        let mut waiter = node.ask("/a").await;
        waiter.expect_wait().await;
        waiters.push(waiter);
    }
    assert_eq!(node.answer("/a").await, Answer::Pass(PassReason::TooMany));
    assert_eq!(node.answer("/b").await, Answer::Lease);
    assert!(holder.store(page(), "page").await.kept);
    for mut waiter in waiters {
        assert_eq!(waiter.answer().await, Answer::fresh("page"));
    }
}

async fn variants_are_bounded(node: TestNode) {
    let by_agent = || EntryHead { vary: vec!["user-agent".into()], ..page() };
    let mut late = node.ask_as("/a", &[("user-agent", "late")]).await;
    late.expect_lease().await;
    assert!(late.store(by_agent(), "late").await.kept);
    let mut last = node.ask_as("/a", &[("user-agent", "last")]).await;
    last.expect_lease().await;
    for agent in ["b", "c"] {
        let mut edge = node.ask_as("/a", &[("user-agent", agent)]).await;
        edge.expect_lease().await;
        assert!(edge.store(by_agent(), agent).await.kept);
    }
    for agent in ["late", "c"] {
        let mut edge = node.ask_as("/a", &[("user-agent", agent)]).await;
        assert_eq!(edge.answer().await, Answer::fresh(agent));
    }
    // The one used least makes room.
    assert!(last.store(by_agent(), "last").await.kept);
    for agent in ["late", "c", "last"] {
        let mut edge = node.ask_as("/a", &[("user-agent", agent)]).await;
        assert_eq!(edge.answer().await, Answer::fresh(agent));
    }
    node.ask_as("/a", &[("user-agent", "b")]).await.expect_lease().await;
}

async fn streams_are_bounded(node: TestNode) {
    let mut holders = Vec::new();
    for n in 0..6 {
        let mut holder = node.ask(&format!("/{n}")).await;
        holder.expect_lease().await;
        holders.push(holder);
    }
    // Over the network the connection itself lets no more streams through, so that they wait at the edge.
    let more = timeout(Duration::from_millis(300), node.open(Request::Lookup(lookup("/more")))).await;
    if let Ok(opened) = more {
        assert_eq!(opened.err().unwrap().code(), Code::ResourceExhausted);
    }
    drop(holders);
    // As soon as the node has noticed that they left.
    let asked = async {
        loop {
            match node.open(Request::Lookup(lookup("/more"))).await {
                Ok(edge) => return edge,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let mut edge = timeout(Duration::from_secs(10), asked).await.expect("there is room again");
    assert_eq!(edge.answer().await, Answer::Lease);
}

async fn a_vary_that_matches_nothing_is_not_stored(node: TestNode) {
    for (n, name) in ["*", "", "not a name"].into_iter().enumerate() {
        let key = format!("/{n}");
        let mut holder = node.ask(&key).await;
        holder.expect_lease().await;
        holder.send(Request::Store(EntryHead { vary: vec![name.into()], ..page() })).await;
        let Reply::Stored(stored) = holder.reply().await.unwrap() else { panic!("it is refused") };
        assert!(!stored.kept && stored.detail.contains("Vary"), "{name:?}: {stored:?}");
        assert_eq!(node.answer(&key).await, Answer::Pass(PassReason::HitForMiss));
    }
}

async fn messages_out_of_order_end_the_stream_and_hand_over(node: TestNode) {
    let wrong = [
        vec![Request::Chunk(Bytes::from_static(b"x"))],
        vec![Request::End(End {})],
        vec![Request::Lookup(lookup("/a"))],
        vec![Request::Store(page()), Request::Store(page())],
        vec![Request::Store(page()), Request::Chunk(Bytes::from_static(b"x")), Request::Lookup(lookup("/b"))],
    ];
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    for messages in wrong {
        let mut next = node.ask("/a").await;
        next.expect_wait().await;
        for message in messages {
            holder.send(message).await;
        }
        holder.expect_refusal(Code::FailedPrecondition).await;
        next.expect_lease().await;
        holder = next;
    }
    assert!(holder.store(page(), "page").await.kept);
    assert_eq!(node.answer("/a").await, Answer::fresh("page"));
}

async fn first_messages_that_are_no_lookup_are_refused(node: TestNode) {
    let wrong = [
        Request::Store(page()),
        Request::Chunk(Bytes::from_static(b"x")),
        Request::End(End {}),
        Request::GiveUp(LeaseReturn::default()),
        Request::Lookup(lookup("")),
        Request::Lookup(lookup(&"k".repeat(64 * 1024 + 1))),
        Request::Lookup(Lookup { fields: vec![field(&("a", "x\r\ny: z"))], ..lookup("/a") }),
        Request::Lookup(Lookup { fields: vec![field(&("", "x"))], ..lookup("/a") }),
    ];
    for message in wrong {
        let mut edge = node.open(message).await.unwrap();
        edge.expect_refusal(Code::InvalidArgument).await;
    }
    assert_eq!(node.answer(&"k".repeat(64 * 1024)).await, Answer::Lease);
}

/// Over the network HTTP/2 windows take in as much, and to the node it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_in_process_that_does_not_read_loses_the_lease() {
    let node = TestNode::start(PeerTransport::InProcess, config()).await;
    let stale = EntryHead { ttl_ms: 0, stale_while_revalidate_ms: 600_000, ..page() };
    node.fill("/a", stale, &"x".repeat(600 * 1024)).await;
    let mut slow = node.ask("/a").await;
    let head = slow.reply().await.unwrap();
    assert!(matches!(&head, Reply::Found(found) if found.lease), "{head:?}");
    let mut next = node.refresh("/a").await;
    next.expect_wait().await;
    next.expect_lease().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_drains_what_is_under_way_and_says_so() {
    let mut node = TestNode::start(PeerTransport::Network, config()).await;
    let endpoint =
        tonic::transport::Endpoint::from_shared(format!("http://{}", node.address.unwrap())).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let service = HealthCheckRequest { service: "weir.cache.Cache".to_owned() };
    // It serves when it follows a purge log.
    let serving = async {
        while health.check(service.clone()).await.unwrap().into_inner().status() != ServingStatus::Serving {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), serving).await.expect("it serves");

    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    node.shutdown.begin();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(holder.store(page(), "page").await.kept);
    drop((holder, health));
    let server = node.server.take().unwrap();
    timeout(Duration::from_secs(10), server).await.expect("it ends").unwrap().unwrap();
    assert_eq!(node.shutdown.finish(Duration::from_secs(10)).await, 0);
}
