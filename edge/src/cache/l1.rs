//! L1: pages in this edge's own memory, bounded by weight, scan-resistant. A hit takes no global lock and
//! copies no body.

mod alive;
mod slot;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_cache::{Reason, ReplyManner, RequestSummary, Use, vary};
use purge::Reach;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use self::alive::AliveBytes;
use self::slot::Slot;
use crate::cache::page::{Page, PageHead};

/// Average page assumed when sizing the table.
const USUAL_PAGE: u64 = 16 * 1024;

type Key = Box<[u8]>;

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Slot>> for Weight {
    fn weight(&self, key: &Key, slot: &Arc<Slot>) -> u64 {
        key.len() as u64 + slot.weight()
    }
}

/// Counts the keys that had to make room.
#[derive(Clone, Default)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Key, Arc<Slot>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, _: &mut (), _: Key, _: Arc<Slot>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct L1 {
    slots: Cache<Key, Arc<Slot>, Weight, ahash::RandomState, Evictions>,
    evicted: Evictions,
    alive: AliveBytes,
    max_object: AtomicU64,
}

/// What L1 says about a request.
#[derive(Clone)]
pub(crate) enum L1Lookup {
    /// Within its lifetime.
    Fresh(Arc<Page>),
    /// Past it, and may be served while it is refreshed.
    Stale(Arc<Page>),
    /// Good for the case that the application fails, and a short time ago it did, or its reply could not be
    /// stored; why.
    Standby(Arc<Page>, Reason),
    /// Usable only if the application says that it still holds; why.
    Validate(Arc<Page>, Reason),
    /// Bypass the cache.
    Pass(Reason),
    /// Nothing usable is here, and a short time ago the reply for this variant could not be stored.
    Marked(PassMark),
    /// Not here; if it is known which fields select variants of the key, the variant that the request
    /// selects.
    Miss { variant: Option<Vec<u8>> },
}

/// A hit-for-miss mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassMark {
    /// Why the reply could not be stored.
    pub reason: Reason,
    pub variant: Option<Vec<u8>>,
    /// What the reply was like.
    pub manner: ReplyManner,
    /// It is time to try whether a reply can be stored again.
    pub try_again: bool,
}

/// A reply that could not be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UncacheableReply {
    pub reason: Reason,
    pub manner: ReplyManner,
    /// How long requests for its variant bypass the cache.
    pub pass_for: Duration,
}

/// What the application may be asked about on behalf of a request.
#[derive(Default)]
pub(crate) struct ValidationCandidates {
    /// The page that the request selects, whatever its age.
    pub pages: Vec<Arc<Page>>,
    /// Only other variants are stored.
    pub others: bool,
}

impl L1 {
    pub(crate) fn new(memory: u64, max_object: u64) -> Self {
        let entries = (memory / USUAL_PAGE).clamp(64, 1 << 20) as usize;
        // Shards split the weight: few enough that a page of max_object fits one.
        let shards = (memory / max_object.max(1) / 4).clamp(1, 16) as usize;
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(memory)
            .shards(shards.next_power_of_two())
            .build();
        let evicted = Evictions::default();
        let hasher = ahash::RandomState::new();
        let slots = match options {
            Ok(options) => Cache::with_options(options, Weight, hasher, evicted.clone()),
            Err(_) => Cache::with(entries, memory, Weight, hasher, evicted.clone()),
        };
        Self { slots, evicted, alive: AliveBytes::default(), max_object: max_object.into() }
    }

    /// Other bounds, from now on: what has no room any more is evicted.
    pub(crate) fn set_bounds(&self, memory: u64, max_object: u64) {
        self.slots.set_capacity(memory);
        self.max_object.store(max_object, Ordering::Relaxed);
    }

