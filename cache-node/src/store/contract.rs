//! What every store must do: one suite, run over each of them.

mod setup;
mod signed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};
use weir_proto::cache::{EntryHead, Use};

pub(crate) use self::setup::patient;
use self::setup::*;
use super::redis::Redis;
use super::{LookUpResult, Mark, PutResult, Release, Token};
use crate::config::RedisConfig;
use crate::entry::Entry;
use crate::metrics::Metrics;
use crate::slot::{Rule, Rules};
use crate::tests::redis_server::RedisServer;

/// Each of the tests below, over each store.
macro_rules! contract {
    ($($test:ident,)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&super::memory()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let server = crate::tests::redis_server::RedisServer::start().await;
                super::$test(&super::redis(&server)).await;
            })*
        }

        /// All of them at once on these servers, each under a prefix of its own.
        pub(crate) async fn holds_on(config: &RedisConfig) {
            let names = [$(stringify!($test)),*];
            let connected = Arc::new(Barrier::new(names.len()));
            let tasks = [$(tokio::spawn({
                let prefix = stringify!($test).to_owned();
                let config = RedisConfig { prefix, connections: 1, ..config.clone() };
                let connected = connected.clone();
                async move {
                    let store = Redis::new(&config, LEASE, PURGES.clone(), Metrics::default(), MAX_VARIANTS).unwrap();
                    // What a test measures is not the time to connect.
                    store.look(&slot("connect", &[], &[])).await;
                    connected.wait().await;
                    $test(&store).await;
                }
            })),*];
            for task in tasks {
                task.await.unwrap();
            }
        }
    };
}

contract! {
    nothing_stored_gives_one_lease,
    of_many_at_once_one_gets_the_lease,
    what_is_stored_is_found_with_its_age,
    a_stale_entry_comes_with_one_lease,
    an_entry_dies_after_its_last_use,
    bodies_of_any_size_come_back_whole,
    a_released_lease_is_free_at_once,
    a_lease_is_released_by_its_holder_only,
    a_page_not_cacheable_is_passed_for_a_time,
    a_lease_ends_unless_it_is_renewed,
    a_lost_lease_is_not_renewed,
    a_late_store_is_refused,
    a_rule_is_told_to_who_does_not_know_it,
    variants_have_leases_of_their_own,
    replies_with_different_vary_stand_side_by_side,
    a_page_without_vary_serves_who_has_no_better,
    the_variant_used_least_makes_room,
    a_mark_is_its_variants_and_a_probe_ends_it,
    after_a_failure_the_stale_page_stands_in,
    keys_are_compared_whole,
}

async fn nothing_stored_gives_one_lease(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    store.lease(&slot).await;
    for _ in 0..2 {
        assert!(matches!(store.look(&slot).await, LookUpResult::Held(None)));
    }
}

async fn of_many_at_once_one_gets_the_lease(store: &impl Steps) {
    let (slot, began) = (slot("k", &[], &[]), Instant::now());
    let looks = futures_util::future::join_all((0..200).map(|_| store.look(&slot))).await;
    let granted = looks.iter().filter(|looked| matches!(looked, LookUpResult::Granted(None))).count();
    let held = looks.iter().filter(|looked| matches!(looked, LookUpResult::Held(None))).count();
    // Where all of them took longer than a lease lasts, there may have been a second one.
    let most = 1 + began.elapsed().div_duration_f64(LEASE) as usize;
    assert!((1..=most).contains(&granted) && granted + held == 200, "{granted} of {most}, {held}");
}

async fn what_is_stored_is_found_with_its_age(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let made = Entry::new(
        slot.slot.clone(),
        EntryHead { age_ms: 5_000, ..head(&slot, Duration::from_secs(60), Duration::from_secs(5)) },
        Bytes::from_static(b"page"),
        terms(),
    );
    store.fill(&slot, &Arc::new(made)).await;
    sleep(A_WHILE).await;
    let LookUpResult::Fresh(found) = store.look(&slot).await else { panic!("it is fresh") };
    assert_eq!(found.body(), "page");
    let found = found.head_at(Instant::now());
    assert!((5_290..15_000).contains(&found.age_ms), "{} ms old", found.age_ms);
    let expected =
        EntryHead { age_ms: found.age_ms, ..head(&slot, Duration::from_secs(60), Duration::from_secs(5)) };
    assert_eq!(found, expected);
}

