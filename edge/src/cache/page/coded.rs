//! A page in content codings, as its location sends it: ready heads for the fast path.

use std::sync::{Arc, OnceLock};

use crate::cache::page::Page;
use crate::coding::Coding;
use crate::coding::rule::Compress;

/// Costs a pointer as long as its location does not compress.
#[derive(Debug, Default)]
pub(super) struct CodedVariants(OnceLock<Box<Variants>>);

#[derive(Debug)]
struct Variants {
    /// The rule by which it was decided whether the page is compressed.
    rule: u64,
    suits: bool,
    /// The page as it is, and in each coding.
    pages: [OnceLock<Arc<Page>>; 1 + Coding::ALL.len()],
}

impl CodedVariants {
    /// Decides it once, unless the settings have changed since.
    pub(super) fn suits(&self, rule: &Compress, decide: impl Fn() -> bool) -> bool {
        let decided = self
            .0
            .get_or_init(|| Box::new(Variants { rule: rule.id, suits: decide(), pages: Default::default() }));
        if decided.rule == rule.id { decided.suits } else { decide() }
    }

    /// The page in this coding. [`Self::suits`] must have been asked before.
    pub(super) fn get_or_make(&self, coding: Option<Coding>, make: impl FnOnce() -> Page) -> Arc<Page> {
        match self.0.get() {
            Some(variants) => {
                let place = coding.map_or(0, |coding| 1 + coding as usize);
                variants.pages[place].get_or_init(|| Arc::new(make())).clone()
            }
            None => Arc::new(make()),
        }
    }
}
