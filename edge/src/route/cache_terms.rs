//! nginx's `*_cache_bypass`, `*_no_cache` and the variables of `*_cache_key`: what a location's cache makes
//! of one request besides its usual rules.
//!
//! What settings tell the application is known by the URL, is told to no application that makes a page for
//! all, or is a part of the key: captures, `set`, and fields of a reply that has sent a request on may differ
//! although the URL is the same.

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
    /// What the application is told of each request, where that may differ between two with one URL.
    pub(crate) told: Vec<Template>,
}

impl CacheConditions {
    pub(crate) fn is_empty(&self) -> bool {
        self.bypass.is_empty() && self.no_store.is_empty() && self.key.is_none() && self.told.is_empty()
    }

    pub(crate) fn of(&self, facts: &Facts<'_>) -> CacheTerms {
        let holds = |template: &Template| {
            let value = template.value(facts);
            !value.is_empty() && *value != b"0"[..]
        };
        CacheTerms {
            bypass: self.bypass.iter().any(holds),
            no_store: self.no_store.iter().any(holds),
            key: self.key(facts),
        }
    }

    /// What tells pages apart besides the URL. A length before each text keeps two of them from being read as
    /// one.
    fn key(&self, facts: &Facts<'_>) -> Vec<u8> {
        let mut parts = Vec::new();
        for told in &self.told {
            let value = told.value(facts);
            parts.extend_from_slice(format!("\0\x06{}:", value.len()).as_bytes());
            parts.extend_from_slice(&value);
        }
        let key = self.key.as_ref().map(|key| key.value(facts)).filter(|key| !key.is_empty());
        if let Some(key) = key {
            parts.extend_from_slice(b"\0\x05");
            parts.extend_from_slice(&key);
        }
        parts
    }
}
