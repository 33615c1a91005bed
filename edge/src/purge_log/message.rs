//! Converts purges between the contract's messages and `crates/purge`.

use std::time::{Duration, Instant};

use purge::{InvalidPurge, LogEntry, LogId, Purge, Seq, Target};
use weir_proto::cache::purge_target::Target as Named;
use weir_proto::cache::{self, Follow, Position, PurgeOrder, PurgeTarget};

pub(crate) fn order(purge: &Purge) -> PurgeOrder {
    let targets = purge.targets().iter().map(|target| {
        let named = match target {
            Target::All => Named::All(true),
            Target::Url(url) => Named::Url(url.clone()),
            Target::Prefix(prefix) => Named::Prefix(prefix.clone()),
            Target::Tag(tag) => Named::Tag(tag.clone()),
        };
        PurgeTarget { target: Some(named) }
    });
    PurgeOrder { targets: targets.collect(), soft: purge.is_soft() }
}

/// A target of an unknown kind stands for everything.
pub(crate) fn logged(message: cache::WatchPurge, now: Instant) -> Result<LogEntry, InvalidPurge> {
    let order = message.order.unwrap_or_default();
    let targets = order.targets.into_iter().map(|target| match target.target {
        Some(Named::Url(url)) => Target::Url(url),
        Some(Named::Prefix(prefix)) => Target::Prefix(prefix),
        Some(Named::Tag(tag)) => Target::Tag(tag),
        Some(Named::All(_)) | None => Target::All,
    });
    Ok(LogEntry {
        seq: Seq::new(message.seq),
        previous: Seq::new(message.previous),
        purge: Purge::new(targets.collect(), order.soft)?,
        at: now.checked_sub(Duration::from_millis(message.ago_ms)).unwrap_or(now),
    })
}

/// Which log, and the position up to which its purges are not sent. `None`: the node names no log.
pub(crate) fn follow(message: &Follow) -> Option<(LogId, Seq)> {
    Some((LogId::from_bytes(&message.log)?, Seq::new(message.floor)))
}

pub(crate) fn position(log: LogId, seq: Seq) -> Position {
    Position { log: log.to_bytes().to_vec().into(), seq: seq.get(), ..Position::default() }
}