async fn a_stale_entry_comes_with_one_lease(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    store.fill(&slot, &entry(&slot, "old", A_WHILE, Duration::from_secs(60))).await;
    assert_eq!(store.body(&slot).await, "old");
    sleep(A_WHILE).await;
    let token = Token::random();
    let LookUpResult::Granted(Some(stale)) = store.look_up(&slot.selection, token, false).await.unwrap()
    else {
        panic!("it is free")
    };
    assert_eq!((stale.body().as_ref(), stale.use_at(Instant::now())), (b"old".as_ref(), Some(Use::Stale)));
    assert!(matches!(store.look(&slot).await, LookUpResult::Held(Some(_))));
    assert_eq!(
        store.put(slot.selection.lease(), token, &fresh(&slot, "new")).await.unwrap(),
        PutResult::Kept
    );
    assert_eq!(store.body(&slot).await, "new");
}

async fn an_entry_dies_after_its_last_use(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    store.fill(&slot, &entry(&slot, "old", A_WHILE / 2, A_WHILE / 2)).await;
    sleep(A_WHILE + Duration::from_millis(10)).await;
    let looked = store.look(&slot).await;
    let LookUpResult::Granted(left_over) = looked else { panic!("{looked:?}") };
    assert!(left_over.is_none_or(|entry| entry.use_at(Instant::now()).is_none()));
}

async fn bodies_of_any_size_come_back_whole(store: &impl Steps) {
    for length in [0, 1, 65_536, 900_000] {
        let slot = slot(&format!("/{length}"), &[], &[]);
        let body = &"abcdefghijklmnopqrstuvw".repeat(length / 23 + 1)[..length];
        store.fill(&slot, &fresh(&slot, body)).await;
        assert!(store.body(&slot).await == body, "{length} bytes");
    }
}

async fn a_released_lease_is_free_at_once(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    for _ in 0..3 {
        let token = store.lease(&slot).await;
        store.release(slot.selection.lease(), token, Release::Free).await.unwrap();
    }
}

async fn a_lease_is_released_by_its_holder_only(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    store
        .release(
            slot.selection.lease(),
            Token::random(),
            Release::Mark(Mark::Uncacheable, Duration::from_secs(9)),
        )
        .await
        .unwrap();
    let token = store.lease(&slot).await;
    for then in [Release::Free, Release::Mark(Mark::Uncacheable, Duration::from_secs(9))] {
        store.release(slot.selection.lease(), Token::random(), then).await.unwrap();
        assert!(matches!(store.look(&slot).await, LookUpResult::Held(None)));
    }
    assert!(store.renew(slot.selection.lease(), token).await.unwrap());
}

async fn a_page_not_cacheable_is_passed_for_a_time(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let token = store.lease(&slot).await;
    store.release(slot.selection.lease(), token, Release::Mark(Mark::Uncacheable, A_WHILE)).await.unwrap();
    let LookUpResult::Marked(Mark::Uncacheable, left, None) = store.look(&slot).await else {
        panic!("it is passed")
    };
    assert!(!left.is_zero() && left <= A_WHILE, "{left:?}");
    sleep(A_WHILE).await;
    store.lease(&slot).await;
}

async fn a_lease_ends_unless_it_is_renewed(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let token = store.lease(&slot).await;
    for _ in 0..4 {
        sleep(LEASE / 3).await;
        assert!(store.renew(slot.selection.lease(), token).await.unwrap());
        assert!(matches!(store.look(&slot).await, LookUpResult::Held(None)));
    }
    sleep(LEASE + Duration::from_millis(10)).await;
    store.lease(&slot).await;
}

