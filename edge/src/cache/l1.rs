//! L1: pages in this edge's own memory, bounded by weight, scan-resistant. A hit takes no global lock and
//! copies no body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use http_cache::{Look, Reason, Use, vary};
use purge::Reach;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use crate::cache::page::Page;

/// The most variants of one key here; the oldest is evicted first.
const MAX_VARIANTS: usize = 8;
/// The weight of an entry beyond its bytes.
const OVERHEAD: u64 = 512;
/// The average page size that sizes the table.
const USUAL_PAGE: u64 = 16 * 1024;

type Key = Box<[u8]>;

/// What L1 knows about one key.
#[derive(Clone, Default)]
struct Slot {
    /// The request fields that select a variant, from the newest page.
    vary: Vec<HeaderName>,
    /// Newest first: the fingerprint of the selecting fields, and the page.
    variants: Vec<(Vec<u8>, Arc<Page>)>,
    /// Requests bypass the cache until then.
    pass: Option<(Reason, Instant)>,
    /// A reply for this key said that visitors with a personal cookie may share it.
    shared: bool,
    /// How often the page was requested before it was stored.
    uses: u32,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Slot>> for Weight {
    fn weight(&self, key: &Key, slot: &Arc<Slot>) -> u64 {
        let pages = slot.variants.iter().map(|(selected, page)| {
            OVERHEAD + (selected.len() + page.body.len() + 3 * page.wire_head.len()) as u64
        });
        OVERHEAD + key.len() as u64 + pages.sum::<u64>()
    }
}

/// Counts evicted keys.
#[derive(Clone, Default)]
struct Evicted(Arc<AtomicU64>);

impl Lifecycle<Key, Arc<Slot>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, _: &mut (), _: Key, _: Arc<Slot>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct L1 {
    slots: Cache<Key, Arc<Slot>, Weight, ahash::RandomState, Evicted>,
    evicted: Evicted,
    max_object: u64,
}

/// What L1 says about a request.
#[derive(Clone)]
pub(crate) enum Found {
    /// Within its lifetime.
    Fresh(Arc<Page>),
    /// Past its lifetime, but may be served while it is refreshed.
    Stale(Arc<Page>),
    /// May be used only if the application confirms it; with the reason.
    Validate(Arc<Page>, Reason),
    /// Bypass the cache.
    Pass(Reason),
    /// Not here. If the key's Vary rule is known, the variant that the request selects.
    Miss { variant: Option<Vec<u8>> },
}

/// What the application may be asked about on behalf of a request.
#[derive(Default)]
pub(crate) struct Stored {
    /// The page that the request selects, whatever its age.
    pub page: Option<Arc<Page>>,
    /// Only other variants are stored.
    pub others: bool,
}

impl L1 {
    pub(crate) fn new(memory: u64, max_object: u64) -> Self {
        let entries = (memory / USUAL_PAGE).clamp(64, 1 << 20) as usize;
        // Shards split the weight: there are few enough that a page of max_object fits into one.
        let shards = (memory / max_object.max(1) / 4).clamp(1, 16) as usize;
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(memory)
            .shards(shards.next_power_of_two())
            .build();
        let evicted = Evicted::default();
        let hasher = ahash::RandomState::new();
        let slots = match options {
            Ok(options) => Cache::with_options(options, Weight, hasher, evicted.clone()),
            Err(_) => Cache::with(entries, memory, Weight, hasher, evicted.clone()),
        };
        Self { slots, evicted, max_object }
    }

