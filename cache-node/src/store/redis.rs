//! The store that all nodes share: Redis, or what speaks its protocol.
//!
//! A key's records share a cluster slot by the braces in their names: `weir:{HASH}:rule`,
//! `weir:{HASH}:entry:HASH` and `weir:{HASH}:lease:HASH`. Names are hashes, so no byte of a URL gets into
//! one; the record holds the whole key. All lengths of time are relative, counted by Redis.

mod address;
mod breaker;
pub(crate) mod clock;
mod fault;
mod keys;
pub(crate) mod limits;
mod link;
pub(crate) mod log;
pub(crate) mod news;
mod ping;
mod script;
pub(crate) mod secrets;
mod sentinels;
pub(crate) mod servers;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use process::settings::Mistakes;
use redis::FromRedisValue;
use tokio::time::Instant;
use weir_proto::cache::Use;
use xxhash_rust::xxh3::xxh3_128;

use self::breaker::{Breaker, Change};
use self::fault::Fault;
use self::link::{CallError, Link};
use self::news::{Channel, News};
use self::script::{Invocation, Script};
use self::servers::Servers;
use super::{LookUpResult, Mark, PutResult, Release, Store, Token};
use crate::config::{RedisConfig, WrongSetting};
use crate::entry::record::RecordFormat;
use crate::entry::{Entry, millis};
use crate::metrics::{Command, Metrics};
use crate::purges::Purges;
use crate::slot::{MAX_RULES, Rule, Rules, Selection, Slot};

/// Leases go by a connection of their own: a renewal must not stand in line behind bodies.
const LEASE_CONNECTIONS: u32 = 1;

pub(crate) struct Redis {
    entries: Link,
    leases: Link,
    scripts: StoreScripts,
    log: log::LogScripts,
    limits: limits::LimitScripts,
    secret: Script,
    purges: Arc<Purges>,
    breaker: Mutex<Breaker>,
    channel: Channel,
    metrics: Metrics,
    prefix: String,
    lease: Duration,
    max_variants: usize,
    max_object: u64,
    format: RecordFormat,
}

/// Redis is not there for this call: go on from memory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisUnavailable {
    #[error("Redis did not answer lately: it is not asked for a moment")]
    Resting,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("a record under this key is not ours")]
    Foreign,
}

struct StoreScripts {
    look_up: Script,
    put: Script,
    renew: Script,
    release: Script,
}

/// How many records that cannot be used a look-up may meet: each was stored since the one before it was read.
const RECORDS: usize = MAX_RULES + 3;

/// Verdict, record, milliseconds left of it or of a mark, rules, the record's mark, which page it is: see
/// `look_up.lua`.
type LookUpReply = (String, Option<Bytes>, i64, Option<String>, String, usize, i64);

impl Redis {
    pub(crate) fn new(
        config: &RedisConfig,
        lease: Duration,
        purges: Arc<Purges>,
        metrics: Metrics,
        max_variants: usize,
    ) -> Result<Self, WrongSetting> {
        let servers = Arc::new(Servers::new(config)?);
        let link =
            |connections| Link::new(servers.clone(), connections, config.timeout.0, config.connect_timeout.0);
        metrics.redis_up.set(1);
        Ok(Self {
            entries: link(config.connections),
            leases: link(LEASE_CONNECTIONS),
            scripts: StoreScripts {
                look_up: Script::new(include_str!("redis/look_up.lua")),
                put: Script::new(include_str!("redis/put.lua")),
                renew: Script::new(include_str!("redis/renew.lua")),
                release: Script::new(include_str!("redis/release.lua")),
            },
            log: log::LogScripts::new(),
            limits: limits::LimitScripts::new(),
            secret: Script::new(include_str!("redis/secret.lua")),
            purges,
            breaker: Mutex::default(),
            channel: Channel::new(servers, &config.prefix, config.connect_timeout.0),
            metrics,
            prefix: config.prefix.clone(),
            lease,
            max_variants,
            max_object: config.max_object.0,
            format: RecordFormat {
                seal: keys::seal(config)?,
                compress_from: config.compress_from.bytes(),
                max_body: config.max_object.bytes(),
            },
        })
    }

