//! nginx's `*_cache_bypass`, `*_no_cache` and the variables of `*_cache_key`: what a location's cache makes
//! of one request besides its usual rules.

use crate::request::cache_terms::CacheTerms;
use crate::variables::{Facts, Template};

/// The rules of one location.
#[derive(Debug, Default)]
pub(crate) struct CacheConditions {
    /// If one of them is neither empty nor "0", a stored page is not used, and replaced.
    pub(crate) bypass: Vec<Template>,
    /// Likewise, the reply is not stored.
    pub(crate) no_store: Vec<Template>,
    /// Pages with another value here are other pages.
    pub(crate) key: Option<Template>,
}

impl CacheConditions {
    pub(crate) fn is_empty(&self) -> bool {
        self.bypass.is_empty() && self.no_store.is_empty() && self.key.is_none()
    }

    pub(crate) fn of(&self, facts: &Facts<'_>) -> CacheTerms {
        let holds = |template: &Template| {
            let value = template.value(facts);
            !value.is_empty() && *value != b"0"[..]
        };
        CacheTerms {
            bypass: self.bypass.iter().any(holds),
            no_store: self.no_store.iter().any(holds),
            key: self.key.as_ref().map(|key| key.value(facts).into_owned()).unwrap_or_default(),
        }
    }
}
