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
use super::{LookUpResult, Mark, PutResult, Release, Store, Token};
use crate::config::Config;
use crate::entry::Entry;
use crate::purges::Purges;
use crate::slot::{Rules, Selection, Slot};

/// A page of a usual size; only sizes the cache's tables.
const USUAL_WEIGHT: u64 = 16 * 1024;
/// Shards share the weight out: each must hold several of the largest pages.
const LARGEST_PER_SHARD: u64 = 8;
const MAX_SHARDS: u64 = 16;

pub(crate) struct Memory {
    pages: Cache<Bytes, Arc<Variants>, PageWeight, ahash::RandomState>,
    /// Also taken to change a page, so that no change is lost. Lookups do not take it.
    leases: Mutex<HashMap<Slot, MemoryLease>>,
    limits: Mutex<Limits>,
    lease: Duration,
    purges: Arc<Purges>,
}

/// What memory knows without a lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownPage {
    /// May still be used; fresh or not.
    pub(crate) entry: Option<(Arc<Entry>, Use)>,
    pub(crate) mark: Option<(Mark, Duration)>,
}

struct MemoryLease {
    token: Token,
    until: Instant,
}

#[derive(Clone)]
struct PageWeight;

impl Weighter<Bytes, Arc<Variants>> for PageWeight {
    fn weight(&self, key: &Bytes, page: &Arc<Variants>) -> u64 {
        (key.len() + page.weight()) as u64
    }
}

/// The most that all variants of one key may weigh.
fn largest(pages: &Cache<Bytes, Arc<Variants>, PageWeight, ahash::RandomState>) -> usize {
    pages.shard_capacity() as usize / 2
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
            Cache::with_options(options, PageWeight, ahash::RandomState::new(), DefaultLifecycle::default());
        Self {
            limits: Mutex::new(Limits { variants: config.max_variants, weight: largest(&pages) }),
            pages,
            leases: Mutex::default(),
            lease: config.lease.0,
            purges,
        }
    }

    /// Another weight for all pages together, from now on: what has no room any more is evicted.
    pub(crate) fn set_capacity(&self, capacity: u64) {
        self.pages.set_capacity(capacity);
        self.limits.lock().weight = largest(&self.pages);
    }

    /// Whether there is a page in this slot.
    pub(crate) fn has(&self, slot: &Slot) -> bool {
        self.pages.peek(slot.key()).is_some_and(|page| page.entries().any(|entry| entry.slot() == slot))
    }

    /// All entries that may still be used for something.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let pages = self.pages.iter().flat_map(|(_, page)| page.entries().cloned().collect::<Vec<_>>());
        pages.filter(|entry| self.purges.usage(entry).is_some()).collect()
    }

    /// The key's Vary rules, as far as memory knows.
    pub(crate) fn rules(&self, key: &Bytes) -> Rules {
        self.pages.get(key).map(|page| page.rules().clone()).unwrap_or_default()
    }

    pub(crate) fn known(&self, selection: &Selection, now: Instant) -> KnownPage {
        let Some(page) = self.pages.get(selection.lease().key()) else { return KnownPage::default() };
        let mut best: Option<(Arc<Entry>, Use)> = None;
        for entry in page.find(selection) {
            let Some(usage) = self.purges.usage(entry) else { continue };
            if best.as_ref().is_none_or(|(_, least)| i32::from(usage) < i32::from(*least)) {
                best = Some((entry.clone(), usage));
            }
        }
        KnownPage { entry: best, mark: page.mark(selection.lease(), now) }
    }

    /// Keeps an entry that another store has accepted under the lease on `lease`.
    pub(crate) fn keep(&self, lease: &Slot, entry: &Arc<Entry>) {
        let _changing = self.leases.lock();
        self.insert(lease, entry);
    }

    /// Remembers the rules that another store holds.
    pub(crate) fn learn_rules(&self, key: &Bytes, rules: &Rules) {
        let _changing = self.leases.lock();
        let page = self.pages.get(key);
        if page.as_ref().is_none_or(|page| page.rules() != rules) {
            let page = page.as_deref().cloned().unwrap_or_default();
            self.pages.insert(key.clone(), Arc::new(page.with_rules(rules)));
        }
    }

    /// Remembers that nobody gets the lease on the slot for this long.
    pub(crate) fn mark(&self, slot: &Slot, mark: Mark, how_long: Duration) {
        let _changing = self.leases.lock();
        self.insert_mark(slot, mark, how_long);
    }

    /// Whether the lease was granted here and not by another store.
    pub(crate) fn granted(&self, slot: &Slot, token: Token) -> bool {
        self.leases.lock().get(slot).is_some_and(|held| held.token == token)
    }

    /// Pages, and their weight in bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.pages.len(), self.pages.weight())
    }

    fn try_grant(&self, slot: &Slot, token: Token, now: Instant) -> bool {
        let mut leases = self.leases.lock();
        if leases.get(slot).is_some_and(|held| now < held.until) {
            return false;
        }
        leases.insert(slot.clone(), MemoryLease { token, until: now + self.lease });
        true
    }

    fn insert(&self, lease: &Slot, entry: &Arc<Entry>) {
        let key = entry.slot().key();
        let is_alive = |entry: &Entry| self.purges.usage(entry).is_some();
        let old = self.pages.get(key);
        let page = old.as_deref().cloned().unwrap_or_default();
        let page = page.with(entry, *self.limits.lock(), is_alive).unmarked(lease);
        self.pages.insert(key.clone(), Arc::new(page));
    }

    fn insert_mark(&self, slot: &Slot, mark: Mark, how_long: Duration) {
        let page = self.pages.get(slot.key());
        let page = page.as_deref().cloned().unwrap_or_default();
        let page = page.marked(slot, mark, Instant::now() + how_long);
        self.pages.insert(slot.key().clone(), Arc::new(page));
    }
}

impl Store for Memory {
    type Error = Infallible;

    async fn look_up(
        &self,
        selection: &Selection,
        token: Token,
        probe: bool,
    ) -> Result<LookUpResult, Infallible> {
        let now = Instant::now();
        let rules = self.rules(selection.lease().key());
        if rules != *selection.rules() {
            return Ok(LookUpResult::OtherRules(rules));
        }
        let known = self.known(selection, now);
        let stale = match known.entry {
            Some((entry, Use::Fresh)) => return Ok(LookUpResult::Fresh(entry)),
            other => other.map(|(entry, _)| entry),
        };
        match known.mark.filter(|_| !probe) {
            Some((Mark::Failed, _)) if stale.is_none() => {}
            Some((mark, left)) => return Ok(LookUpResult::Marked(mark, left, stale)),
            None => {}
        }
        let granted = self.try_grant(selection.lease(), token, now);
        Ok(if granted { LookUpResult::Granted(stale) } else { LookUpResult::Held(stale) })
    }

    async fn put(&self, slot: &Slot, token: Token, entry: &Arc<Entry>) -> Result<PutResult, Infallible> {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        if leases.get(slot).is_none_or(|held| held.token != token || now >= held.until) {
            return Ok(PutResult::LeaseLost);
        }
        leases.remove(slot);
        self.insert(slot, entry);
        Ok(PutResult::Kept)
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
        if let Release::Mark(mark, how_long) = then {
            self.insert_mark(slot, mark, how_long);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
