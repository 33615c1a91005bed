//! The purge log in Redis, and the list of the nodes that follow it. All of it in one cluster slot.
//!
//! The log is a stream, whose places never go back, also if Redis's clock does. It has a random name: a log
//! that has lost purges (Redis was emptied, or failed over to a copy that lagged) is succeeded by one with
//! another name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use purge::{LogEntry, LogId, Position, Purge, Seq};
use weir_proto::cache::PurgeOrder;

use super::news::News;
use super::script::Script;
use super::{Redis, RedisUnavailable};
use crate::metrics::Command;
use crate::purges::message;

/// Purges kept in the log, at most.
const MAX_PURGES: usize = 65_536;
/// Purges read at once.
const PAGE: usize = 512;
/// Bits of a place that count the purges within one millisecond: more than Redis can write while its clock
/// stands still.
const COUNT_BITS: u32 = 22;

pub(super) struct LogScripts {
    append: Script,
    beat: Script,
    succeed: Script,
    members: Script,
    bound: Script,
    forget: Script,
}

/// What one node says of itself to the others.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Member {
    /// Grows with every beat. One whose beats stand still is silent.
    #[prost(uint64, tag = "1")]
    pub(crate) beats: u64,
    /// Which process it is.
    #[prost(uint64, tag = "2")]
    pub(crate) incarnation: u64,
    /// How long after a beat it uses its pages.
    #[prost(uint32, tag = "3")]
    pub(crate) grace_ms: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) log: Bytes,
    /// Up to which purge neither it nor an edge that follows it uses a page from before.
    #[prost(uint64, tag = "5")]
    pub(crate) settled: u64,
    /// The edges that follow it.
    #[prost(message, repeated, tag = "6")]
    pub(crate) followers: Vec<MemberFollower>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberFollower {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint64, tag = "2")]
    pub(crate) acknowledged: u64,
}

/// What a beat brings back.
pub(crate) struct LogPage {
    pub(crate) log: LogId,
    pub(crate) head: Seq,
    pub(crate) floor: Seq,
    pub(crate) purges: Vec<Arc<LogEntry>>,
    /// What Redis's clock said, in ms.
    pub(crate) time: u64,
}

/// Name, end, floor, time in ms, purges: see `beat.lua`.
type BeatReply = (String, String, String, u64, Vec<(String, Bytes, String)>);

impl LogScripts {
    pub(super) fn new() -> Self {
        Self {
            append: Script::new(include_str!("append.lua")),
            beat: Script::new(include_str!("beat.lua")),
            succeed: Script::new(include_str!("succeed.lua")),
            members: Script::new("return redis.call('HGETALL', KEYS[1])"),
            bound: Script::new(include_str!("bound.lua")),
            forget: Script::new(include_str!("forget.lua")),
        }
    }
}

impl Redis {
    /// Writes the purge. Whoever reads on in the log obeys it from then on. Kept for `keep` at most: no page
    /// lives longer.
    pub(crate) async fn append(&self, purge: &Purge, keep: Duration) -> Result<Position, RedisUnavailable> {
        let mut script = self.log.append.prepare_invoke();
        script.key(self.purges("log")).key(self.purges("state"));
        script.arg(new_name()).arg(message::order(purge).encode_to_vec());
        script.arg(MAX_PURGES).arg(crate::entry::millis(keep));
        script.arg(self.channel().name()).arg(News::Purged.to_string());
        let (log, place): (String, String) = self.call(Command::Purge, &self.leases, &script).await?;
        Ok(Position { log: log_id(&log)?, seq: seq(&place)? })
    }

    /// Says what this node is, tells the others if it has acknowledged more, and reads on after `read`.
    pub(crate) async fn beat(
        &self,
        name: &str,
        member: &Member,
        read: Position,
        tell: bool,
    ) -> Result<LogPage, RedisUnavailable> {
        let mut script = self.log.beat.prepare_invoke();
        script.key(self.purges("log")).key(self.purges("state")).key(self.purges("members"));
        script.arg(new_name()).arg(name).arg(member.encode_to_vec());
        script.arg(read.log.to_string()).arg(place(read.seq)).arg(PAGE);
        script.arg(self.channel().name()).arg(if tell {
            News::Acknowledged.to_string()
        } else {
            String::new()
        });
        let (log, head, floor, time, entries): BeatReply =
            self.call(Command::Beat, &self.leases, &script).await?;
        let now = Instant::now();
        let purges = entries.into_iter().map(|(at, order, previous)| {
            let order = PurgeOrder::decode(order).map_err(|_| RedisUnavailable::Foreign)?;
            let (seq, previous) = (seq(&at)?, seq(&previous)?);
            let at = message::ago(time.saturating_sub(seq.get() >> COUNT_BITS), now);
            let purge = message::purge(order).map_err(|_| RedisUnavailable::Foreign)?;
            Ok(Arc::new(LogEntry { seq, previous, purge, at }))
        });
        let purges = purges.collect::<Result<_, RedisUnavailable>>()?;
        Ok(LogPage { log: log_id(&log)?, head: seq(&head)?, floor: seq(&floor)?, purges, time })
    }