async fn a_lost_lease_is_not_renewed(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let late = store.lease(&slot).await;
    assert!(!store.renew(slot.selection.lease(), Token::random()).await.unwrap());
    sleep(LEASE + Duration::from_millis(10)).await;
    assert!(
        !store.renew(slot.selection.lease(), late).await.unwrap(),
        "nobody else has it, but it has ended"
    );
    let token = store.lease(&slot).await;
    assert!(!store.renew(slot.selection.lease(), late).await.unwrap());
    assert!(store.renew(slot.selection.lease(), token).await.unwrap());
}

async fn a_late_store_is_refused(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let late = store.lease(&slot).await;
    sleep(LEASE + Duration::from_millis(10)).await;
    let put_late = async || store.put(slot.selection.lease(), late, &fresh(&slot, "late")).await.unwrap();
    assert_eq!(put_late().await, PutResult::LeaseLost, "before another has the lease");
    let token = store.lease(&slot).await;
    assert_eq!(put_late().await, PutResult::LeaseLost, "while another has it");
    assert_eq!(
        store.put(slot.selection.lease(), token, &fresh(&slot, "new")).await.unwrap(),
        PutResult::Kept
    );
    assert_eq!(put_late().await, PutResult::LeaseLost, "after another has stored");
    assert_eq!(store.body(&slot).await, "new");
}

const LANGUAGE: &[&str] = &["accept-language"];

async fn a_rule_is_told_to_who_does_not_know_it(store: &impl Steps) {
    let (unknown, german) = (slot("k", &[], &[]), slot("k", LANGUAGE, &[("accept-language", "de")]));
    store.fill(&unknown, &fresh(&german, "Seite")).await;
    let LookUpResult::OtherRules(rules) = store.look(&unknown).await else { panic!("the rules are others") };
    assert_eq!(names(&rules), [LANGUAGE]);
    assert_eq!(store.body(&german).await, "Seite");
}

async fn variants_have_leases_of_their_own(store: &impl Steps) {
    let variant = |language| slot("k", LANGUAGE, &[("accept-language", language)]);
    store.fill(&slot("k", &[], &[]), &fresh(&variant("de"), "Seite")).await;
    let (english, french) = (store.lease(&variant("en")).await, store.lease(&variant("fr")).await);
    assert_eq!(
        store.put(variant("en").selection.lease(), english, &fresh(&variant("en"), "page")).await.unwrap(),
        PutResult::Kept
    );
    assert_eq!(
        store
            .put(variant("fr").selection.lease(), french, &fresh(&variant("fr"), "page, en français"))
            .await
            .unwrap(),
        PutResult::Kept
    );
    assert_eq!(store.body(&variant("de")).await, "Seite");
    assert_eq!(store.body(&variant("en")).await, "page");
    assert_eq!(store.body(&variant("fr")).await, "page, en français");
}

fn names(rules: &Rules) -> Vec<Vec<String>> {
    rules.iter().map(Rule::names).collect()
}

/// RFC 9111 section 4.1: each stored reply is selected by its own Vary.
async fn replies_with_different_vary_stand_side_by_side(store: &impl Steps) {
    const RULES: &[&[&str]] = &[LANGUAGE, &["x-device"]];
    let fields = [("accept-language", "de"), ("x-device", "phone")];
    let by_language = |rules| target("k", LANGUAGE, rules, &fields);
    store.fill(&slot("k", &[], &[]), &fresh(&by_language(RULES), "Seite")).await;
    let english = [("accept-language", "en"), ("x-device", "phone")];
    let by_device = |rules| target("k", &["x-device"], rules, &english);
    store.fill(&by_device(&[LANGUAGE]), &fresh(&by_device(RULES), "small")).await;
    let LookUpResult::OtherRules(rules) = store.look(&slot("k", LANGUAGE, &fields)).await else {
        panic!("there is one more rule")
    };
    assert_eq!(names(&rules), [vec!["accept-language"], vec!["x-device"]]);
    assert_eq!(store.body(&by_device(RULES)).await, "small");
    let desktop = [("accept-language", "de"), ("x-device", "desktop")];
    assert_eq!(store.body(&target("k", LANGUAGE, RULES, &desktop)).await, "Seite");
    let neither = [("accept-language", "fr"), ("x-device", "desktop")];
    store.lease(&target("k", LANGUAGE, RULES, &neither)).await;
}

