//! PurgeIndex against a list of all purges gone through one by one.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::Purge;

fn logged(seq: u64, targets: Vec<Target>, soft: bool, at: Instant) -> LogEntry {
    let (seq, previous) = (Seq::new(seq), Seq::new(seq - 1));
    LogEntry { seq, previous, purge: Purge::new(targets, soft).unwrap(), at }
}

fn url(text: &str) -> Target {
    Target::Url(Bytes::copy_from_slice(text.as_bytes()))
}

fn prefix(text: &str) -> Target {
    Target::Prefix(Bytes::copy_from_slice(text.as_bytes()))
}

fn tag(text: &str) -> Target {
    Target::Tag(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn each_kind_reaches_its_own_pages_and_no_others() {
    let now = Instant::now();
    let cases: &[(Target, &str, &[&str], bool)] = &[
        (Target::All, "http://h/a", &[], true),
        (url("http://h/a"), "http://h/a", &[], true),
        (url("http://h/a"), "http://h/ab", &[], false),
        (url("http://h/a"), "http://h/a?x", &[], false),
        (prefix("http://h/a"), "http://h/a", &[], true),
        (prefix("http://h/a"), "http://h/ab/c?d", &[], true),
        (prefix("http://h/a"), "http://h/", &[], false),
        (prefix("http://h/a"), "http://h/b", &[], false),
        (tag("news"), "http://h/a", &["x", "news"], true),
        (tag("news"), "http://h/a", &["new", "newsy"], false),
        (tag("http://h/a"), "http://h/a", &[], false),
        (url("news"), "http://h/a", &["news"], false),
    ];
    for (target, page, tags, reached) in cases {
        let mut index = PurgeIndex::new(Seq::START, 10);
        index.apply(&logged(5, vec![target.clone()], false, now));
        let tags: Vec<u64> = tags.iter().map(|tag| tag_hash(tag.as_bytes())).collect();
        let subject = Subject { url: page.as_bytes(), tags: &tags };
        let expected = if *reached { Reach::Gone } else { Reach::Untouched };
        assert_eq!(index.reach(subject, Seq::new(4)), expected, "{target:?} and {page}");
        assert_eq!(index.reach(subject, Seq::new(5)), Reach::Untouched, "made after {target:?}");
    }
}

#[test]
fn a_hard_purge_outdoes_a_soft_one_and_the_earlier_soft_one_counts() {
    let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
    let subject = Subject { url: b"/a", tags: &[tag_hash(b"t")] };
    let mut index = PurgeIndex::new(Seq::START, 10);
    index.apply(&logged(1, vec![url("/a")], true, now));
    index.apply(&logged(2, vec![tag("t")], true, later));
    assert_eq!(index.reach(subject, Seq::START), Reach::Stale(now));
    assert_eq!(index.reach(subject, Seq::new(1)), Reach::Stale(later));
    index.apply(&logged(3, vec![prefix("/")], false, later));
    assert_eq!(index.reach(subject, Seq::START), Reach::Gone);
    index.apply(&logged(4, vec![prefix("/")], true, later));
    assert_eq!(index.reach(subject, Seq::new(2)), Reach::Gone);
    assert_eq!(index.reach(subject, Seq::new(3)), Reach::Stale(later));
}

#[test]
fn what_is_forgotten_counts_as_purged() {
    let now = Instant::now();
    let mut index = PurgeIndex::new(Seq::START, 100);
    for n in 1..=1000 {
        index.apply(&logged(n, vec![url(&format!("/{n}"))], false, now));
    }
    assert!(index.named.len() <= 100 && index.order.len() <= 100);
    let never_named = Subject { url: b"/other", tags: &[] };
    assert_eq!(index.reach(never_named, Seq::new(899)), Reach::Gone);
    assert_eq!(index.reach(never_named, Seq::new(900)), Reach::Untouched);
}

#[test]
fn one_name_purged_for_ever_forgets_nothing_else() {
    let now = Instant::now();
    let mut index = PurgeIndex::new(Seq::START, 100);
    for n in 1..=10_000 {
        index.apply(&logged(n, vec![tag("hot"), prefix("/hot")], false, now));
    }
    assert!(index.order.len() <= 100);
    assert_eq!(index.reach(Subject { url: b"/other", tags: &[] }, Seq::new(1)), Reach::Untouched);
}

fn target() -> impl Strategy<Value = Target> {
    let text = prop::collection::vec(prop::sample::select(b"ab/".as_slice()), 1..5);
    (text, 0..12_u8).prop_map(|(text, kind)| match kind {
        0 => Target::All,
        1..4 => Target::Url(text.into()),
        4..8 => Target::Tag(text.into()),
        _ => Target::Prefix(text.into()),
    })
}

proptest! {
    #[test]
    fn the_same_as_going_through_all_purges(
        purges in prop::collection::vec((prop::collection::vec(target(), 1..4), any::<bool>()), 0..12),
        page in prop::collection::vec(prop::sample::select(b"ab/".as_slice()), 1..6),
        page_tags in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab/".as_slice()), 1..3), 0..3),
        since in 0..12_u64,
    ) {
        let start = Instant::now();
        let at = |n: usize| start + Duration::from_secs(n as u64);
        let mut index = PurgeIndex::new(Seq::START, 1000);
        let (mut gone, mut stale) = (false, None);
        for (n, (targets, soft)) in purges.into_iter().enumerate() {
            let seq = n as u64 + 1;
            let reached = targets.iter().any(|target| match target {
                Target::All => true,
                Target::Url(url) => url == &page,
                Target::Prefix(prefix) => page.starts_with(prefix),
                Target::Tag(tag) => page_tags.iter().any(|other| tag == other),
            });
            if reached && seq > since {
                match soft {
                    true => stale = stale.or_else(|| Some(at(n))),
                    false => gone = true,
                }
            }
            index.apply(&logged(seq, targets, soft, at(n)));
        }
        let hashes: Vec<u64> = page_tags.iter().map(|tag| tag_hash(tag)).collect();
        let reach = index.reach(Subject { url: &page, tags: &hashes }, Seq::new(since));
        match (gone, stale) {
            (true, _) => prop_assert_eq!(reach, Reach::Gone),
            (false, None) => prop_assert_eq!(reach, Reach::Untouched),
            // A name that was purged softly twice tells the later time: the page was stale by then anyway.
            (false, Some(first)) => prop_assert!(matches!(reach, Reach::Stale(at) if at >= first), "{:?}", reach),
        }
    }
}
