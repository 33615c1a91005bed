//! The store in this process: bounded by weight, and gone with it.

mod variants;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use tokio::time::Instant;
use weir_proto::cache::Use;

use self::variants::{Limits, Variants};
use super::{Looked, Put, Release, Store, Token};
use crate::config::Config;
use crate::entry::Entry;
use crate::purges::Purges;
use crate::slot::{Rule, Slot};

/// A page of a usual size; only sizes the cache's tables.
const USUAL_WEIGHT: u64 = 16 * 1024;
/// Shards share the weight out: each must hold several of the largest pages.
const LARGEST_PER_SHARD: u64 = 8;
const MAX_SHARDS: u64 = 16;

pub(crate) struct Memory {
    pages: Cache<Bytes, Arc<Variants>, ByWeight, ahash::RandomState>,
    /// Also taken to change a page, so that no change is lost. Lookups do not take it.
    leases: Mutex<HashMap<Slot, MemoryLease>>,
    limits: Limits,
    lease: Duration,
    purges: Arc<Purges>,
}

/// What memory knows without a lease.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// May still be used; fresh or not.
    Entry(Arc<Entry>, Use),
    Passed(Duration),
    TooManyVariants,
    Nothing,
}

impl Known {
    /// The entry, whatever it may be used for.
    pub(crate) fn entry(self) -> Option<Arc<Entry>> {
        match self {
            Self::Entry(entry, _) => Some(entry),
            Self::Passed(_) | Self::TooManyVariants | Self::Nothing => None,
        }
    }
}

struct MemoryLease {
    token: Token,
    until: Instant,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Bytes, Arc<Variants>> for ByWeight {
    fn weight(&self, key: &Bytes, page: &Arc<Variants>) -> u64 {
        (key.len() + page.weight()) as u64
    }
}

impl Memory {
    pub(crate) fn new(config: &Config, purges: Arc<Purges>) -> Self {
        let capacity = config.memory.0;
        let shards = (capacity / (LARGEST_PER_SHARD * config.max_object.0)).clamp(1, MAX_SHARDS);
        // The next lower power of two: the cache would round up, and make shards too small.
        let shards = 1 << shards.ilog2();
        let mut options = OptionsBuilder::new();
        options.shards(shards).weight_capacity(capacity);
        options.estimated_items_capacity((capacity / USUAL_WEIGHT).max(1) as usize);
        #[expect(clippy::expect_used, reason = "fails only where one of the two capacities above is not set")]
        let options = options.build().expect("both capacities are set");
        let pages =
            Cache::with_options(options, ByWeight, ahash::RandomState::new(), DefaultLifecycle::default());
        Self {
            limits: Limits { variants: config.max_variants, weight: pages.shard_capacity() as usize / 2 },
            pages,
            leases: Mutex::default(),
            lease: config.lease.0,
            purges,
        }
    }

    /// The key's Vary rule, as far as memory knows.
    pub(crate) fn rule(&self, key: &Bytes) -> Rule {
        self.pages.get(key).map(|page| page.rule().clone()).unwrap_or_default()
    }

    pub(crate) fn known(&self, slot: &Slot, now: Instant) -> Known {
        let Some(page) = self.pages.get(slot.key()) else { return Known::Nothing };
        let found = page.find(slot).and_then(|entry| Some((entry.clone(), self.purges.usage(entry)?)));
        match (found, page.passed_for(now)) {
            (Some((entry, Use::Fresh)), _) => Known::Entry(entry, Use::Fresh),
            (_, Some(left)) => Known::Passed(left),
            (Some((entry, usage)), None) => Known::Entry(entry, usage),
            (None, None) if self.is_full(&page, slot) => Known::TooManyVariants,
            (None, None) => Known::Nothing,
        }
    }

    /// Keeps an entry that another store has accepted.
    pub(crate) fn keep(&self, entry: &Arc<Entry>) {
        let _changing = self.leases.lock();
        self.insert(entry);
    }

