//! Purges by one node: what they reach, who is waited for, what is told to those who follow. Over both
//! transports.

use std::time::{Duration, Instant};

use process::units::Time;
use tonic::Code;
use weir_proto::cache::purge_target::Target;
use weir_proto::cache::{EntryHead, Position};

use super::peer::{Answer, PeerTransport, TestNode, over_both, page, tag, url};
use crate::Config;

/// Far more than any purge takes.
const LONG: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_millis(600);

/// A node of its own expects nobody from before after a moment.
fn config() -> Config {
    Config { name: Some("node".into()), watch_grace: Time::from_millis(100), ..Config::default() }
}

over_both! { config;
    each_kind_reaches_its_own_pages,
    a_page_in_the_making_is_not_kept_and_nobody_who_asked_later_gets_it,
    a_soft_purge_leaves_pages_stale,
    a_purge_waits_for_those_who_follow,
    one_that_breaks_off_is_waited_for_as_long_as_it_may_use_pages,
    one_that_comes_back_is_told_what_it_missed,
    a_purge_of_nothing_is_refused,
    a_flood_of_purges_is_taken_in,
}

fn tagged(tags: &[&'static str]) -> EntryHead {
    EntryHead { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..page() }
}

async fn each_kind_reaches_its_own_pages(node: TestNode) {
    let pages: [(&str, &[&'static str]); 4] = [
        ("http://h/a", &["news"]),
        ("http://h/a\0lang=de", &["news", "de"]),
        ("http://h/a/b", &["sport"]),
        ("http://i/a", &[]),
    ];
    let cases: &[(Target, [bool; 4])] = &[
        (url("http://h/a"), [true, true, false, false]),
        (tag("news"), [true, true, false, false]),
        (tag("de"), [false, true, false, false]),
        (Target::Prefix("http://h/a".into()), [true, true, true, false]),
        (Target::Prefix("http://h/a/".into()), [false, false, true, false]),
        (Target::All(true), [true; 4]),
        (tag("nothing"), [false; 4]),
    ];
    for (target, purged) in cases {
        for (key, tags) in pages {
            let mut edge = node.ask(key).await;
            if edge.final_answer().await == Answer::Lease {
                assert!(edge.store(tagged(tags), "page").await.kept);
            }
        }
        let reply = node.purge(std::slice::from_ref(target), false, LONG).await;
        assert!(reply.made && reply.missing.is_empty(), "{reply:?}");
        assert_eq!(reply.acknowledged, ["node"]);
        for ((key, _), purged) in pages.into_iter().zip(*purged) {
            let expected = if purged { Answer::Lease } else { Answer::fresh("page") };
            assert_eq!(node.ask(key).await.final_answer().await, expected, "{key} after {target:?}");
        }
    }
}

async fn a_page_in_the_making_is_not_kept_and_nobody_who_asked_later_gets_it(node: TestNode) {
    for (name, target) in [("url", url("http://h/url")), ("tag", tag("t")), ("all", Target::All(true))] {
        let key = format!("http://h/{name}");
        let mut holder = node.ask(&key).await;
        holder.expect_lease().await;
        let mut later = node.ask(&key).await;
        later.expect_wait().await;
        node.purge(&[target], false, LONG).await;
        let stored = holder.store(tagged(&["t"]), "old").await;
        assert!(!stored.kept, "{stored:?}");
        later.expect_lease().await;
        assert!(later.store(tagged(&["t"]), "new").await.kept);
        assert_eq!(node.answer(&key).await, Answer::fresh("new"));
    }
}

async fn a_soft_purge_leaves_pages_stale(node: TestNode) {
    let head = EntryHead { stale_while_revalidate_ms: 600_000, ..tagged(&["t"]) };
    node.fill("http://h/a", head, "old").await;
    node.fill("http://h/b", tagged(&["t"]), "old").await;
    node.purge(&[tag("t")], true, LONG).await;
    let mut refresh = node.ask("http://h/a").await;
    assert_eq!(refresh.answer().await, Answer::stale("old", true));
    assert_eq!(node.answer("http://h/a").await, Answer::stale("old", false));
    assert!(refresh.store(page(), "new").await.kept);
    assert_eq!(node.answer("http://h/a").await, Answer::fresh("new"));
    // One that may not be served stale is gone.
    assert_eq!(node.answer("http://h/b").await, Answer::Lease);
}

async fn a_purge_waits_for_those_who_follow(node: TestNode) {
    let mut one = node.watch("edge-1", None, LONG).await;
    let mut two = node.watch("edge-2", None, LONG).await;
    for watch in [&mut one, &mut two] {
        let follow = watch.follow().await;
        assert_eq!((follow.log.len(), follow.floor), (16, 0));
        assert!(watch.beat(1, 0).await);
    }
    let waited = node.purge(&[tag("t")], false, Duration::from_millis(300)).await;
    assert!(waited.made);
    assert_eq!(
        (waited.acknowledged, waited.missing),
        (vec!["node".into()], vec!["edge-1".into(), "edge-2".into()])
    );
    let purging = async { node.purge(&[url("http://h/")], true, LONG).await };
    let acknowledging = async {
        for watch in [&mut one, &mut two] {
            let first = watch.logged().await;
            let second = watch.logged().await;
            assert_eq!(second.previous, first.seq);
            assert!(second.order.unwrap().soft);
            assert!(watch.beat(2, second.seq).await);
        }
    };
    let (reply, ()) = tokio::join!(purging, acknowledging);
    assert_eq!(reply.acknowledged, ["edge-1", "edge-2", "node"]);
    assert_eq!(reply.missing, Vec::<String>::new());
}

async fn one_that_breaks_off_is_waited_for_as_long_as_it_may_use_pages(node: TestNode) {
    let mut gone = node.watch("gone", None, GRACE).await;
    gone.follow().await;
    gone.beat(1, 0).await;
    drop(gone);
    let began = Instant::now();
    let reply = node.purge(&[tag("t")], false, LONG).await;
    assert!(reply.missing.is_empty(), "{reply:?}");
    assert!(began.elapsed() >= GRACE, "it may still have used a page");
    let hasty = node.purge(&[tag("t")], false, Duration::ZERO).await;
    assert_eq!(hasty.missing, ["gone"]);

    let mut left = node.watch("gone", None, LONG).await;
    left.follow().await;
    left.leave().await;
    let began = Instant::now();
    let reply = node.purge(&[tag("t")], false, LONG).await;
    assert_eq!((reply.acknowledged, reply.missing), (vec!["node".into()], vec![]));
    assert!(began.elapsed() < LONG, "it was waited for until it could use no page");
}

async fn one_that_comes_back_is_told_what_it_missed(node: TestNode) {
    let mut watch = node.watch("edge", None, GRACE).await;
    let follow = watch.follow().await;
    drop(watch);
    node.purge(&[tag("a")], false, Duration::ZERO).await;
    node.purge(&[tag("b")], false, Duration::ZERO).await;
    let position = |log: &[u8], seq| Some(Position { log: log.to_vec().into(), seq, ..Position::default() });
    let mut back = node.watch("edge", position(&follow.log, 0), GRACE).await;
    assert_eq!(back.follow().await, follow);
    assert_eq!(back.logged().await.seq, 1);
    assert_eq!(back.logged().await.seq, 2);
    // One that followed another log has nothing to go on from.
    let mut stranger = node.watch("other", position(&[7; 16], 1), GRACE).await;
    assert_eq!(stranger.follow().await.floor, 2);
}

async fn a_purge_of_nothing_is_refused(node: TestNode) {
    assert_eq!(node.try_purge(&[], false).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(node.try_purge(&[Target::All(false)], false).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(node.try_purge(&[url("")], false).await.unwrap_err().code(), Code::InvalidArgument);
}

async fn a_flood_of_purges_is_taken_in(node: TestNode) {
    let mut watch = node.watch("edge", None, LONG).await;
    watch.follow().await;
    node.fill("http://h/kept", tagged(&["kept"]), "page").await;
    for n in 0..2_000 {
        node.purge(&[tag(&n.to_string())], false, Duration::ZERO).await;
    }
    assert_eq!(node.answer("http://h/kept").await, Answer::fresh("page"));
    let mut last = 0;
    while last < 2_000 {
        last = watch.logged().await.seq;
    }
    watch.beat(1, last).await;
    let reply = node.purge(&[tag("kept")], false, Duration::ZERO).await;
    assert_eq!(reply.missing, ["edge"]);
    assert_eq!(node.answer("http://h/kept").await, Answer::Lease);
}

#[tokio::test]
async fn who_may_purge() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let (right, wrong) = (Some("Bearer s3cret"), Some("Bearer another"));
    let (denied, stranger) = (Some(Code::PermissionDenied), Some(Code::Unauthenticated));
    for (listen, token, shown, refused) in [
        ("127.0.0.1:7101", false, None, None),
        ("127.0.0.1:7101", false, wrong, None),
        ("0.0.0.0:7101", false, None, denied),
        ("0.0.0.0:7101", false, right, denied),
        ("127.0.0.1:7101", true, None, stranger),
        ("0.0.0.0:7101", true, None, stranger),
        ("0.0.0.0:7101", true, wrong, stranger),
        ("0.0.0.0:7101", true, right, None),
    ] {
        for way in [PeerTransport::InProcess, PeerTransport::Network] {
            let config = Config {
                listen: listen.to_owned(),
                admin_token_file: token.then(|| file.clone()),
                ..config()
            };
            let node = TestNode::start(way, config).await;
            // Nobody but this process reaches the one in it.
            let refused = refused.filter(|_| matches!(way, PeerTransport::Network));
            let answer = node.purge_showing(shown).await;
            assert_eq!(
                answer.err().map(|status| status.code()),
                refused,
                "{listen}, {token}, {shown:?}, {way:?}"
            );
        }
    }
}

/// What it knew of those who followed it died with the node before it: they come back, or have no old page
/// any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_just_started_has_purges_wait_for_those_who_may_come_back() {
    let began = Instant::now();
    let node = TestNode::start(PeerTransport::Network, Config { watch_grace: Time(GRACE), ..config() }).await;
    let hasty = node.purge(&[tag("t")], false, Duration::ZERO).await;
    assert!(hasty.made);
    assert_eq!(hasty.missing, ["edges from before"]);
    let mut back = node.watch("edge", None, LONG).await;
    back.follow().await;
    let reply = node.purge(&[tag("t")], false, GRACE * 4).await;
    assert_eq!(reply.missing, ["edge"]);
    back.leave().await;
    assert_eq!(node.purge(&[tag("t")], false, LONG).await.missing, Vec::<String>::new());
    assert!(began.elapsed() >= GRACE * 2);
    // In one process there was nobody before.
    let embedded =
        TestNode::start(PeerTransport::InProcess, Config { watch_grace: Time(LONG), ..config() }).await;
    assert_eq!(embedded.purge(&[tag("t")], false, Duration::ZERO).await.missing, Vec::<String>::new());
}
