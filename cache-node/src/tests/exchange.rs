//! What one node answers, and what it does with leases.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use weir_proto::cache::exchange_reply::Message as Reply;
use weir_proto::cache::{EntryHead, Lookup, PassReason, ReturnReason, Use};

use super::peer::{
    Answer, Edge, PeerTransport, TestNode, field, lookup, on_error_page, over_both, page, stale_page,
};
use crate::Config;

over_both! { config;
    a_page_is_made_once_and_then_found,
    found_says_all_that_was_stored,
    the_age_counts_from_the_head,
    of_many_at_once_one_has_the_lease,
    a_holder_that_leaves_hands_over_in_order,
    a_store_that_breaks_off_is_not_stored,
    an_uncacheable_page_lets_all_go_at_once,
    a_failed_holder_leaves_no_mark,
    a_failed_holder_gives_the_entry_for_errors,
    a_stale_page_is_refreshed_by_one,
    a_refresh_gets_no_stale_page,
    past_the_stale_window_the_holder_has_the_entry_for_errors,
    a_wait_ends_in_time,
    a_page_of_no_lifetime_is_for_those_who_waited,
    variants_part_when_the_rule_is_known,
    variants_are_compared_by_their_normal_form,
    large_pages_come_and_go_in_chunks,
    edges_that_leave_while_waiting_leave_nothing,
}

fn config() -> Config {
    Config { max_object: process::units::Size::mebibytes(4), ..Config::default() }
}

const MOMENT: Duration = Duration::from_millis(100);

/// Others who wait for the same page.
pub(super) async fn waiting(node: &TestNode, key: &str, how_many: usize) -> Vec<Edge> {
    let mut edges = Vec::new();
    for _ in 0..how_many {
        let mut edge = node.ask(key).await;
        edge.expect_wait().await;
        edges.push(edge);
    }
    edges
}

async fn a_page_is_made_once_and_then_found(node: TestNode) {
    let mut edge = node.ask("/a").await;
    edge.expect_lease().await;
    let stored = edge.store(page(), "page").await;
    assert!(stored.kept, "{stored:?}");
    edge.expect_end().await;
    for _ in 0..3 {
        assert_eq!(node.answer("/a").await, Answer::fresh("page"));
    }
    assert_eq!(node.answer("/A").await, Answer::Lease);
}

