//! What the settings say of one request to the cache besides its usual rules: nginx's `*_cache_bypass`,
//! `*_no_cache` and the variables of `*_cache_key`, and what the application is told beyond the URL.

use http_cache::{Key, Reason, SharedRequest};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheTerms {
    /// A stored page is not used, and replaced.
    pub(crate) bypass: bool,
    /// The reply is not stored.
    pub(crate) no_store: bool,
    /// Pages with another value here are other pages. It begins with a byte that nothing before it in a key
    /// begins with.
    pub(crate) key: Vec<u8>,
}

/// The longest key with such a value; a longer one bypasses the cache.
const MOST: usize = 8192;

impl CacheTerms {
    /// The request as the cache takes it.
    pub(crate) fn on(&self, shared: SharedRequest) -> Result<SharedRequest, Reason> {
        let mut shared = extended(shared, &[&self.key])?;
        if self.no_store {
            shared.look.no_store = shared.look.no_store.or(Some(Reason::NoStoreRule));
        }
        if self.bypass {
            shared.look.wants = shared.look.wants.of_a_new_page();
        }
        Ok(shared)
    }
}

/// Makes the request's key longer. What the client asked for stays in front, where a purge finds it.
pub(crate) fn extended(mut shared: SharedRequest, more: &[&[u8]]) -> Result<SharedRequest, Reason> {
    if more.iter().any(|part| !part.is_empty()) {
        let key = [&[shared.key.as_bytes()], more].concat().concat();
        if key.len() > MOST {
            return Err(Reason::Target);
        }
        shared.key = Key::new(key);
    }
    Ok(shared)
}
