//! What stays in L1 while many pages are stored that nobody asks for again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_cache::{Lifetime, Source};

use super::*;
use crate::cache::page::PageHead;
use crate::purge_log::PurgeStamp;

const MEMORY: u64 = 4 * 1024 * 1024;
const BODY: usize = 4 * 1024;

fn page() -> Arc<Page> {
    with_body(Bytes::from_static(&[b'x'; BODY]))
}

fn with_body(body: Bytes) -> Arc<Page> {
    let lifetime = Lifetime {
        ttl: Duration::from_secs(3600),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        age: Duration::ZERO,
        vary: Vec::new(),
        shared: false,
        validate: false,
        source: Source::Setting,
    };
    let head = PageHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        lifetime,
        born: Instant::now(),
        grant: PurgeStamp::passing(),
        tags: Box::default(),
    };
    Arc::new(Page::new(head, body))
}

fn is_hit(l1: &L1, key: &str) -> bool {
    matches!(
        l1.find(key.as_bytes(), &RequestSummary::default(), Instant::now(), |_| Vec::new()),
        L1Lookup::Fresh(_)
    )
}

/// As a request does: looks, and stores what is missing.
fn ask(l1: &L1, key: &str) -> bool {
    let hit = is_hit(l1, key);
    if !hit {
        l1.insert(key.as_bytes(), &HeaderMap::new(), page());
    }
    hit
}

#[test]
fn pages_that_are_sent_after_they_were_evicted_are_known() {
    const PAGES: u64 = 4096;
    let l1 = L1::new(MEMORY, 64 * 1024);
    let mut sent = Vec::new();
    for n in 0..PAGES {
        let body = l1.counted(vec![b'x'; BODY].into());
        sent.push(body.slice(1..2));
        l1.insert(format!("http://h/{n}").as_bytes(), &HeaderMap::new(), with_body(body));
    }
    assert!(l1.beside() >= PAGES * BODY as u64 - MEMORY, "{}", l1.beside());
    drop(sent);
    assert_eq!(l1.beside(), 0);
}

#[test]
fn a_scan_does_not_push_out_what_is_asked_for_again_and_again() {
    const HOT: usize = 200;
    const SCANNED: usize = 20_000;
    let l1 = L1::new(MEMORY, 64 * 1024);
    for n in (0..HOT).cycle().take(3 * HOT) {
        ask(&l1, &format!("http://h/hot/{n}"));
    }
    // Twenty times what there is room for; nobody asks for a hot page meanwhile.
    for n in 0..SCANNED {
        assert!(!ask(&l1, &format!("http://h/scanned/{n}")));
        assert!(l1.weight() <= MEMORY);
    }
    assert!(l1.evictions() > SCANNED as u64 / 2);
    let left = (0..HOT).filter(|n| is_hit(&l1, &format!("http://h/hot/{n}"))).count();
    assert!(left >= HOT * 9 / 10, "{left} of {HOT}");
}

#[test]
fn a_mark_knows_more_than_another_edges() {
    let (l1, none) = (L1::new(MEMORY, 64 * 1024), HeaderMap::new());
    let mark = |reason| {
        let seen =
            UncacheableReply { reason, manner: ReplyManner::default(), pass_for: Duration::from_secs(60) };
        l1.mark(b"k", &none, &[], seen);
        match l1.find(b"k", &RequestSummary::default(), Instant::now(), |_| Vec::new()) {
            L1Lookup::Marked(mark) => mark.reason,
            _ => panic!("there is no mark"),
        }
    };
    for (told, known) in [
        (Reason::UncacheableReply, Reason::UncacheableReply),
        (Reason::SetCookie, Reason::SetCookie),
        (Reason::UncacheableReply, Reason::SetCookie),
        (Reason::HitForMiss, Reason::SetCookie),
        (Reason::Private, Reason::Private),
    ] {
        assert_eq!(mark(told), known, "{told:?}");
    }
}
