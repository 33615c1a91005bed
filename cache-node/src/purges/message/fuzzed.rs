//! What the fuzz target of purges calls: what a peer or the store orders is a purge within its bounds,
//! written and read again the same; and a page that it names is gone or stale.

use std::time::Instant;

use prost::Message;
use purge::{LogEntry, MAX_TARGET, MAX_TARGETS, PurgeIndex, Reach, Seq, Subject, Target, tag_hash};
use weir_proto::cache::PurgeOrder;

use super::{order, purge};

/// Reads the bytes as a purge, as a node gets it from an edge and from the log in Redis.
#[doc(hidden)]
pub fn read_purge(bytes: &[u8]) {
    let Ok(Ok(made)) = PurgeOrder::decode(bytes).map(purge) else { return };
    assert!((1..=MAX_TARGETS).contains(&made.targets().len()));
    let written = order(&made).encode_to_vec();
    let Ok(again) = PurgeOrder::decode(&written[..]) else { panic!("not read again") };
    assert_eq!(purge(again), Ok(made.clone()));
    let mut index = PurgeIndex::new(Seq::START, MAX_TARGETS);
    let (granted, seq) = (Seq::START, Seq::START.next());
    index.apply(&LogEntry { seq, previous: granted, purge: made.clone(), at: Instant::now() });
    for target in made.targets() {
        let (url, tag) = match target {
            Target::All => (&b"https://h/"[..], None),
            Target::Url(url) => (&url[..], None),
            Target::Prefix(prefix) => (&prefix[..], None),
            Target::Tag(tag) => (&b""[..], Some(tag_hash(tag))),
        };
        assert!(url.len() <= MAX_TARGET);
        let subject = Subject { url, tags: tag.as_slice() };
        let reach = index.reach(subject, granted);
        assert!(if made.is_soft() { reach != Reach::Untouched } else { reach == Reach::Gone }, "{target:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_cut_anywhere() {
        let order = include_bytes!("../../../../fuzz/seeds/purge/all");
        (0..=order.len()).for_each(|end| read_purge(&order[..end]));
    }
}