    /// The channel on which nodes tell each other that a lease has ended.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    async fn call<T: FromRedisValue>(
        &self,
        command: Command,
        link: &Link,
        script: &Invocation<'_>,
    ) -> Result<T, RedisUnavailable> {
        self.call_or_undo(command, link, script, None).await
    }

    async fn call_or_undo<T: FromRedisValue>(
        &self,
        command: Command,
        link: &Link,
        script: &Invocation<'_>,
        undo: Option<&Invocation<'_>>,
    ) -> Result<T, RedisUnavailable> {
        if !self.breaker.lock().admits(Instant::now()) {
            return Err(RedisUnavailable::Resting);
        }
        let began = Instant::now();
        let result = link.call_or_undo(script, undo).await;
        self.metrics.redis_call(command, began.elapsed(), result.is_ok());
        let fault = result.as_ref().err().map(CallError::fault);
        if let Some(fault) = fault {
            self.metrics.redis_fault(fault);
        }
        let change = match fault.is_some_and(Fault::is_outage) {
            false => self.breaker.lock().answered(),
            true => self.breaker.lock().failed(Instant::now(), rand::random()),
        };
        match (change, &result) {
            (Change::Lost, Err(error)) => {
                self.metrics.redis_up.set(0);
                tracing::warn!(%error, "Redis is lost: this node works from its own memory");
            }
            (Change::Back, _) => {
                self.metrics.redis_up.set(1);
                tracing::info!("Redis is back");
            }
            _ => {}
        }
        Ok(result?)
    }

    /// `unusable`: the marks of records that do not count.
    async fn ask(
        &self,
        selection: &Selection,
        token: Token,
        probe: bool,
        unusable: &str,
    ) -> Result<LookUpReply, RedisUnavailable> {
        let lease = selection.lease();
        let names = self.names(lease);
        let mut script = self.scripts.look_up.prepare_invoke();
        script.key(names.rules).key(names.lease).key(names.variants);
        for page in selection.pages() {
            script.key(self.names(page).entry);
        }
        script.arg(rules_text(selection.rules())).arg(token.to_string()).arg(millis(self.lease));
        script.arg(unusable).arg(u8::from(probe));
        // A lease that is granted too late would be nobody's, and in everybody's way.
        let release = self.release_call(lease, token, Release::Free);
        self.call_or_undo(Command::LookUp, &self.entries, &script, Some(&release)).await
    }

    fn release_call(&self, slot: &Slot, token: Token, then: Release) -> Invocation<'_> {
        let (mark, how_long) = match then {
            Release::Free => ("", Duration::ZERO),
            Release::Mark(Mark::Uncacheable, how_long) => ("pass", how_long),
            Release::Mark(Mark::Failed, how_long) => ("fail", how_long),
        };
        let mut script = self.scripts.release.prepare_invoke();
        script.key(self.names(slot).lease).arg(token.to_string()).arg(millis(how_long));
        script.arg(self.channel.name()).arg(News::LeaseEnded(key_hash(slot)).to_string()).arg(mark);
        script
    }

    /// `None`: a record that is fresh by its lifetime, and cannot be read, or was purged.
    fn read(
        &self,
        selection: &Selection,
        reply: LookUpReply,
    ) -> Result<Option<LookUpResult>, RedisUnavailable> {
        let (verdict, record, left, rules, _, page, marked) = reply;
        let millis = |ms: i64| Duration::from_millis(ms.try_into().unwrap_or(0));
        let page = selection.pages().get(page);
        let entry = record
            .zip(page)
            .and_then(|(bytes, page)| self.format.decode(bytes, page, millis(left), Instant::now()).ok());
        let usable = entry.and_then(|entry| Some((self.purges.usage(&entry)?, Arc::new(entry))));
        let is_fresh = matches!(usable, Some((Use::Fresh, _)));
        let entry = usable.map(|(_, entry)| entry);
        Ok(Some(match verdict.as_str() {
            "fresh" => return Ok(entry.filter(|_| is_fresh).map(LookUpResult::Fresh)),
            "granted" => LookUpResult::Granted(entry),
            "held" => LookUpResult::Held(entry),
            "passed" => LookUpResult::Marked(Mark::Uncacheable, millis(marked), entry),
            // Nothing can stand in: the record does not count.
            "failed" if entry.is_none() => return Ok(None),
            "failed" => LookUpResult::Marked(Mark::Failed, millis(marked), entry),
            "rule" => {
                let rules = rules.unwrap_or_default();
                let read = |rule: &str| Rule::new(rule.split(',').filter(|name| !name.is_empty()));
                let rules: Result<Vec<_>, _> = rules.split(';').map(read).collect();
                LookUpResult::OtherRules(Rules::new(rules.map_err(|_| self.foreign())?))
            }
            _ => return Err(self.foreign()),
        }))
    }

    fn foreign(&self) -> RedisUnavailable {
        self.metrics.redis_fault(Fault::Foreign);
        RedisUnavailable::Foreign
    }

    fn names(&self, slot: &Slot) -> RecordNames {
        let (prefix, key) = (&self.prefix, key_hash(slot));
        let variant = xxh3_128(slot.variant());
        RecordNames {
            rules: format!("{prefix}:{{{key:032x}}}:rule"),
            variants: format!("{prefix}:{{{key:032x}}}:variants"),
            entry: format!("{prefix}:{{{key:032x}}}:entry:{variant:032x}"),
            lease: format!("{prefix}:{{{key:032x}}}:lease:{variant:032x}"),
        }
    }
}

