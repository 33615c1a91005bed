//! `Purge`: makes a purge, and says when it is over, or who has not acknowledged it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use purge::{Purge, Seq};
use tokio::time::timeout;
use weir_proto::cache::{PurgeReply, PurgeRequest};

use crate::error::Refusal;
use crate::metrics::PurgeResult;
use crate::node::Parts;
use crate::purges::{Purges, message};

/// The longest a purge is waited for, whatever is asked.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked whether one that is silent has been so for long enough.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Edges that followed this node before it started, and may come back.
const STRANGERS: &str = "edges from before";

pub(crate) async fn purge(node: &Arc<Parts>, request: PurgeRequest) -> Result<PurgeReply, Refusal> {
    let began = Instant::now();
    let purge = message::purge(request.order.unwrap_or_default()).map_err(Refusal::BadPurge)?;
    let wait = Duration::from_millis(request.wait_ms.into()).min(MAX_WAIT);
    let reply = match &node.store.shared_log() {
        None => own(node, purge, began + wait).await,
        Some(log) => match log.append(&purge).await {
            Ok(seq) => log.settle(seq, began + wait).await,
            Err(error) => PurgeReply {
                missing: vec!["redis".to_owned()],
                detail: format!("not written to the purge log: {error}"),
                ..PurgeReply::default()
            },
        },
    };
    let result = match (reply.made, reply.missing.is_empty()) {
        (true, true) => PurgeResult::Complete,
        (true, false) => PurgeResult::Incomplete,
        (false, _) => PurgeResult::NotMade,
    };
    node.metrics.purge(result, began.elapsed());
    Ok(reply)
}

/// In the log that this node keeps for itself.
async fn own(node: &Parts, purge: Purge, deadline: Instant) -> PurgeReply {
    let seq = node.purges.append(purge);
    let mut changes = node.purges.changes();
    while node.purges.settled() < seq && Instant::now() < deadline {
        let _ = timeout(LOOK_AGAIN, changes.changed()).await;
    }
    let over = node.purges.settled() >= seq;
    let mut reply = PurgeReply { made: true, acknowledged: vec![node.name.clone()], ..PurgeReply::default() };
    name_followers(&mut reply, &node.purges, seq, over);
    reply
}

/// Who of those that follow here has acknowledged, and, unless it is `over`, who has not.
pub(crate) fn name_followers(reply: &mut PurgeReply, purges: &Purges, seq: Seq, over: bool) {
    let (mut acknowledged, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for (name, place) in purges.followers() {
        if place >= seq {
            acknowledged.insert(name);
        } else if !over {
            missing.insert(name);
        }
    }
    if !over {
        missing.extend(purges.broken_off());
        missing.extend(purges.expects_strangers().then(|| STRANGERS.to_owned()));
    }
    reply.missing.extend(missing.difference(&acknowledged).cloned());
    reply.acknowledged.extend(acknowledged);
    reply.acknowledged.sort();
}
