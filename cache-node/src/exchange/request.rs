//! A lookup, taken apart and checked.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use weir_proto::cache;
use weir_proto::fields;

use crate::error::Refusal;
use crate::slot::{Rule, Rules, Selection, Slot};

/// The longest key. An edge takes no longer request head.
const MAX_KEY: usize = 64 * 1024;

pub(super) struct LookupRequest {
    key: Bytes,
    fields: HeaderMap,
    pub(super) refresh: bool,
    /// A mark does not count.
    pub(super) probe: bool,
    /// The client that asks. Empty: its edge wants to hear of no others.
    pub(super) client: String,
    /// When it came: a page that was purged later is no answer to a request that came after the purge.
    pub(super) at: std::time::Instant,
    pub(super) deadline: Instant,
}

impl LookupRequest {
    /// The wait counts from now.
    pub(super) fn new(lookup: cache::Lookup, max_wait: Duration) -> Result<Self, Refusal> {
        if lookup.key.is_empty() || lookup.key.len() > MAX_KEY {
            return Err(Refusal::BadKey(MAX_KEY));
        }
        let wait = Duration::from_millis(lookup.wait_ms.into()).min(max_wait);
        Ok(Self {
            fields: fields::to_headers(&lookup.fields).map_err(|_| Refusal::BadField)?,
            // The tables keep it: a copy does not keep the whole message alive.
            key: Bytes::copy_from_slice(&lookup.key),
            refresh: lookup.refresh,
            probe: lookup.probe,
            client: lookup.client,
            at: std::time::Instant::now(),
            deadline: Instant::now() + wait,
        })
    }

    pub(super) fn key(&self) -> &Bytes {
        &self.key
    }

    /// Where the pages for this lookup stand, should these be the key's rules.
    pub(super) fn selection(&self, rules: Rules) -> Selection {
        Selection::new(&self.key, rules, &self.fields)
    }

    /// The slot of a page for this lookup that `rule` selects.
    pub(super) fn slot(&self, rule: Rule) -> Slot {
        Slot::new(self.key.clone(), rule, &self.fields)
    }
}