async fn a_page_without_vary_serves_who_has_no_better(store: &impl Steps) {
    let (german, english) = ([("accept-language", "de")], [("accept-language", "en")]);
    store.fill(&slot("k", &[], &[]), &fresh(&slot("k", LANGUAGE, &german), "Seite")).await;
    let for_all = target("k", &[], &[LANGUAGE], &english);
    store.fill(&for_all, &fresh(&for_all, "page")).await;
    assert_eq!(store.body(&slot("k", LANGUAGE, &english)).await, "page");
    assert_eq!(store.body(&slot("k", LANGUAGE, &german)).await, "Seite");
}

async fn the_variant_used_least_makes_room(store: &impl Steps) {
    let variant = |language| slot("k", LANGUAGE, &[("accept-language", language)]);
    store.fill(&slot("k", &[], &[]), &fresh(&variant("a"), "a")).await;
    for language in ["b", "c"] {
        sleep(Duration::from_millis(5)).await;
        store.fill(&variant(language), &fresh(&variant(language), language)).await;
    }
    for language in ["a", "c"] {
        sleep(Duration::from_millis(5)).await;
        assert_eq!(store.body(&variant(language)).await, language);
    }
    sleep(Duration::from_millis(5)).await;
    store.fill(&variant("d"), &fresh(&variant("d"), "d")).await;
    for language in ["a", "c", "d"] {
        assert_eq!(store.body(&variant(language)).await, language);
    }
    store.lease(&variant("b")).await;
}

async fn a_mark_is_its_variants_and_a_probe_ends_it(store: &impl Steps) {
    let variant = |language| slot("k", LANGUAGE, &[("accept-language", language)]);
    store.fill(&slot("k", &[], &[]), &fresh(&variant("de"), "Seite")).await;
    let (odd, token) = (variant("odd"), store.lease(&variant("odd")).await);
    let mark = Release::Mark(Mark::Uncacheable, Duration::from_secs(60));
    store.release(odd.selection.lease(), token, mark).await.unwrap();
    assert_eq!(store.body(&variant("de")).await, "Seite");
    assert!(matches!(store.look(&odd).await, LookUpResult::Marked(Mark::Uncacheable, _, None)));
    let token = Token::random();
    let probe = store.look_up(&odd.selection, token, true).await.unwrap();
    assert!(matches!(probe, LookUpResult::Granted(None)), "{probe:?}");
    assert_eq!(store.put(odd.selection.lease(), token, &fresh(&odd, "page")).await.unwrap(), PutResult::Kept);
    assert_eq!(store.body(&odd).await, "page");
}

async fn after_a_failure_the_stale_page_stands_in(store: &impl Steps) {
    let slot = slot("k", &[], &[]);
    let failed = Release::Mark(Mark::Failed, Duration::from_secs(60));
    let token = store.lease(&slot).await;
    store.release(slot.selection.lease(), token, failed).await.unwrap();
    // There is nothing that could stand in: the next who asks tries.
    store.fill(&slot, &entry(&slot, "old", A_WHILE, Duration::from_secs(60))).await;
    sleep(A_WHILE).await;
    let token = Token::random();
    let looked = store.look_up(&slot.selection, token, false).await.unwrap();
    assert!(matches!(looked, LookUpResult::Granted(Some(_))), "{looked:?}");
    store.release(slot.selection.lease(), token, failed).await.unwrap();
    let LookUpResult::Marked(Mark::Failed, _, Some(stale)) = store.look(&slot).await else {
        panic!("it is there")
    };
    assert_eq!(stale.body(), "old");
}

async fn keys_are_compared_whole(store: &impl Steps) {
    let keys =
        ["/a", "/a ", "/A", "/a\r\nSET x y", "{/a}", "/a}{b", "/\u{e9}", "/a\0", &"/long".repeat(4000)];
    for key in keys {
        store.fill(&slot(key, &[], &[]), &fresh(&slot(key, &[], &[]), key)).await;
    }
    for key in keys {
        assert_eq!(store.body(&slot(key, &[], &[])).await, key);
    }
}
