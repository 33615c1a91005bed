//! Where entries and leases are kept. One small contract; every implementation passes `store/contract.rs`.

pub(crate) mod memory;
pub(crate) mod redis;
pub(crate) mod tiers;

#[cfg(test)]
pub(crate) mod contract;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::entry::Entry;
use crate::slot::{Rules, Selection, Slot};

/// Entries by slot, and one lease per slot. A lease ends by itself unless it is renewed; a store is fenced by
/// its token.
pub(crate) trait Store {
    /// Why the store could not be asked. The caller goes on without it.
    type Error;

    /// What is stored for the request and, where that is not fresh, the lease: both in one step.
    /// `probe`: the lease is given although a mark says that replies cannot be stored.
    fn look_up(
        &self,
        selection: &Selection,
        token: Token,
        probe: bool,
    ) -> impl Future<Output = Result<LookUpResult, Self::Error>> + Send;

    /// Stores the page made under the lease on `slot`, and ends the lease. The entry's own slot may be
    /// another one, by its own Vary rule, which becomes the key's.
    fn put(
        &self,
        slot: &Slot,
        token: Token,
        entry: &Arc<Entry>,
    ) -> impl Future<Output = Result<PutResult, Self::Error>> + Send;

    /// Begins the lease's time limit anew. False: the lease is lost, and stays so.
    fn renew(&self, slot: &Slot, token: Token) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Ends the lease without a page. Does nothing if the lease is another's by now.
    fn release(
        &self,
        slot: &Slot,
        token: Token,
        then: Release,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Names the holder of a lease. Random: no two are the same, on any node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(u128);

#[derive(Clone, Debug)]
pub(crate) enum LookUpResult {
    /// Fresh: nobody needs the lease.
    Fresh(Arc<Entry>),
    /// The lease is the caller's. What is stored is stale, if anything.
    Granted(Option<Arc<Entry>>),
    /// The lease is another's.
    Held(Option<Arc<Entry>>),
    /// Nobody gets the lease for this long. What is stored is stale, if anything.
    Marked(Mark, Duration, Option<Arc<Entry>>),
    /// The key's Vary rules are not the selection's: ask again by these.
    OtherRules(Rules),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutResult {
    Kept,
    /// The lease ended before: another may have stored since.
    LeaseLost,
    /// A purge reached the page while it was made.
    Purged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The next who asks gets the lease.
    Free,
    /// Nobody gets it for this long.
    Mark(Mark, Duration),
}

/// Why nobody gets a lease for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The last reply could not be stored (hit-for-miss).
    Uncacheable,
    /// The application failed. The mark counts only while something stale can stand in.
    Failed,
}

impl Token {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
