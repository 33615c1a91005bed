//! What memory keeps, what it drives out, and what it forgets.

use http::{HeaderMap, HeaderValue};
use process::units::Size;
use weir_proto::cache::EntryHead;

use super::*;
use crate::entry::Terms;
use crate::slot::Rule;

const MIB: usize = 1024 * 1024;

fn memory() -> Memory {
    let config = Config {
        memory: Size::mebibytes(8),
        max_object: Size::mebibytes(2),
        max_variants: 3,
        ..Config::default()
    };
    Memory::new(&config, Arc::new(Purges::new(false, Duration::from_secs(1))))
}

/// An entry of the page `key` in a language, or for all languages if it is empty.
fn entry(memory: &Memory, key: String, language: &str, size: usize, ttl_ms: u64) -> Arc<Entry> {
    let mut fields = HeaderMap::new();
    fields.insert("accept-language", HeaderValue::from_str(language).unwrap());
    let names: &[&str] = if language.is_empty() { &[] } else { &["accept-language"] };
    let slot = Slot::new(key.into(), Rule::new(names).unwrap(), &fields);
    let head = EntryHead { ttl_ms, ..EntryHead::default() };
    let body = vec![b'x'; size].into();
    let (max_lifetime, grant) = (Duration::from_secs(600), memory.purges.grant());
    Arc::new(Entry::new(slot, head, body, Terms { since: Instant::now(), max_lifetime, grant }))
}

/// The selection of a request like the one that the entry was made for.
fn selection(entry: &Entry) -> Selection {
    let mut fields = HeaderMap::new();
    let variant = String::from_utf8_lossy(entry.slot().variant()).into_owned();
    let language = variant.chars().skip("accept-language".len() + 5).collect::<String>();
    fields.insert("accept-language", HeaderValue::from_str(&language).unwrap());
    Selection::new(entry.slot().key(), Rules::new([entry.slot().rule().clone()]), &fields)
}

fn known(memory: &Memory, entry: &Entry) -> KnownPage {
    memory.known(&selection(entry), Instant::now())
}

fn keep(memory: &Memory, entry: &Arc<Entry>) {
    memory.keep(selection(entry).lease(), entry);
}

fn is_kept(memory: &Memory, entry: &Entry) -> bool {
    known(memory, entry).entry.is_some()
}

#[test]
fn weight_is_bounded_whatever_comes() {
    let memory = memory();
    for n in 0..2_000 {
        keep(&memory, &entry(&memory, format!("/small/{n}"), "", n % 64 * 1024, 600_000));
        let marked = entry(&memory, format!("/marked/{n}"), "", 0, 0);
        memory.mark(marked.slot(), Mark::Uncacheable, Duration::from_secs(600));
        assert!(memory.size().1 <= 8 * MIB as u64);
    }
    assert!(memory.size().1 > 6 * MIB as u64, "most of the room is used: {:?}", memory.size());
}

#[test]
fn a_scan_does_not_push_out_what_is_asked_for_again_and_again() {
    const HOT: usize = 200;
    let memory = memory();
    // As a request does: looks, and keeps what is missing. Whether it was there.
    let ask = |name: String| {
        let entry = entry(&memory, name, "", 8 * 1024, 600_000);
        let found = is_kept(&memory, &entry);
        if !found {
            keep(&memory, &entry);
        }
        found
    };
    for n in (0..HOT).cycle().take(3 * HOT) {
        ask(format!("/hot/{n}"));
    }
    // Twenty times what there is room for; nobody asks for a hot page meanwhile.
    (0..20_000).for_each(|n| assert!(!ask(format!("/scanned/{n}"))));
    let left = (0..HOT).filter(|n| ask(format!("/hot/{n}"))).count();
    assert!(left >= HOT * 9 / 10, "{left} of {HOT}");
}

#[test]
fn the_largest_page_has_room() {
    let memory = memory();
    for n in 0..20 {
        let entry = entry(&memory, format!("/{n}"), "", 2 * MIB, 600_000);
        keep(&memory, &entry);
        assert!(is_kept(&memory, &entry), "number {n}");
    }
}

#[test]
fn large_variants_drive_out_the_oldest_of_their_own_page() {
    let memory = memory();
    let all: Vec<_> = ["de", "en", "fr"].map(|l| entry(&memory, "/a".into(), l, 3 * MIB / 2, 600_000)).into();
    all.iter().for_each(|entry| keep(&memory, entry));
    let kept: Vec<_> = all.iter().map(|entry| is_kept(&memory, entry)).collect();
    assert_eq!(kept, [false, true, true]);
}

#[test]
fn the_variant_used_least_makes_room() {
    let memory = memory();
    let all = ["a", "b", "c", "d"].map(|l| entry(&memory, "/a".into(), l, 10, 600_000));
    let [a, b, c, d] = &all;
    for entry in [a, b, c] {
        keep(&memory, entry);
    }
    for used in [a, a, c] {
        assert!(is_kept(&memory, used));
    }
    keep(&memory, d);
    let kept: Vec<_> = all.iter().map(|entry| is_kept(&memory, entry)).collect();
    assert_eq!(kept, [true, false, true, true]);
}

#[test]
fn dead_variants_make_room_for_others() {
    let memory = memory();
    let [dead, one, two, three] = [("a", 0), ("b", 600_000), ("c", 600_000), ("d", 600_000)]
        .map(|(language, ttl_ms)| entry(&memory, "/a".into(), language, 10, ttl_ms));
    for entry in [&dead, &one, &two, &three] {
        keep(&memory, entry);
    }
    assert!([&one, &two, &three].iter().all(|entry| is_kept(&memory, entry)));
}

#[test]
fn purged_variants_are_not_found() {
    let memory = memory();
    let all: Vec<_> = ["a", "b", "c"].map(|l| entry(&memory, "http://h/a".into(), l, 10, 600_000)).into();
    all.iter().for_each(|entry| keep(&memory, entry));
    let purge = purge::Purge::new(vec![purge::Target::Url("http://h/a".into())], false).unwrap();
    memory.purges.append(purge);
    assert!(all.iter().all(|entry| !is_kept(&memory, entry)));
    let later = entry(&memory, "http://h/a".into(), "d", 10, 600_000);
    keep(&memory, &later);
    assert!(is_kept(&memory, &later), "made after the purge");
}

#[test]
fn a_mark_is_its_variants_and_a_store_ends_it() {
    let memory = memory();
    let (fresh, gone) =
        (entry(&memory, "/a".into(), "de", 10, 600_000), entry(&memory, "/a".into(), "en", 10, 0));
    keep(&memory, &fresh);
    memory.mark(selection(&gone).lease(), Mark::Uncacheable, Duration::from_secs(60));
    assert!(is_kept(&memory, &fresh) && known(&memory, &fresh).mark.is_none());
    assert!(matches!(known(&memory, &gone).mark, Some((Mark::Uncacheable, _))));
    keep(&memory, &fresh);
    assert!(known(&memory, &gone).mark.is_some(), "another variant was stored");
    keep(&memory, &gone);
    assert!(known(&memory, &gone).mark.is_none());
}
