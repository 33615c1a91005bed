//! `Purge`: makes a purge, and says when it is over, or which edges and nodes have not acknowledged it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use purge::Purge;
use tokio::time::timeout;
use weir_proto::cache::{PurgeReply, PurgeRequest};

use crate::error::Refusal;
use crate::metrics::PurgeResult;
use crate::node::NodeState;
use crate::purges::message;

/// The longest wait for acknowledgements, whatever the request asks for.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How often to check whether a silent edge has been silent for its whole grace.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) async fn purge(node: &Arc<NodeState>, request: PurgeRequest) -> Result<PurgeReply, Refusal> {
    let began = Instant::now();
    let purge = message::purge(request.order.unwrap_or_default()).map_err(Refusal::BadPurge)?;
    let wait = Duration::from_millis(request.wait_ms.into()).min(MAX_WAIT);
    let reply = match &node.shared_log {
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

/// Makes the purge in the log that this node keeps for itself.
async fn own(node: &NodeState, purge: Purge, deadline: Instant) -> PurgeReply {
    let seq = node.purges.append(purge);
    let mut changes = node.purges.changes();
    while node.purges.settled() < seq && Instant::now() < deadline {
        let _ = timeout(LOOK_AGAIN, changes.changed()).await;
    }
    let over = node.purges.settled() >= seq;
    let mut reply = PurgeReply { made: true, acknowledged: vec![node.name.clone()], ..PurgeReply::default() };
    node.purges.name_followers(&mut reply, seq, over);
    reply
}
