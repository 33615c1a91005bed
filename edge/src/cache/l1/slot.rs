//! What L1 knows of one key: its pages, each with the Vary that it came with, and the variants that give
//! trouble.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use http_cache::{LearntLanguages, Lifetime, Reason, ReplyManner, Use, vary};

use super::UncacheableReply;
use crate::cache::page::Page;

/// Variants of one key that are kept; the one used least makes room.
const MAX_VARIANTS: usize = 64;
/// Marks of one key that are kept; the oldest makes room.
const MAX_MARKS: usize = 64;
/// The most fields that tell variants of a key apart.
const MAX_NAMES: usize = 16;
/// What an entry weighs beyond its bytes.
const OVERHEAD: u64 = 512;
/// The pause after a first failed refresh; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
pub(super) struct Slot {
    /// Newest first.
    variants: Vec<Variant>,
    /// All fields that replies for this key named in Vary, sorted.
    names: Arc<[HeaderName]>,
    marks: Vec<Mark>,
    /// The languages of the page, where they are learnt.
    pub(super) languages: LearntLanguages,
    /// How many variants had to make room.
    evicted: usize,
    /// A reply for this key said that it may be shared with visitors who carry a personal cookie.
    pub(super) shared: bool,
    /// How often the page was asked for before it was stored.
    pub(super) uses: u32,
}

#[derive(Clone)]
struct Variant {
    /// Fingerprint of the selecting fields, by the page's own Vary.
    selected: Vec<u8>,
    page: Arc<Page>,
    /// How often it was asked for lately, up to 255.
    uses: Arc<AtomicU8>,
}

/// A variant whose last reply could not be stored, or whose last refresh failed.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    names: Arc<[HeaderName]>,
    selected: Vec<u8>,
    pass: Option<Bypass>,
    failures: u32,
    /// When the next attempt to refresh or store the page may begin.
    pub(super) retry_at: Instant,
}

/// Why requests bypass the cache, and for how long.
#[derive(Clone, Copy, Debug)]
struct Bypass {
    reason: Reason,
    manner: ReplyManner,
    until: Instant,
}

impl Slot {
    /// The pages whose own Vary the request matches: newest first, those without Vary last.
    ///
    /// "When a cache has multiple stored responses for a target URI and one or more omits the Vary header
    /// field, the cache SHOULD choose the most recent stored response with a valid Vary field value." (RFC
    /// 9111 section 4.1)
    pub(super) fn matching<'a>(
        &'a self,
        selected: &'a impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> impl Iterator<Item = &'a Arc<Page>> {
        self.matching_variants(selected).map(|variant| &variant.page)
    }

    fn matching_variants<'a>(
        &'a self,
        selected: &'a impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> impl Iterator<Item = &'a Variant> {
        let mut last: Option<(&[HeaderName], Vec<u8>)> = None;
        let by_vary = self.variants.iter().filter(move |variant| {
            let names = variant.page.head.lifetime.vary.as_slice();
            if names.is_empty() {
                return false;
            }
            match &last {
                Some((known, wanted)) if *known == names => *wanted == variant.selected,
                _ => {
                    let wanted = selected(names);
                    let matches = wanted == variant.selected;
                    last = Some((names, wanted));
                    matches
                }
            }
        });
        by_vary.chain(self.variants.iter().filter(|variant| variant.page.head.lifetime.vary.is_empty()))
    }

