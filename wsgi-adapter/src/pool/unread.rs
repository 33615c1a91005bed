//! Replies that wait for their clients when the application is done with them.

use std::sync::Arc;

use super::Pool;
use super::clients::{Holder, Resource};

/// One such reply, as long as it lives.
pub(crate) struct Unread<'a> {
    pool: &'a Arc<Pool>,
    holder: Option<Holder>,
}

impl<'a> Unread<'a> {
    pub(crate) fn new(pool: &'a Arc<Pool>, holder: Option<Holder>) -> Self {
        pool.state.lock().clients.take(holder, Resource::Unread);
        Self { pool, holder }
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        let frees = self.pool.state.lock().clients.has_read(self.holder);
        if frees {
            self.pool.serve_waiters();
        }
    }
}
