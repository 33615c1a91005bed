//! What the tests of the contract begin with: stores, pages, and the steps that most of them take.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use process::units::Time;
use tokio::time::Instant;
use weir_proto::cache::EntryHead;
use weir_proto::origin::Field;

use crate::config::{Config, RedisConfig};
use crate::entry::{Entry, Terms};
use crate::metrics::Metrics;
use crate::purges::Purges;
use crate::slot::{Rule, Rules, Selection, Slot};
use crate::store::memory::Memory;
use crate::store::redis::Redis;
use crate::store::{LookUpResult, PutResult, Store, Token};
use crate::tests::redis_server::RedisServer;

/// Long enough that a busy machine does not let it run out between two steps.
pub(super) const LEASE: Duration = Duration::from_millis(1500);
pub(super) const MAX_VARIANTS: usize = 3;
pub(super) const A_WHILE: Duration = Duration::from_millis(300);

/// What is stored here is never purged.
pub(super) static PURGES: LazyLock<Arc<Purges>> = LazyLock::new(|| Arc::new(Purges::new(false, LEASE)));

pub(super) fn memory() -> Memory {
    Memory::new(
        &Config { lease: Time(LEASE), max_variants: MAX_VARIANTS, ..Config::default() },
        PURGES.clone(),
    )
}

pub(super) fn redis(server: &RedisServer) -> Redis {
    Redis::new(&redis_config(server), LEASE, PURGES.clone(), Metrics::default(), MAX_VARIANTS).unwrap()
}

pub(in crate::store) fn redis_config(server: &RedisServer) -> RedisConfig {
    patient(RedisConfig::at(&server.url()))
}

/// Uses a test's time limits, not a request's: a machine that builds and tests at the same time is slow.
pub(crate) fn patient(config: RedisConfig) -> RedisConfig {
    RedisConfig { timeout: Time::from_secs(20), connect_timeout: Time::from_secs(20), ..config }
}

/// A page's slot, and the selection of a request by whom it was asked for.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) slot: Slot,
    pub(super) selection: Selection,
}

impl std::ops::Deref for Target {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

pub(super) fn slot(key: &str, vary: &[&str], fields: &[(&'static str, &'static str)]) -> Target {
    target(key, vary, &[vary], fields)
}

/// A page by the Vary `vary`, where the key is known to have these rules.
pub(super) fn target(
    key: &str,
    vary: &[&str],
    rules: &[&[&str]],
    fields: &[(&'static str, &'static str)],
) -> Target {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let fields: HeaderMap = fields.iter().map(field).collect();
    let (key, rule) = (Bytes::copy_from_slice(key.as_bytes()), |names: &[&str]| Rule::new(names).unwrap());
    let rules = Rules::new(rules.iter().map(|names| rule(names)));
    Target {
        slot: Slot::new(key.clone(), rule(vary), &fields),
        selection: Selection::new(&key, rules, &fields),
    }
}

pub(super) fn head(slot: &Target, ttl: Duration, stale: Duration) -> EntryHead {
    EntryHead {
        status: 200,
        fields: vec![Field { name: "content-type".into(), value: "text/html".into() }],
        ttl_ms: ttl.as_millis() as u64,
        stale_while_revalidate_ms: stale.as_millis() as u64,
        vary: slot.rule().names(),
        shared: true,
        ..EntryHead::default()
    }
}

pub(super) fn terms() -> Terms {
    Terms { since: Instant::now(), max_lifetime: Duration::from_secs(86_400), grant: PURGES.grant() }
}

pub(super) fn entry(slot: &Target, body: &str, ttl: Duration, stale: Duration) -> Arc<Entry> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Arc::new(Entry::new(slot.slot.clone(), head(slot, ttl, stale), body, terms()))
}

pub(super) fn fresh(slot: &Target, body: &str) -> Arc<Entry> {
    entry(slot, body, Duration::from_secs(60), Duration::ZERO)
}

pub(super) trait Steps: Store<Error: Debug> {
    /// Gets the lease, which must be free, and stores the entry under it.
    async fn fill(&self, slot: &Target, entry: &Arc<Entry>) {
        let token = self.lease(slot).await;
        assert_eq!(self.put(slot.selection.lease(), token, entry).await.unwrap(), PutResult::Kept);
    }

    async fn lease(&self, slot: &Target) -> Token {
        let token = Token::random();
        let looked = self.look_up(&slot.selection, token, false).await.unwrap();
        assert!(matches!(looked, LookUpResult::Granted(_)), "{looked:?}");
        token
    }

    async fn look(&self, slot: &Target) -> LookUpResult {
        self.look_up(&slot.selection, Token::random(), false).await.unwrap()
    }

    async fn body(&self, slot: &Target) -> Bytes {
        match self.look(slot).await {
            LookUpResult::Fresh(entry) => entry.body().clone(),
            looked => panic!("{looked:?}"),
        }
    }
}

impl<S: Store<Error: Debug>> Steps for S {}
