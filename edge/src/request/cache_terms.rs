//! What the settings of a cache say of one request besides its usual rules: nginx's `*_cache_bypass`,
//! `*_no_cache` and the variables of `*_cache_key`.

use http_cache::{Key, Reason, SharedRequest};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheTerms {
    /// A stored page is not used, and replaced.
    pub(crate) bypass: bool,
    /// The reply is not stored.
    pub(crate) no_store: bool,
    /// Pages with another value here are other pages.
    pub(crate) key: Vec<u8>,
}

/// The longest key with such a value; a longer one bypasses the cache.
const MOST: usize = 8192;

impl CacheTerms {
    /// The request as the cache takes it. What the client asked for stays in front of the key, where a purge
    /// finds it; the value follows, behind a byte that nothing else in a key begins with.
    pub(crate) fn on(&self, mut shared: SharedRequest) -> Result<SharedRequest, Reason> {
        if !self.key.is_empty() {
            let key = [shared.key.as_bytes(), b"\0\x05", &self.key].concat();
            if key.len() > MOST {
                return Err(Reason::Target);
            }
            shared.key = Key::new(key);
        }
        if self.no_store {
            shared.look.no_store = shared.look.no_store.or(Some(Reason::NoStoreRule));
        }
        if self.bypass {
            shared.look.wants = shared.look.wants.of_a_new_page();
        }
        Ok(shared)
    }
}
