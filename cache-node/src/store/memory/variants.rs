//! All that memory holds of one key: its Vary rule, its variants, and whether it is passed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Entry;
use crate::slot::{Rule, Slot};

/// Never changes once it is made: a change is a new page. Few variants, looked through one by one.
#[derive(Debug)]
pub(crate) struct Variants {
    rule: Rule,
    /// The one stored last stands last.
    variants: Vec<Arc<Entry>>,
    pass_until: Option<Instant>,
}

/// Bounds of one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) variants: usize,
    pub(crate) weight: usize,
}

/// What a page costs beside its entries.
const OVERHEAD: usize = 256;

impl Variants {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, variants: Vec::new(), pass_until: None }
    }

    /// The page with this entry as its newest. Entries under another rule, dead ones and, beyond the
    /// limits, the oldest go.
    pub(crate) fn with(
        old: Option<&Self>,
        entry: &Arc<Entry>,
        limits: Limits,
        is_alive: impl Fn(&Entry) -> bool,
    ) -> Self {
        let stays = |old: &&Arc<Entry>| old.slot() != entry.slot() && is_alive(old);
        let rule = entry.slot().rule().clone();
        let same_rule = old.filter(|old| old.rule == rule);
        let mut variants: Vec<_> =
            same_rule.iter().flat_map(|old| &old.variants).filter(stays).cloned().collect();
        variants.push(entry.clone());
        let mut page = Self { rule, variants, pass_until: None };
        while page.variants.len() > 1 && page.is_beyond(limits) {
            page.variants.remove(0);
        }
        page
    }

    /// The page, passed until then.
    pub(crate) fn passed(old: Option<&Self>, until: Instant) -> Self {
        let (rule, variants) = old.map(|old| (old.rule.clone(), old.variants.clone())).unwrap_or_default();
        Self { rule, variants, pass_until: Some(until) }
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn find(&self, slot: &Slot) -> Option<&Arc<Entry>> {
        self.variants.iter().find(|entry| entry.slot() == slot)
    }

    /// How long requests still go past the cache. `None`: they do not.
    pub(crate) fn passed_for(&self, now: Instant) -> Option<Duration> {
        self.pass_until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether the slot would be a variant too many.
    pub(crate) fn is_full_for(
        &self,
        slot: &Slot,
        max_variants: usize,
        is_alive: impl Fn(&Entry) -> bool,
    ) -> bool {
        if *slot.rule() != self.rule || self.variants.len() < max_variants {
            return false;
        }
        let others = self.variants.iter().filter(|entry| entry.slot() != slot && is_alive(entry));
        others.count() >= max_variants
    }

    fn is_beyond(&self, limits: Limits) -> bool {
        self.variants.len() > limits.variants || self.weight() > limits.weight
    }

    pub(crate) fn weight(&self) -> usize {
        OVERHEAD + self.variants.iter().map(|entry| entry.weight()).sum::<usize>()
    }
}
