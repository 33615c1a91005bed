//! Purges between the contract's messages, Redis, and `crates/purge`.

pub(crate) mod fuzzed;

use std::time::{Duration, Instant};

use purge::{InvalidPurge, LogEntry, LogId, Position, Purge, Seq, Target};
use weir_proto::cache::purge_target::Target as Named;
use weir_proto::cache::{self, PurgeOrder, PurgeTarget};

use crate::entry::{Grant, millis};

/// The purge that a message orders.
pub(crate) fn purge(order: PurgeOrder) -> Result<Purge, InvalidPurge> {
    let targets = order.targets.into_iter().filter_map(|target| {
        Some(match target.target? {
            // `all: false` names nothing.
            Named::All(all) => return all.then_some(Target::All),
            Named::Url(url) => Target::Url(url),
            Named::Prefix(prefix) => Target::Prefix(prefix),
            Named::Tag(tag) => Target::Tag(tag),
        })
    });
    Purge::new(targets.collect(), order.soft)
}

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

pub(crate) fn logged(logged: &LogEntry, now: Instant) -> cache::WatchPurge {
    cache::WatchPurge {
        seq: logged.seq.get(),
        previous: logged.previous.get(),
        order: Some(order(&logged.purge)),
        ago_ms: millis(now.saturating_duration_since(logged.at)),
    }
}

/// `None`: the edge has followed no log yet, or says something else than a place.
pub(crate) fn place(position: &cache::Position) -> Option<Position> {
    Some(Position { log: LogId::from_bytes(&position.log)?, seq: Seq::new(position.seq) })
}

pub(crate) fn position(grant: Grant, now: Instant) -> cache::Position {
    match grant {
        Grant::Logged(Position { log, seq }) => cache::Position {
            log: log.to_bytes().to_vec().into(),
            seq: seq.get(),
            ..cache::Position::default()
        },
        Grant::Until { since, until } => cache::Position {
            left_ms: millis_u32(until.saturating_duration_since(now)),
            since_ms: millis_u32(now.saturating_duration_since(since)),
            ..cache::Position::default()
        },
    }
}

pub(crate) fn millis_u32(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// How long ago something was, as a time by this process's clock.
pub(crate) fn ago(milliseconds: u64, now: Instant) -> Instant {
    now.checked_sub(Duration::from_millis(milliseconds)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_goes_there_and_back() {
        let targets = vec![
            Target::All,
            Target::Url("http://h/a".into()),
            Target::Prefix("http://h/".into()),
            Target::Tag("news".into()),
        ];
        for soft in [false, true] {
            let made = Purge::new(targets.clone(), soft).unwrap();
            assert_eq!(purge(order(&made)), Ok(made));
        }
    }

    #[test]
    fn an_order_that_names_nothing_is_none() {
        let nothing = |target| PurgeOrder { targets: vec![PurgeTarget { target }], soft: false };
        assert_eq!(purge(nothing(None)), Err(InvalidPurge::Nothing));
        assert_eq!(purge(nothing(Some(Named::All(false)))), Err(InvalidPurge::Nothing));
    }
}