    /// The log of this name has lost purges: another one begins, unless somebody else has begun one.
    pub(crate) async fn succeed(&self, lost: LogId) -> Result<(), RedisUnavailable> {
        let mut script = self.log.succeed.prepare_invoke();
        script.key(self.purges("log")).key(self.purges("state")).arg(lost.to_string()).arg(new_name());
        script.arg(self.channel().name()).arg(News::Purged.to_string());
        self.call(Command::Purge, &self.leases, &script).await
    }

    /// All nodes that follow the log, by name.
    pub(crate) async fn members(&self) -> Result<BTreeMap<String, Member>, RedisUnavailable> {
        let mut script = self.log.members.prepare_invoke();
        script.key(self.purges("members"));
        Ok(decoded(self.call(Command::Members, &self.leases, &script).await?))
    }

    /// All nodes that have to obey this purge, by name. `None`: Redis has lost the purge, and perhaps nodes
    /// with it.
    pub(crate) async fn bound_by(
        &self,
        purge: Position,
    ) -> Result<Option<BTreeMap<String, Member>>, RedisUnavailable> {
        let mut script = self.log.bound.prepare_invoke();
        script.key(self.purges("log")).key(self.purges("state")).key(self.purges("members"));
        script.arg(purge.log.to_string()).arg(place(purge.seq));
        let (there, members): (bool, BTreeMap<String, Bytes>) =
            self.call(Command::Members, &self.leases, &script).await?;
        Ok(there.then(|| decoded(members)))
    }

    /// Takes a node off the list: itself, or one that has not been heard for long.
    pub(crate) async fn forget(&self, name: &str, member: Option<&Member>) -> Result<(), RedisUnavailable> {
        let mut script = self.log.forget.prepare_invoke();
        script
            .key(self.purges("members"))
            .arg(name)
            .arg(member.map(Message::encode_to_vec).unwrap_or_default());
        self.call(Command::Members, &self.leases, &script).await
    }

    fn purges(&self, what: &str) -> String {
        format!("{}:{{purges}}:{what}", self.prefix)
    }
}

fn decoded(members: BTreeMap<String, Bytes>) -> BTreeMap<String, Member> {
    // A record that cannot be read acknowledges nothing: its node is waited for.
    let unknown = Member { grace_ms: u32::MAX, ..Member::default() };
    let member = |record: Bytes| Member::decode(record).unwrap_or_else(|_| unknown.clone());
    members.into_iter().map(|(name, record)| (name, member(record))).collect()
}

fn new_name() -> String {
    LogId::new(rand::random()).to_string()
}

fn log_id(name: &str) -> Result<LogId, RedisUnavailable> {
    u128::from_str_radix(name, 16).map(LogId::new).map_err(|_| RedisUnavailable::Foreign)
}

/// A place of the stream ("1526919030474-55") as one number.
fn seq(place: &str) -> Result<Seq, RedisUnavailable> {
    let (time, count) = place.split_once('-').ok_or(RedisUnavailable::Foreign)?;
    let (time, count) = (time.parse::<u64>().ok(), count.parse::<u64>().ok());
    let (Some(time), Some(count)) = (time, count) else { return Err(RedisUnavailable::Foreign) };
    if time >> (u64::BITS - COUNT_BITS) != 0 || count >> COUNT_BITS != 0 {
        return Err(RedisUnavailable::Foreign);
    }
    Ok(Seq::new(time << COUNT_BITS | count))
}

fn place(seq: Seq) -> String {
    let (time, count) = (seq.get() >> COUNT_BITS, seq.get() & ((1 << COUNT_BITS) - 1));
    format!("{time}-{count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_order_as_numbers() {
        let places =
            ["0-0", "0-1", "1526919030474-0", "1526919030474-55", "1526919030475-0", "1526919030475-4194303"];
        let seqs: Vec<Seq> = places.iter().map(|text| seq(text).unwrap()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b));
        for (text, seq) in places.iter().zip(seqs) {
            assert_eq!(place(seq), *text);
        }
        for foreign in ["", "-", "1", "a-1", "1-4194304", "99999999999999999-0"] {
            assert!(seq(foreign).is_err(), "{foreign:?}");
        }
    }
}