    /// Remembers the rule that another store holds.
    pub(crate) fn learn_rule(&self, key: &Bytes, rule: &Rule) {
        let _changing = self.leases.lock();
        if self.pages.get(key).is_none_or(|page| page.rule() != rule) {
            self.pages.insert(key.clone(), Arc::new(Variants::new(rule.clone())));
        }
    }

    /// Remembers that the key, in all its variants, is not cacheable for this long.
    pub(crate) fn mark(&self, key: &Bytes, pass_for: Duration) {
        let _changing = self.leases.lock();
        self.insert_mark(key, pass_for);
    }

    /// Whether the lease was granted here and not by another store.
    pub(crate) fn granted(&self, slot: &Slot, token: Token) -> bool {
        self.leases.lock().get(slot).is_some_and(|held| held.token == token)
    }

    /// Whether the slot would be one variant too many under its key.
    pub(crate) fn is_full_for(&self, slot: &Slot) -> bool {
        self.pages.get(slot.key()).is_some_and(|page| self.is_full(&page, slot))
    }

    /// Pages, and their weight in bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.pages.len(), self.pages.weight())
    }

    fn is_full(&self, page: &Variants, slot: &Slot) -> bool {
        page.is_full_for(slot, self.limits.variants, |entry| self.purges.usage(entry).is_some())
    }

    fn try_grant(&self, slot: &Slot, token: Token, now: Instant) -> bool {
        let mut leases = self.leases.lock();
        if leases.get(slot).is_some_and(|held| now < held.until) {
            return false;
        }
        leases.insert(slot.clone(), MemoryLease { token, until: now + self.lease });
        true
    }

    fn insert(&self, entry: &Arc<Entry>) {
        let key = entry.slot().key();
        let old = self.pages.get(key);
        let is_alive = |entry: &Entry| self.purges.usage(entry).is_some();
        let page = Variants::with(old.as_deref(), entry, self.limits, is_alive);
        self.pages.insert(key.clone(), Arc::new(page));
    }

    fn insert_mark(&self, key: &Bytes, pass_for: Duration) {
        let old = self.pages.get(key);
        let page = Variants::passed(old.as_deref(), Instant::now() + pass_for);
        self.pages.insert(key.clone(), Arc::new(page));
    }
}

impl Store for Memory {
    type Error = Infallible;

    async fn look_up(&self, slot: &Slot, token: Token) -> Result<Looked, Infallible> {
        let now = Instant::now();
        let rule = self.rule(slot.key());
        if rule != *slot.rule() {
            return Ok(Looked::OtherRule(rule));
        }
        let stale = match self.known(slot, now) {
            Known::Entry(entry, Use::Fresh) => return Ok(Looked::Fresh(entry)),
            Known::Passed(left) => return Ok(Looked::Passed(left)),
            Known::Entry(entry, _) => Some(entry),
            Known::TooManyVariants | Known::Nothing => None,
        };
        Ok(if self.try_grant(slot, token, now) { Looked::Granted(stale) } else { Looked::Held(stale) })
    }

    async fn put(&self, slot: &Slot, token: Token, entry: &Arc<Entry>) -> Result<Put, Infallible> {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        if leases.get(slot).is_none_or(|held| held.token != token || now >= held.until) {
            return Ok(Put::LeaseLost);
        }
        leases.remove(slot);
        if self.is_full_for(entry.slot()) {
            return Ok(Put::TooManyVariants);
        }
        self.insert(entry);
        Ok(Put::Kept)
    }