async fn found_says_all_that_was_stored(node: TestNode) {
    let head = EntryHead {
        status: 404,
        fields: vec![field(&("x-a", "1")), field(&("x-a", "2")), field(&("content-type", "text/plain"))],
        age_ms: 3_000,
        ttl_ms: 100_000,
        stale_while_revalidate_ms: 5_000,
        stale_if_error_ms: 60_000,
        vary: vec!["accept-encoding".into(), "accept-language".into()],
        shared: true,
        tags: vec!["news".into()],
    };
    node.fill("/a", head.clone(), "gone").await;
    sleep(MOMENT).await;
    let mut edge = node.ask("/a").await;
    let Reply::Found(found) = edge.reply().await.unwrap() else { panic!("it is there") };
    assert_eq!((found.r#use(), found.lease, found.length), (Use::Fresh, false, 4));
    let entry = found.entry.unwrap();
    assert!((3_100..20_000).contains(&entry.age_ms), "{} ms", entry.age_ms);
    assert_eq!(entry, EntryHead { age_ms: entry.age_ms, ..head });
    assert_eq!(edge.reply().await.unwrap(), Reply::Chunk(Bytes::from_static(b"gone")));
    assert!(matches!(edge.reply().await.unwrap(), Reply::End(_)));
    edge.expect_end().await;
}

async fn the_age_counts_from_the_head(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    holder.begin_store(EntryHead { age_ms: 1_000, ..page() }, "slow").await;
    sleep(Duration::from_millis(500)).await;
    assert!(holder.end_store().await.kept);
    let Reply::Found(found) = node.ask("/a").await.reply().await.unwrap() else { panic!("it is there") };
    let age = found.entry.unwrap().age_ms;
    assert!((1_400..20_000).contains(&age), "{age} ms");
}

async fn of_many_at_once_one_has_the_lease(node: TestNode) {
    const EDGES: usize = 300;
    let asking = (0..EDGES).map(|_| async {
        let mut edge = node.ask("/hot").await;
        match edge.answer().await {
            Answer::Lease => {
                sleep(MOMENT).await;
                assert!(edge.store(page(), "page").await.kept);
                1
            }
            Answer::Wait => {
                assert_eq!(edge.answer().await, Answer::fresh("page"));
                0
            }
            answer => {
                assert_eq!(answer, Answer::fresh("page"));
                0
            }
        }
    });
    assert_eq!(join_all(asking).await.into_iter().sum::<usize>(), 1);
}

async fn a_holder_that_leaves_hands_over_in_order(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    for mut waiter in waiting(&node, "/a", 4).await {
        drop(holder);
        waiter.expect_lease().await;
        holder = waiter;
    }
    drop(holder);
    // Nobody waited: the lease is free, as soon as the node has noticed.
    assert_eq!(node.ask("/a").await.final_answer().await, Answer::Lease);
}

async fn a_store_that_breaks_off_is_not_stored(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = waiting(&node, "/a", 1).await.remove(0);
    holder.begin_store(page(), "half a pa").await;
    waiter.expect_silence(MOMENT).await;
    drop(holder);
    waiter.expect_lease().await;
    assert!(waiter.store(page(), "whole page").await.kept);
    assert_eq!(node.answer("/a").await, Answer::fresh("whole page"));
}

async fn an_uncacheable_page_lets_all_go_at_once(node: TestNode) {
    let pass_for = Duration::from_millis(800);
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let waiters = waiting(&node, "/a", 20).await;
    let gave_up = Instant::now();
    holder.give_up(ReturnReason::Uncacheable, pass_for).await;
    for mut waiter in waiters {
        let Reply::Pass(pass) = waiter.reply().await.unwrap() else { panic!("all pass") };
        assert_eq!((pass.reason(), pass.for_ms), (PassReason::UncacheableReply, 800));
    }
    holder.expect_end().await;
    let Reply::Pass(pass) = node.ask("/a").await.reply().await.unwrap() else { panic!("it is marked") };
    assert_eq!(pass.reason(), PassReason::HitForMiss);
    assert!((1..=800).contains(&pass.for_ms), "{}", pass.for_ms);
    assert_eq!(node.answer("/b").await, Answer::Lease);
    sleep(pass_for.saturating_sub(gave_up.elapsed()) + MOMENT).await;
    assert_eq!(node.answer("/a").await, Answer::Lease);
}

/// In a process of its own the edge must wait for the stream's end: its HTTP/2 client may drop what is not
/// yet sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_give_up_counts_also_if_an_edge_in_process_leaves_at_once() {
    let node = TestNode::start(PeerTransport::InProcess, config()).await;
    for n in 0..100 {
        let key = format!("/{n}");
        let mut holder = node.ask(&key).await;
        holder.expect_lease().await;
        let mut waiter = waiting(&node, &key, 1).await.remove(0);
        holder.give_up(ReturnReason::Uncacheable, Duration::from_secs(60)).await;
        drop(holder);
        assert_eq!(waiter.answer().await, Answer::Pass(PassReason::UncacheableReply), "{key}");
    }
}

async fn a_failed_holder_leaves_no_mark(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let waiters = waiting(&node, "/a", 3).await;
    holder.give_up(ReturnReason::Failed, Duration::ZERO).await;
    for mut waiter in waiters {
        assert_eq!(waiter.answer().await, Answer::Pass(PassReason::HolderFailed));
    }
    holder.expect_end().await;
    assert_eq!(node.answer("/a").await, Answer::Lease);
}

async fn a_failed_holder_gives_the_entry_for_errors(node: TestNode) {
    node.fill("/a", on_error_page(), "old").await;
    let mut holder = node.ask("/a").await;
    assert_eq!(holder.answer().await, Answer::on_error("old", true));
    let waiters = waiting(&node, "/a", 3).await;
    let mut refresh = node.refresh("/a").await;
    refresh.expect_wait().await;
    holder.give_up(ReturnReason::Failed, Duration::ZERO).await;
    for mut waiter in waiters {
        assert_eq!(waiter.answer().await, Answer::on_error("old", false));
    }
    assert_eq!(refresh.answer().await, Answer::Pass(PassReason::HolderFailed));
}

async fn a_stale_page_is_refreshed_by_one(node: TestNode) {
    node.fill("/a", stale_page(), "old").await;
    let mut edges = join_all((0..50).map(|_| node.ask("/a"))).await;
    let answers = join_all(edges.iter_mut().map(Edge::answer)).await;
    let with_lease = answers.iter().position(|answer| *answer == Answer::stale("old", true)).unwrap();
    let others = answers.iter().filter(|answer| **answer == Answer::stale("old", false)).count();
    assert_eq!(others, 49);
    assert_eq!(node.answer("/a").await, Answer::stale("old", false));
    assert!(edges[with_lease].store(page(), "new").await.kept);
    assert_eq!(node.answer("/a").await, Answer::fresh("new"));
}

async fn a_refresh_gets_no_stale_page(node: TestNode) {
    node.fill("/a", stale_page(), "old").await;
    let mut holder = node.refresh("/a").await;
    holder.expect_lease().await;
    let mut other = node.refresh("/a").await;
    other.expect_wait().await;
    assert_eq!(node.answer("/a").await, Answer::stale("old", false));
    drop(holder);
    other.expect_lease().await;
    let mut third = node.refresh("/a").await;
    third.expect_wait().await;
    assert!(other.store(page(), "new").await.kept);
    assert_eq!(third.answer().await, Answer::fresh("new"));
    assert_eq!(node.refresh("/a").await.answer().await, Answer::fresh("new"));
}

async fn past_the_stale_window_the_holder_has_the_entry_for_errors(node: TestNode) {
    node.fill("/a", on_error_page(), "old").await;
    let mut holder = node.ask("/a").await;
    assert_eq!(holder.answer().await, Answer::on_error("old", true));
    let mut waiters = waiting(&node, "/a", 2).await;
    drop(holder);
    let mut holder = waiters.remove(0);
    assert_eq!(holder.answer().await, Answer::on_error("old", true));
    assert!(holder.store(page(), "new").await.kept);
    assert_eq!(waiters.remove(0).answer().await, Answer::fresh("new"));
}

async fn a_wait_ends_in_time(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    for wait_ms in [0, 200] {
        let asked = Instant::now();
        let mut edge = node.look_up(Lookup { wait_ms, ..lookup("/a") }).await;
        assert_eq!(edge.answer_after_wait().await, Answer::Pass(PassReason::WaitTimeout));
        edge.expect_end().await;
        // While the page is still in the making.
        assert!(asked.elapsed() >= Duration::from_millis(wait_ms.into()));
    }
    assert!(holder.store(page(), "page").await.kept);
}

async fn a_page_of_no_lifetime_is_for_those_who_waited(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let waiters = waiting(&node, "/a", 5).await;
    let stored = holder.store(EntryHead { ttl_ms: 0, ..page() }, "now").await;
    assert!(!stored.kept, "nothing of it is left");
    for mut waiter in waiters {
        assert_eq!(waiter.answer().await, Answer::fresh("now"));
    }
    assert_eq!(node.answer("/a").await, Answer::Lease);
}

async fn variants_part_when_the_rule_is_known(node: TestNode) {
    let by_language = || EntryHead { vary: vec!["Accept-Language".into()], ..page() };
    let language = |language| [("accept-language", language)];
    let mut holder = node.ask_as("/a", &language("de")).await;
    holder.expect_lease().await;
    let mut waiters = Vec::new();
    for other in ["de", "en", "en", "fr"] {
        let mut edge = node.ask_as("/a", &language(other)).await;
        edge.expect_wait().await;
        waiters.push(edge);
    }
    assert!(holder.store(by_language(), "Seite").await.kept);
    assert_eq!(waiters[0].answer().await, Answer::fresh("Seite"));

    // One of each other variant makes its page, side by side.
    waiters[3].expect_lease().await;
    let make = async |mut edge: Edge| match edge.answer().await {
        Answer::Lease => edge.store(by_language(), "page").await.kept,
        answer => {
            assert_eq!(answer, Answer::fresh("page"));
            false
        }
    };
    let (one, other) = tokio::join!(make(waiters.remove(1)), make(waiters.remove(1)));
    assert_ne!(one, other, "one of two makes it");

    assert_eq!(node.ask_as("/a", &language("de")).await.answer().await, Answer::fresh("Seite"));
    assert_eq!(node.ask_as("/a", &language("en")).await.answer().await, Answer::fresh("page"));
    assert_eq!(node.ask_as("/a", &language("it")).await.answer().await, Answer::Lease);
    assert_eq!(node.answer("/a").await, Answer::Lease, "no language at all is a variant too");
}

async fn variants_are_compared_by_their_normal_form(node: TestNode) {
    let head = EntryHead { vary: vec!["accept-encoding".into()], ..page() };
    let mut holder = node.ask_as("/a", &[("accept-encoding", "gzip, deflate, br")]).await;
    holder.expect_lease().await;
    assert!(holder.store(head, "squeezed").await.kept);
    let same = node.ask_as("/a", &[("accept-encoding", "br;q=0.9"), ("accept-encoding", "gzip")]).await;
    assert_eq!({ same }.answer().await, Answer::fresh("squeezed"));
    assert_eq!(node.ask_as("/a", &[("accept-encoding", "br")]).await.answer().await, Answer::Lease);
}

async fn large_pages_come_and_go_in_chunks(node: TestNode) {
    let body: String = (0..3_000_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    node.fill("/large", page(), &body).await;
    let mut edge = node.ask("/large").await;
    let Reply::Found(found) = edge.reply().await.unwrap() else { panic!("it is there") };
    assert_eq!(found.length, 3_000_000);
    let mut read = Vec::new();
    while let Reply::Chunk(chunk) = edge.reply().await.unwrap() {
        assert!(chunk.len() <= 64 * 1024);
        read.extend_from_slice(&chunk);
    }
    assert!(read == body.as_bytes());
}

async fn edges_that_leave_while_waiting_leave_nothing(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiters = waiting(&node, "/a", 50).await;
    let mut last = waiters.pop().unwrap();
    drop(waiters);
    sleep(MOMENT).await;
    drop(holder);
    last.expect_lease().await;
    assert!(last.store(page(), "page").await.kept);
}