    /// `selected` makes the fingerprint of the request fields that Vary names.
    pub(crate) fn find(
        &self,
        key: &[u8],
        look: &Look,
        now: Instant,
        selected: impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> Found {
        let slot = self.slots.get(key);
        if let Some(reason) = for_one_visitor(look)
            && !slot.as_ref().is_some_and(|slot| slot.shared)
        {
            return Found::Pass(reason);
        }
        let Some(slot) = slot else { return Found::Miss { variant: None } };
        if let Some((reason, until)) = slot.pass
            && now < until
        {
            return Found::Pass(reason);
        }
        if slot.variants.is_empty() {
            return Found::Miss { variant: None };
        }
        let wanted = if slot.vary.is_empty() { Vec::new() } else { selected(&slot.vary) };
        let page = slot.variants.iter().find(|(variant, _)| slot.vary.is_empty() || *variant == wanted);
        let page = page.map(|(_, page)| page);
        let found = page.and_then(|page| Some((page, page.lifetime(key, now)?)));
        let used = found.as_ref().map(|(page, lifetime)| {
            let age = page.head.age(now);
            (*page, look.wants.use_at(lifetime, age), lifetime.use_at(age))
        });
        // Private unless sure: the page found must itself say that it may be shared (RFC 9111 section 3.5).
        if let Some(lifetime) = found.as_ref().map(|(_, lifetime)| lifetime)
            && !look.may_use(lifetime)
        {
            return Found::Pass(for_one_visitor(look).unwrap_or(Reason::NotShared));
        }
        match used {
            Some((page, Use::Fresh, _)) => Found::Fresh(page.clone()),
            Some((page, Use::Stale, _)) => Found::Stale(page.clone()),
            Some((page, Use::Validate, _)) => Found::Validate(page.clone(), Reason::NoCache),
            // Fresh enough for others, but not for this request.
            Some((page, _, Use::Fresh | Use::Stale)) => {
                Found::Validate(page.clone(), Reason::RequestDirective)
            }
            _ => Found::Miss { variant: (!slot.vary.is_empty()).then_some(wanted) },
        }
    }

    /// A stale page that may be served because the application failed.
    pub(crate) fn fallback(&self, key: &[u8], request: &HeaderMap, now: Instant) -> Option<Arc<Page>> {
        let slot = self.slots.peek(key)?;
        let wanted = vary::selected(&slot.vary, request);
        let (_, page) = slot.variants.iter().find(|(variant, _)| *variant == wanted)?;
        let usage = page.lifetime(key, now)?.use_at(page.head.age(now));
        usage.on_error().then(|| page.clone())
    }

    /// The stored page that a request may name in its conditions: the one that it selects, and no other. A
    /// 304 about another variant would say nothing of what this request is to get (RFC 9111 section 4.1).
    pub(crate) fn stored(&self, key: &[u8], request: &HeaderMap, now: Instant) -> Stored {
        let Some(slot) = self.slots.peek(key) else { return Stored::default() };
        let wanted = vary::selected(&slot.vary, request);
        // A page that a purge has reached is not even named to the application.
        let there = || slot.variants.iter().filter(|(_, page)| page.reach(key, now) != Reach::Gone);
        let page = there().find(|(variant, _)| *variant == wanted).map(|(_, page)| page.clone());
        Stored { others: page.is_none() && there().next().is_some(), page }
    }

    /// Counts a request for a page that is not here. Returns how many there were, as long as the key is not
    /// evicted.
    pub(crate) fn count_use(&self, key: &[u8]) -> u32 {
        let mut uses = 0;
        self.change(key, |slot| {
            slot.uses = slot.uses.saturating_add(1);
            uses = slot.uses;
        });
        uses
    }

    /// Replaces the variant because it turned out to be outdated.
    pub(crate) fn forget(&self, key: &[u8]) {
        self.slots.remove(key);
    }

    /// Stores a complete page, unless it is too large. `request` has the fields it was generated for.
    pub(crate) fn insert(&self, key: &[u8], request: &HeaderMap, page: Arc<Page>) {
        if page.body.len() as u64 > self.max_object {
            return;
        }
        let selected = vary::selected(&page.head.lifetime.vary, request);
        self.change(key, |slot| {
            if slot.vary != page.head.lifetime.vary {
                // The newest reply's rule counts: pages selected by another rule are unreachable.
                slot.vary.clone_from(&page.head.lifetime.vary);
                slot.variants.clear();
            }
            slot.pass = None;
            slot.shared = page.head.lifetime.shared;
            slot.variants.retain(|(variant, _)| *variant != selected);
            slot.variants.insert(0, (selected.clone(), page.clone()));
            slot.variants.truncate(MAX_VARIANTS);
        });
    }

    /// Lets requests for this key bypass the cache for a while (hit-for-miss).
    pub(crate) fn pass(&self, key: &[u8], reason: Reason, now: Instant, how_long: Duration) {
        if how_long.is_zero() {
            return;
        }
        self.change(key, |slot| {
            *slot = Slot { pass: Some((reason, now + how_long)), uses: slot.uses, ..Slot::default() };
        });
    }

    /// A reply to a visitor with a personal cookie said that it may be shared: such visitors may use the
    /// cache for this key.
    pub(crate) fn mark_shared(&self, key: &[u8]) {
        self.change(key, |slot| {
            slot.shared = true;
            slot.pass = None;
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Requests that found their key here since the start.
    pub(crate) fn hits(&self) -> u64 {
        self.slots.hits()
    }

    /// Keys evicted since the start.
    pub(crate) fn evictions(&self) -> u64 {
        self.evicted.0.load(Ordering::Relaxed)
    }

    /// Bytes in use, including the overhead of entries.
    pub(crate) fn weight(&self) -> u64 {
        self.slots.weight()
    }

    /// Copies the slot, changes the copy, and puts it in place: readers never wait.
    fn change(&self, key: &[u8], change: impl FnOnce(&mut Slot)) {
        let mut slot = self.slots.peek(key).map(|slot| (*slot).clone()).unwrap_or_default();
        change(&mut slot);
        self.slots.insert(key.into(), Arc::new(slot));
    }
}

/// Why this request may use only pages whose reply said that they may be shared.
fn for_one_visitor(look: &Look) -> Option<Reason> {
    match (look.authorization, look.personal) {
        (true, _) => Some(Reason::Authorization),
        (_, true) => Some(Reason::PersonalCookie),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