    /// `selected` makes the fingerprint of the request's fields that Vary names.
    pub(crate) fn find(
        &self,
        key: &[u8],
        look: &RequestSummary,
        now: Instant,
        selected: impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> L1Lookup {
        let for_one = for_one_visitor(look);
        let Some(slot) = self.slots.get(key) else {
            return for_one.map_or(L1Lookup::Miss { variant: None }, L1Lookup::Pass);
        };
        let selected = &selected;
        let found = slot.best(key, now, selected);
        let mark = slot.mark(selected).filter(|mark| mark.is_of_use(now));
        match found.as_ref().map(|(page, lifetime)| (page, lifetime, page.head.age(now))) {
            // Private unless sure: the page found must itself say that it may be shared (RFC 9111 section
            // 3.5).
            Some((_, lifetime, _)) if !look.may_use(lifetime) => {
                return L1Lookup::Pass(for_one.unwrap_or(Reason::NotShared));
            }
            Some((page, lifetime, age)) => match (look.wants.use_at(lifetime, age), lifetime.use_at(age)) {
                (Use::Fresh, _) => return L1Lookup::Fresh((*page).clone()),
                (Use::Stale, _) => return L1Lookup::Stale((*page).clone()),
                (Use::OnError, Use::OnError) if mark.is_some_and(|mark| now < mark.retry_at) => {
                    let why = mark.and_then(|mark| mark.bypassed(now)).unwrap_or(Reason::OriginFailed);
                    return L1Lookup::Standby((*page).clone(), why);
                }
                (Use::Validate, _) => return L1Lookup::Validate((*page).clone(), Reason::NoCache),
                // Good enough for others, and not for this request.
                (_, Use::Fresh | Use::Stale) => {
                    return L1Lookup::Validate((*page).clone(), Reason::RequestDirective);
                }
                // It may be used once more, should the application fail: the fill knows.
                (Use::OnError, _) => return L1Lookup::Miss { variant: slot.variant(selected) },
                (Use::Dead, _) => {}
            },
            None => {}
        }
        if let Some(reason) = for_one.filter(|_| !slot.shared) {
            return L1Lookup::Pass(reason);
        }
        let variant = slot.variant(selected);
        match mark.and_then(|mark| Some((mark, mark.bypassed(now)?))) {
            Some((mark, reason)) => L1Lookup::Marked(PassMark {
                reason,
                variant,
                manner: mark.manner(),
                try_again: now >= mark.retry_at,
            }),
            None => L1Lookup::Miss { variant },
        }
    }

    /// A stale page that may be given because the application failed.
    pub(crate) fn fallback(&self, key: &[u8], request: &HeaderMap, now: Instant) -> Option<Arc<Page>> {
        let slot = self.slots.peek(key)?;
        let selected = |names: &[HeaderName]| vary::selected(names, request);
        let (page, lifetime) = slot.best(key, now, &selected)?;
        lifetime.use_at(page.head.age(now)).on_error().then(|| page.clone())
    }

    /// What a request for a page may name as stored: a page that it selects, and no other.
    ///
    /// "the cache MUST NOT use that stored response" (RFC 9111 section 4.1): a 304 about another variant
    /// would say nothing of what this request is to get.
    pub(crate) fn stored(&self, key: &[u8], request: &HeaderMap, now: Instant) -> ValidationCandidates {
        let Some(slot) = self.slots.peek(key) else { return ValidationCandidates::default() };
        // What a purge has reached is not even named to the application.
        let there = |page: &&Arc<Page>| page.reach(key, now) != Reach::Gone;
        match slot.matching(&|names| vary::selected(names, request)).find(there) {
            Some(page) => ValidationCandidates { pages: vec![page.clone()], others: false },
            None => ValidationCandidates { pages: Vec::new(), others: slot.pages().any(|page| there(&page)) },
        }
    }

    /// Whether a reply for this key was storable before: who waits for one under way waits for a page to be
    /// shared.
    pub(crate) fn was_stored(&self, key: &[u8]) -> bool {
        self.slots.peek(key).is_some_and(|slot| slot.pages().next().is_some())
    }

    /// Whether the refresh of a stale page may begin now: after one that failed there is a pause, which
    /// grows.
    pub(crate) fn may_refresh(&self, key: &[u8], request: &HeaderMap, now: Instant) -> bool {
        let Some(slot) = self.slots.peek(key) else { return true };
        slot.mark(&|names| vary::selected(names, request)).is_none_or(|mark| now >= mark.retry_at)
    }

    /// Whether the last reply for the request's variant could not be stored.
    pub(crate) fn is_marked(&self, key: &[u8], request: &HeaderMap, now: Instant) -> bool {
        let Some(slot) = self.slots.peek(key) else { return false };
        let mark = slot.mark(&|names| vary::selected(names, request));
        mark.is_some_and(|mark| mark.bypassed(now).is_some())
    }

    /// Counts one more request for a page that is not here, as long as the key is not evicted.
    pub(crate) fn count_use(&self, key: &[u8]) {
        self.change(key, |slot| slot.uses = slot.uses.saturating_add(1));
    }

    /// How often [`Self::count_use`] has counted a request for the key.
    pub(crate) fn uses(&self, key: &[u8]) -> u32 {
        self.slots.peek(key).map_or(0, |slot| slot.uses)
    }

    /// The page turned out to be an old one.
    pub(crate) fn forget(&self, key: &[u8]) {
        self.slots.remove(key);
    }

    /// Keeps a whole page, unless it is too large. `request`: the fields it was made for.
    pub(crate) fn insert(&self, key: &[u8], request: &HeaderMap, page: Arc<Page>) {
        if page.body.len() as u64 > self.max_object() {
            return;
        }
        self.change(key, |slot| slot.insert(request, page));
    }

    /// The language of the page that a request's Accept-Language is reduced to, if that is known.
    pub(crate) fn language(&self, key: &[u8], request: &HeaderMap) -> Option<HeaderValue> {
        self.slots.peek(key)?.languages.reduced(request)
    }

    /// Learns in which language the page came for the request.
    pub(crate) fn learn_language(&self, key: &[u8], request: &HeaderMap, page: &PageHead) {
        if page.lifetime.vary.contains(&ACCEPT_LANGUAGE) && page.headers.contains_key(CONTENT_LANGUAGE) {
            self.change(key, |slot| slot.languages.learn(request, &page.headers));
        }
    }

    /// The longest body that is kept.
    pub(crate) fn max_object(&self) -> u64 {
        self.max_object.load(Ordering::Relaxed)
    }

    /// Marks a variant whose reply could not be stored: requests for it bypass the cache for a while
    /// (hit-for-miss), unless a page can be used. `vary`: the fields that the reply itself names. Returns the
    /// reason that the mark has.
    pub(crate) fn mark(
        &self,
        key: &[u8],
        request: &HeaderMap,
        vary: &[HeaderName],
        seen: UncacheableReply,
    ) -> Reason {
        let (now, mut reason) = (Instant::now(), seen.reason);
        self.change(key, |slot| reason = slot.trouble(request, vary, now).hit_for_miss(seen, now));
        reason
    }

    /// The application has said that the request's page may not be stored any longer.
    pub(crate) fn withdraw(&self, key: &[u8], request: &HeaderMap) {
        self.change(key, |slot| slot.withdraw(request));
    }

    /// Notes that a refresh of the variant failed: the next one waits, longer each time.
    pub(crate) fn refresh_failed(&self, key: &[u8], request: &HeaderMap) {
        let now = Instant::now();
        self.change(key, |slot| {
            slot.trouble(request, &[], now);
        });
    }

    /// A reply to a visitor with a personal cookie said that the page may be shared: let such visitors look
    /// for it in the cache, and ask for it without their cookies. They get only what says so itself.
    pub(crate) fn mark_shared(&self, key: &[u8]) {
        self.change(key, |slot| slot.shared = true);
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Requests that found their key here, since the start.
    pub(crate) fn hits(&self) -> u64 {
        self.slots.hits()
    }

    /// Keys that had to make room for others, since the start.
    pub(crate) fn evictions(&self) -> u64 {
        self.evicted.0.load(Ordering::Relaxed)
    }

    /// Bytes held, entries' overhead included.
    pub(crate) fn weight(&self) -> u64 {
        self.slots.weight()
    }

    /// The body of a page that may be kept here.
    pub(crate) fn counted(&self, body: Bytes) -> Bytes {
        self.alive.counted(body)
    }

    /// Bytes of bodies that are not kept here, or no more, while somebody sends them.
    pub(crate) fn beside(&self) -> u64 {
        self.alive.get().saturating_sub(self.weight())
    }

    /// Copies the slot, changes the copy, puts it in place: readers never wait.
    fn change(&self, key: &[u8], change: impl FnOnce(&mut Slot)) {
        let mut slot = self.slots.peek(key).map(|slot| (*slot).clone()).unwrap_or_default();
        change(&mut slot);
        self.slots.insert(key.into(), Arc::new(slot));
    }
}

/// Why this request may only use pages whose reply said that they may be shared.
fn for_one_visitor(look: &RequestSummary) -> Option<Reason> {
    match (look.authorization, look.personal) {
        (true, _) => Some(Reason::Authorization),
        (_, true) => Some(Reason::PersonalCookie),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