struct RecordNames {
    rules: String,
    variants: String,
    entry: String,
    lease: String,
}

/// Reports what only the client of Redis finds wrong with the settings. It connects to nothing.
pub(crate) fn check(config: &RedisConfig, mistakes: &mut Mistakes) {
    let wrong = [Servers::new(config).err(), keys::seal(config).err()];
    for wrong in wrong.into_iter().flatten() {
        mistakes.push(format!("cache_node.redis.{}", wrong.setting), wrong.text);
    }
}

pub(crate) fn key_hash(slot: &Slot) -> u128 {
    xxh3_128(slot.key())
}

fn rule_text(rule: &Rule) -> String {
    rule.names().join(",")
}

fn rules_text(rules: &Rules) -> String {
    rules.iter().map(rule_text).collect::<Vec<_>>().join(";")
}

impl Store for Redis {
    type Error = RedisUnavailable;

    async fn look_up(
        &self,
        selection: &Selection,
        token: Token,
        probe: bool,
    ) -> Result<LookUpResult, RedisUnavailable> {
        let mut unusable = String::new();
        for _ in 0..RECORDS {
            let reply = self.ask(selection, token, probe, &unusable).await?;
            let mark = reply.4.clone();
            match self.read(selection, reply)? {
                Some(looked) => return Ok(looked),
                // Fresh by its lifetime, but purged, damaged or of another version: not fresh. One that
                // another node has stored since may be.
                None => {
                    unusable.push(' ');
                    unusable.push_str(&mark);
                }
            }
        }
        Err(self.foreign())
    }

    async fn put(
        &self,
        slot: &Slot,
        token: Token,
        entry: &Arc<Entry>,
    ) -> Result<PutResult, RedisUnavailable> {
        let (under, names) = (self.names(slot), self.names(entry.slot()));
        let now = Instant::now();
        let fits = entry.weight() as u64 <= self.max_object;
        let record = if fits { self.format.encode(entry, now) } else { None };
        let record = record.unwrap_or_default();
        let mut script = self.scripts.put.prepare_invoke();
        script.key(under.lease).key(names.rules).key(names.entry).key(names.variants);
        script.arg(token.to_string()).arg(rule_text(entry.slot().rule())).arg(record);
        script.arg(millis(entry.keep_stale_for(now))).arg(millis(entry.keep_for(now)).max(1));
        script.arg(self.channel.name()).arg(News::LeaseEnded(key_hash(slot)).to_string());
        script.arg(self.max_variants).arg(MAX_RULES);
        let kept: bool = self.call(Command::Put, &self.entries, &script).await?;
        Ok(if kept { PutResult::Kept } else { PutResult::LeaseLost })
    }

    async fn renew(&self, slot: &Slot, token: Token) -> Result<bool, RedisUnavailable> {
        let mut script = self.scripts.renew.prepare_invoke();
        script.key(self.names(slot).lease).arg(token.to_string()).arg(millis(self.lease));
        self.call(Command::Renew, &self.leases, &script).await
    }

    async fn release(&self, slot: &Slot, token: Token, then: Release) -> Result<(), RedisUnavailable> {
        self.call(Command::Release, &self.leases, &self.release_call(slot, token, then)).await
    }
}
