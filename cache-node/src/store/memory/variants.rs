//! All that memory holds of one key: its Vary rules, its variants, and which of them give trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Entry;
use crate::slot::{Rules, Selection, Slot};
use crate::store::Mark;

/// Marks of one key that are kept; the oldest makes room.
const MAX_MARKS: usize = 64;
/// After this many evictions what was used before counts half.
const HALVE_EVERY: usize = 64;
/// What a page costs beside its entries.
const OVERHEAD: usize = 256;

/// Never changes once it is made: a change is a new value. Few variants, looked through one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variants {
    rules: Rules,
    /// The one stored last stands last.
    variants: Vec<StoredVariant>,
    marks: Vec<(Slot, Mark, Instant)>,
    /// How many variants had to make room.
    evicted: usize,
}

#[derive(Clone, Debug)]
struct StoredVariant {
    entry: Arc<Entry>,
    /// How often it was asked for lately, up to 255.
    uses: Arc<AtomicU8>,
}

/// Bounds of one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) variants: usize,
    pub(crate) weight: usize,
}

impl Variants {
    /// These with the entry as the newest. Dead entries go and, beyond the limits, the ones used least.
    pub(crate) fn with(&self, entry: &Arc<Entry>, limits: Limits, is_alive: impl Fn(&Entry) -> bool) -> Self {
        let mut new = self.clone();
        new.rules = new.rules.with(entry.slot().rule());
        let same = |known: &StoredVariant| known.entry.slot() == entry.slot();
        let uses = self.variants.iter().find(|known| same(known)).map(|known| known.uses.clone());
        new.variants.retain(|known| !same(known) && is_alive(&known.entry));
        let uses = uses.unwrap_or_default();
        while !new.variants.is_empty() && new.is_beyond(entry, limits) {
            new.make_room();
        }
        new.variants.push(StoredVariant { entry: entry.clone(), uses });
        new
    }

    /// These without a mark on the slot.
    pub(crate) fn unmarked(mut self, slot: &Slot) -> Self {
        self.marks.retain(|(marked, ..)| marked != slot);
        self
    }

    /// These with a mark on the slot until then.
    pub(crate) fn marked(&self, slot: &Slot, mark: Mark, until: Instant) -> Self {
        let mut new = self.clone().unmarked(slot);
        let now = Instant::now();
        new.marks.retain(|(.., until)| now < *until);
        if new.marks.len() >= MAX_MARKS {
            new.marks.remove(0);
        }
        new.marks.push((slot.clone(), mark, until));
        new
    }

    pub(crate) fn with_rules(&self, rules: &Rules) -> Self {
        Self { rules: rules.clone(), ..self.clone() }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.variants.iter().map(|known| &known.entry)
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The entries that the selection may be given: the newest first, those without Vary last.
    ///
    /// "When a cache has multiple stored responses for a target URI and one or more omits the Vary header
    /// field, the cache SHOULD choose the most recent stored response with a valid Vary field value." (RFC
    /// 9111 section 4.1)
    pub(crate) fn find(&self, selection: &Selection) -> impl Iterator<Item = &Arc<Entry>> {
        let matches = |known: &&StoredVariant| selection.pages().contains(known.entry.slot());
        let matching: Vec<_> = self.variants.iter().rev().filter(matches).collect();
        if let Some(known) = matching.first().filter(|_| self.variants.len() > 1) {
            known.count();
        }
        let (without, with): (Vec<_>, Vec<_>) =
            matching.into_iter().partition(|known| known.entry.slot().variant().is_empty());
        with.into_iter().chain(without).map(|known| &known.entry)
    }

    /// The mark on the slot, and how long it still counts.
    pub(crate) fn mark(&self, slot: &Slot, now: Instant) -> Option<(Mark, Duration)> {
        let (_, mark, until) = self.marks.iter().find(|(marked, ..)| marked == slot)?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((*mark, left))
    }

    /// Takes out the variant that was used least, the oldest of several; what was used long ago counts half.
    fn make_room(&mut self) {
        let uses = |known: &StoredVariant| known.uses.load(Ordering::Relaxed);
        let least = self.variants.iter().enumerate().min_by_key(|(_, known)| uses(known));
        if let Some((at, _)) = least {
            self.variants.remove(at);
        }
        self.evicted += 1;
        if self.evicted.is_multiple_of(HALVE_EVERY) {
            self.variants.iter().for_each(|known| known.uses.store(uses(known) / 2, Ordering::Relaxed));
        }
    }

    fn is_beyond(&self, more: &Entry, limits: Limits) -> bool {
        self.variants.len() >= limits.variants || self.weight() + more.weight() > limits.weight
    }

    pub(crate) fn weight(&self) -> usize {
        OVERHEAD + self.variants.iter().map(|known| known.entry.weight()).sum::<usize>()
    }
}

impl StoredVariant {
    fn count(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < u8::MAX {
            self.uses.store(uses + 1, Ordering::Relaxed);
        }
    }
}