    async fn renew(&self, slot: &Slot, token: Token) -> Result<bool, Infallible> {
        let now = Instant::now();
        match self.leases.lock().get_mut(slot) {
            Some(held) if held.token == token && now < held.until => {
                held.until = now + self.lease;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn release(&self, slot: &Slot, token: Token, then: Release) -> Result<(), Infallible> {
        let mut leases = self.leases.lock();
        if leases.get(slot).is_none_or(|held| held.token != token) {
            return Ok(());
        }
        leases.remove(slot);
        if let Release::Pass(pass_for) = then {
            self.insert_mark(slot.key(), pass_for);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use process::units::Size;
    use weir_proto::cache::EntryHead;

    use super::*;

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
        let (life, grant) = (Duration::from_secs(600), memory.purges.grant());
        Arc::new(Entry::new(slot, head, body, Instant::now(), life, grant))
    }

    fn is_kept(memory: &Memory, entry: &Entry) -> bool {
        matches!(memory.known(entry.slot(), Instant::now()), Known::Entry(..))
    }

    #[test]
    fn weight_is_bounded_whatever_comes() {
        let memory = memory();
        for n in 0..2_000 {
            memory.keep(&entry(&memory, format!("/small/{n}"), "", n % 64 * 1024, 600_000));
            memory.mark(&format!("/marked/{n}").into(), Duration::from_secs(600));
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
                memory.keep(&entry);
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
            memory.keep(&entry);
            assert!(is_kept(&memory, &entry), "number {n}");
        }
    }

    #[test]
    fn large_variants_drive_out_the_oldest_of_their_own_page() {
        let memory = memory();
        let all: Vec<_> =
            ["de", "en", "fr"].map(|l| entry(&memory, "/a".into(), l, 3 * MIB / 2, 600_000)).into();
        all.iter().for_each(|entry| memory.keep(entry));
        let kept: Vec<_> = all.iter().map(|entry| is_kept(&memory, entry)).collect();
        assert_eq!(kept, [false, true, true]);
    }

    #[test]
    fn dead_variants_make_room_for_others() {
        let memory = memory();
        let [dead, one, two, three, four] =
            [("a", 0), ("b", 600_000), ("c", 600_000), ("d", 600_000), ("e", 600_000)]
                .map(|(language, ttl_ms)| entry(&memory, "/a".into(), language, 10, ttl_ms));
        for entry in [&dead, &one, &two] {
            memory.keep(entry);
        }
        let full = |entry: &Entry| memory.is_full_for(entry.slot());
        assert!(!full(&three));
        memory.keep(&three);
        assert!(full(&four));
        assert!(matches!(memory.known(four.slot(), Instant::now()), Known::TooManyVariants));
        assert!(!full(&two), "its own place is not one too many");
    }

    #[test]
    fn purged_variants_make_room_and_are_not_found() {
        let memory = memory();
        let all: Vec<_> = ["a", "b", "c"].map(|l| entry(&memory, "http://h/a".into(), l, 10, 600_000)).into();
        all.iter().for_each(|entry| memory.keep(entry));
        let later = |memory: &Memory| entry(memory, "http://h/a".into(), "d", 10, 600_000);
        assert!(memory.is_full_for(later(&memory).slot()));
        let purge = purge::Purge::new(vec![purge::Target::Url("http://h/a".into())], false).unwrap();
        memory.purges.append(purge);
        assert!(all.iter().all(|entry| !is_kept(&memory, entry)));
        let later = later(&memory);
        assert!(!memory.is_full_for(later.slot()));
        memory.keep(&later);
        assert!(is_kept(&memory, &later), "made after the purge");
    }

    #[test]
    fn a_mark_lets_fresh_pages_be_and_hides_stale_ones() {
        let memory = memory();
        let (fresh, gone) =
            (entry(&memory, "/a".into(), "de", 10, 600_000), entry(&memory, "/a".into(), "en", 10, 0));
        memory.keep(&fresh);
        memory.keep(&gone);
        memory.mark(fresh.slot().key(), Duration::from_secs(60));
        assert!(is_kept(&memory, &fresh));
        assert!(matches!(memory.known(gone.slot(), Instant::now()), Known::Passed(_)));
        memory.keep(&gone);
        assert!(matches!(memory.known(gone.slot(), Instant::now()), Known::Nothing), "a store ends the mark");
    }
}
