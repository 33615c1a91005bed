//! What a node works with: its memory and, behind it, the store it shares. Never fails: without Redis, memory
//! is the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::memory::{KnownPage, Memory};
use super::redis::Redis;
use super::redis::news::Wakeups;
use super::{LookUpResult, PutResult, Release, Store, Token};
use crate::config::Config;
use crate::entry::Entry;
use crate::metrics::Metrics;
use crate::purges::Purges;
use crate::slot::{Rules, Selection, Slot};

pub(crate) struct Tiers {
    memory: Memory,
    shared: Option<SharedStore>,
    wakeups: Arc<Wakeups>,
    metrics: Metrics,
}

/// What the node shares with others.
struct SharedStore {
    redis: Arc<Redis>,
    purges: Arc<Purges>,
    /// How long to wait for touch with the purge log that was lost for a moment.
    patience: Duration,
}

impl Tiers {
    pub(crate) fn new(
        config: &Config,
        redis: Option<Arc<Redis>>,
        purges: Arc<Purges>,
        wakeups: Arc<Wakeups>,
        metrics: Metrics,
    ) -> Self {
        let patience = config.redis.as_ref().map_or(Duration::ZERO, |redis| redis.connect_timeout.0);
        let memory = Memory::new(config, purges.clone());
        let shared = redis.map(|redis| SharedStore { redis, purges, patience });
        Self { memory, shared, wakeups, metrics }
    }

    /// The pages in memory.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Another weight for the pages in memory, from now on.
    pub(crate) fn set_memory(&self, capacity: u64) {
        self.memory.set_capacity(capacity);
    }

    /// The key's Vary rules, as far as this node knows.
    pub(crate) fn rules(&self, key: &Bytes) -> Rules {
        self.memory.rules(key)
    }

    /// What this node knows without asking anybody.
    pub(crate) fn known(&self, selection: &Selection) -> KnownPage {
        self.memory.known(selection, Instant::now())
    }

    /// `probe`: a mark does not count.
    pub(crate) async fn look_up(&self, selection: &Selection, token: Token, probe: bool) -> LookUpResult {
        let Some(shared) = &self.shared else { return self.look_up_here(selection, token, probe).await };
        // What is stored there may have been purged, and this node would not know.
        if !shared.purges.in_touch(shared.patience).await {
            return self.look_up_here(selection, token, probe).await;
        }
        let Ok(looked) = shared.redis.look_up(selection, token, probe).await else {
            return self.look_up_here(selection, token, probe).await;
        };
        let lease = selection.lease();
        match &looked {
            LookUpResult::Fresh(entry) => self.memory.keep(lease, entry),
            LookUpResult::Granted(Some(entry)) | LookUpResult::Held(Some(entry)) => {
                self.memory.keep(lease, entry)
            }
            LookUpResult::Marked(mark, left, entry) => {
                if let Some(entry) = entry {
                    self.memory.keep(lease, entry);
                }
                self.memory.mark(lease, *mark, *left);
            }
            LookUpResult::OtherRules(rules) => self.memory.learn_rules(lease.key(), rules),
            LookUpResult::Granted(None) | LookUpResult::Held(None) => {}
        }
        self.measure();
        looked
    }

    /// Kept in memory also where the shared store cannot be reached: the page is good, only others do not see
    /// it.
    pub(crate) async fn put(&self, slot: &Slot, token: Token, entry: &Arc<Entry>) -> PutResult {
        let put = match self.granted_by_redis(slot, token) {
            None => {
                let Ok(put) = self.memory.put(slot, token, entry).await;
                put
            }
            Some(redis) => {
                let put = redis.put(slot, token, entry).await.unwrap_or(PutResult::Kept);
                if put == PutResult::Kept {
                    self.memory.keep(slot, entry);
                }
                put
            }
        };
        self.measure();
        put
    }

    /// False: the lease is lost. A store that cannot be reached leaves it open.
    pub(crate) async fn renew(&self, slot: &Slot, token: Token) -> bool {
        match self.granted_by_redis(slot, token) {
            Some(redis) => redis.renew(slot, token).await.unwrap_or(true),
            None => {
                let Ok(renewed) = self.memory.renew(slot, token).await;
                renewed
            }
        }
    }

    pub(crate) async fn release(&self, slot: &Slot, token: Token, then: Release) {
        match self.granted_by_redis(slot, token) {
            None => {
                let Ok(()) = self.memory.release(slot, token, then).await;
            }
            Some(redis) => {
                if let Release::Mark(mark, how_long) = then {
                    self.memory.mark(slot, mark, how_long);
                }
                // Unreachable: the lease ends by its time limit.
                let _ = redis.release(slot, token, then).await;
            }
        }
    }

    /// What wakes requests when leases end on other nodes.
    pub(crate) fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    async fn look_up_here(&self, selection: &Selection, token: Token, probe: bool) -> LookUpResult {
        let Ok(looked) = self.memory.look_up(selection, token, probe).await;
        looked
    }

    /// A lease that memory granted while Redis was lost is none in Redis, also once Redis is back.
    fn granted_by_redis(&self, slot: &Slot, token: Token) -> Option<&Redis> {
        let shared = self.shared.as_ref().filter(|_| !self.memory.granted(slot, token));
        shared.map(|shared| &*shared.redis)
    }

    fn measure(&self) {
        let (pages, bytes) = self.memory.size();
        self.metrics.memory_pages.set(pages as i64);
        self.metrics.memory_bytes.set(bytes as i64);
    }
}