    /// The page that serves the request best, with its lifetime, all purges considered: the first fresh one,
    /// or the first that is good for anything.
    pub(super) fn best<'a>(
        &'a self,
        key: &[u8],
        now: Instant,
        selected: &'a impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> Option<(&'a Arc<Page>, Cow<'a, Lifetime>)> {
        let mut best: Option<(u8, &Variant, Cow<'_, Lifetime>)> = None;
        for variant in self.matching_variants(selected) {
            let Some(lifetime) = variant.page.lifetime(key, now) else { continue };
            let rank = rank(lifetime.use_at(variant.page.head.age(now)));
            if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                best = Some((rank, variant, lifetime));
            }
            if rank == 0 {
                break;
            }
        }
        let (_, variant, lifetime) = best?;
        if self.variants.len() > 1 {
            variant.count();
        }
        Some((&variant.page, lifetime))
    }

    /// All pages, newest first.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Arc<Page>> {
        self.variants.iter().map(|variant| &variant.page)
    }

    /// The variant that a request selects, by all fields that select one. `None`: it is not known which do.
    pub(super) fn variant(&self, selected: &impl Fn(&[HeaderName]) -> Vec<u8>) -> Option<Vec<u8>> {
        (!self.names.is_empty()).then(|| selected(&self.names))
    }

    pub(super) fn mark(&self, selected: &impl Fn(&[HeaderName]) -> Vec<u8>) -> Option<&Mark> {
        self.marks.iter().find(|mark| selected(&mark.names) == mark.selected)
    }

    pub(super) fn insert(&mut self, request: &HeaderMap, page: Arc<Page>) {
        let names = &page.head.lifetime.vary;
        let selected = vary::selected(names, request);
        self.learn(names);
        // The variant can be stored again.
        self.marks.retain(|mark| vary::selected(&mark.names, request) != mark.selected);
        self.shared |= page.head.lifetime.shared;
        let same = |variant: &Variant| {
            variant.selected == selected && variant.page.head.lifetime.vary == page.head.lifetime.vary
        };
        let uses = self.variants.iter().find(|variant| same(variant)).map(|old| old.uses.clone());
        self.variants.retain(|variant| !same(variant));
        while self.variants.len() >= MAX_VARIANTS {
            self.make_room();
        }
        let uses = uses.unwrap_or_default();
        self.variants.insert(0, Variant { selected, page, uses });
    }

    /// Takes out the pages that the request selects.
    pub(super) fn withdraw(&mut self, request: &HeaderMap) {
        self.variants
            .retain(|variant| vary::selected(&variant.page.head.lifetime.vary, request) != variant.selected);
    }

    /// Takes out the variant that was used least, the oldest of several; what was used long ago counts half.
    fn make_room(&mut self) {
        let uses = |variant: &Variant| variant.uses.load(Ordering::Relaxed);
        let least = self.variants.iter().enumerate().rev().min_by_key(|(_, variant)| uses(variant));
        if let Some((at, _)) = least {
            self.variants.remove(at);
        }
        self.evicted += 1;
        if self.evicted.is_multiple_of(MAX_VARIANTS) {
            self.variants.iter().for_each(|variant| variant.uses.store(uses(variant) / 2, Ordering::Relaxed));
        }
    }

    /// The mark of the request's variant, after one more failure. `vary`: fields that the reply named.
    pub(super) fn trouble(&mut self, request: &HeaderMap, vary: &[HeaderName], now: Instant) -> &mut Mark {
        self.learn(vary);
        self.marks.retain(|mark| mark.is_of_use(now));
        let (names, selected) = (self.names.clone(), vary::selected(&self.names, request));
        let known = self.marks.iter().position(|mark| vary::selected(&mark.names, request) == mark.selected);
        let known = known.map(|at| self.marks.remove(at));
        let failures = known.as_ref().map_or(0, |mark| mark.failures).saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE);
        let pass = known.and_then(|mark| mark.pass);
        if self.marks.len() >= MAX_MARKS {
            self.marks.remove(0);
        }
        self.marks.push(Mark { names, selected, pass, failures, retry_at: now + pause });
        let last = self.marks.len() - 1;
        &mut self.marks[last]
    }

    /// Takes in the fields of one more Vary. Where there are too many, only those of the newest count.
    fn learn(&mut self, vary: &[HeaderName]) {
        if vary.iter().all(|name| self.names.contains(name)) {
            return;
        }
        let mut names: Vec<_> = self.names.iter().chain(vary).cloned().collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        self.names = if names.len() > MAX_NAMES { vary.into() } else { names.into() };
    }

    pub(super) fn weight(&self) -> u64 {
        let pages = self.variants.iter().map(|Variant { selected, page, .. }| {
            OVERHEAD + (selected.len() + page.body.len() + 3 * page.wire_head.len()) as u64
        });
        let marks = self.marks.iter().map(|mark| 128 + mark.selected.len() as u64);
        OVERHEAD + pages.sum::<u64>() + marks.sum::<u64>()
    }
}

impl Variant {
    /// Counts one more use; writes nothing once there were many, so that hits on many cores do not meet here.
    fn count(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < u8::MAX {
            self.uses.store(uses + 1, Ordering::Relaxed);
        }
    }
}

impl Mark {
    /// Why the reply could not be stored, as long as requests bypass the cache for it.
    pub(super) fn bypassed(&self, now: Instant) -> Option<Reason> {
        self.pass.filter(|pass| now < pass.until).map(|pass| pass.reason)
    }

    /// What the reply was like.
    pub(super) fn manner(&self) -> ReplyManner {
        self.pass.map(|pass| pass.manner).unwrap_or_default()
    }

    /// What another edge has seen is known here only as a mark: what this edge saw itself says more.
    /// Returns the reason that counts.
    pub(super) fn hit_for_miss(&mut self, seen: UncacheableReply, now: Instant) -> Reason {
        let UncacheableReply { mut reason, mut manner, pass_for } = seen;
        if let Some(known) = self.pass.filter(|_| is_hearsay(reason)) {
            (reason, manner) = (known.reason, known.manner);
        }
        self.pass = Some(Bypass { reason, manner, until: now + pass_for });
        reason
    }

    /// Failures are remembered for a while after the pause, so that the next pause is longer.
    pub(super) fn is_of_use(&self, now: Instant) -> bool {
        now < self.retry_at + 2 * LONGEST_PAUSE || self.bypassed(now).is_some()
    }
}

/// Whether the reason only says that some reply could not be stored.
fn is_hearsay(reason: Reason) -> bool {
    matches!(reason, Reason::HitForMiss | Reason::UncacheableReply)
}

/// How good a page is: less is better.
fn rank(usage: Use) -> u8 {
    match usage {
        Use::Fresh => 0,
        Use::Stale => 1,
        Use::Validate => 2,
        Use::OnError => 3,
        Use::Dead => 4,
    }
}
