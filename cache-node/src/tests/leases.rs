//! How long a holder keeps its lease. The lease is short here, and long where a test is of something else.

use std::time::Duration;

use process::units::Time;

use super::exchange::waiting;
use super::peer::{Answer, TestNode, over_both, page};
use crate::Config;

over_both! { config;
    a_silent_holder_keeps_the_lease,
    a_hung_holder_loses_the_lease,
}

fn config() -> Config {
    Config { lease: Time::from_millis(300), max_lease: Time::from_millis(1500), ..Config::default() }
}

async fn a_silent_holder_keeps_the_lease(node: TestNode) {
    let mut holder = node.ask("/a").await;
    holder.expect_lease().await;
    let mut waiter = waiting(&node, "/a", 1).await.remove(0);
    // Three times the lease's own time limit.
    waiter.expect_silence(Duration::from_millis(900)).await;
    assert!(holder.store(page(), "slow").await.kept);
    assert_eq!(waiter.answer().await, Answer::fresh("slow"));
}

async fn a_hung_holder_loses_the_lease(node: TestNode) {
    let mut hung = node.ask("/a").await;
    hung.expect_lease().await;
    hung.begin_store(page(), "late").await;
    let mut waiter = waiting(&node, "/a", 1).await.remove(0);
    waiter.expect_lease().await;
    let stored = hung.end_store().await;
    assert!(!stored.kept && stored.detail.contains("lease"), "{stored:?}");
    assert!(waiter.store(page(), "new").await.kept);
    assert_eq!(node.answer("/a").await, Answer::fresh("new"));
}
